/* One request to a running process by its operators' socket (docs/protocol/operators.md). */
#ifndef CHANCERY_CLI_ASK_H
#define CHANCERY_CLI_ASK_H

#include "base/arena.h"
#include "server/settings.h"

#define ASK_LINE_MAX   16384
#define ASK_ANSWER_MAX ((1u << 20) + 65536)

/* request: the object, to which a line feed is added; answer: its object. Both are secret buffers where a secret is in them. NOT_FOUND: no server
 * runs; CONFIG: what the process says is wrong. */
enum err_code ask_signer(const struct settings *s, struct arena *a, struct buf *request, struct buf *answer, struct err *e) MUST_USE;
/* The same, of the front. */
enum err_code ask_front(const struct settings *s, struct arena *a, struct buf *request, struct buf *answer, struct err *e) MUST_USE;

#endif
