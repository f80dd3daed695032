/* What a web server's configuration needs to answer http-01 by itself, for one account. */
#ifndef CHANCERY_AGENT_SNIPPET_H
#define CHANCERY_AGENT_SNIPPET_H

#include "base/arena.h"
#include "base/err.h"

#include <chancery/chancery.h>

/* The thumbprint of the account key, which answers all its challenges (RFC 8555 §8.1). */
enum err_code snippet_thumbprint(struct bytes spki, char ret[CHANCERY_THUMBPRINT_SIZE], struct err *e) MUST_USE;
/* server: nginx, apache or haproxy; CONFIG: another one. In the arena. */
enum err_code snippet_of(struct arena *a, const char *server, const char *thumbprint, const char **ret, struct err *e) MUST_USE;

#endif
