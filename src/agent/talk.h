/* What chancery and its processes say to each other: named operations with a JSON object both ways, over a message channel (os/channel.h).
 *
 *	CALL "name\0{...}"     the program asks a process; one at a time
 *	ANSWER {...} | FAILED {"code":...,"detail":"..."}
 *	ASK "what\0{...}"      meanwhile the process may ask the program back (for a signature, an answer to be put in place), one at a time
 *	REPLY {...} | DENIED {"code":...,"detail":"..."}
 *
 * CALL_FD is a CALL with a descriptor. */
#ifndef CHANCERY_AGENT_TALK_H
#define CHANCERY_AGENT_TALK_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "os/channel.h"

enum talk_side { TALK_PROGRAM, TALK_PROCESS };
enum talk_type { TALK_CALL, TALK_CALL_FD, TALK_ANSWER, TALK_FAILED, TALK_ASK, TALK_REPLY, TALK_DENIED, TALK__MAX };
extern const struct message_rule talk_rules[TALK__MAX];

#define TALK_NAME_MAX      32
#define TALK_RESOLVERS_MAX 8 /* that an issuance names */

/* "name\0{...}" of a CALL or ASK; MALFORMED for anything else. */
enum err_code talk_split(struct bytes body, const char **ret_name, struct bytes *ret_json, struct err *e) MUST_USE;
void talk_join(const char *name, struct bytes json, struct buf *out);
/* A failure, there and back. It returns what was read: whatever it is, it is a failure. */
void talk_put_error(const struct err *why, struct buf *out);
enum err_code talk_take_error(struct arena *a, struct bytes json, struct err *e) MUST_USE;

/* Bytes as a member, in base64url, and back; absent: ptr NULL. */
void talk_put_bytes(struct json_out *w, const char *key, struct bytes v);
enum err_code talk_bytes(struct arena *a, struct bytes text, struct bytes *ret, struct err *e) MUST_USE;
/* A string member that is NUL-terminated in the arena; NULL: absent. */
enum err_code talk_text(struct arena *a, struct bytes text, const char **ret, struct err *e) MUST_USE;

#endif
