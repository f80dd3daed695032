/* The front's end of a channel to validator or signer: many threads ask, one thread (the control loop) receives. A peer may die and
 * come back with a new channel; whoever waits is told CLOSED. */
#ifndef CHANCERY_SERVER_FRONT_PEER_H
#define CHANCERY_SERVER_FRONT_PEER_H

#include "server/messages.h"

struct peer;

/* The end of a question, on the control thread: answer is NULL when code is not OK (CLOSED, TIMEOUT); valid during the call. */
typedef void peer_done(void *ctx, enum err_code code, const struct message *answer);

/* wake: an eventfd that makes the control loop look at its descriptors again. */
enum err_code peer_new(enum process who, int wake, struct peer **ret, struct err *e) MUST_USE;
void peer_free(struct peer *p);
/* A new channel in place of the old one, whose questions end with CLOSED. */
enum err_code peer_connect(struct peer *p, int fd, struct err *e) MUST_USE;

/* BUSY when too many wait or the peer is not there; to the signer also until HELLO has been sent on its present channel. done is called exactly once when this succeeds. */
enum err_code peer_ask(
    struct peer *p, enum message_type type, struct bytes body, unsigned timeout_ms, peer_done *done, void *ctx, struct err *e) MUST_USE;
/* The same for a worker that can wait. The answer's body is copied into the arena. Never from the control thread. */
enum err_code peer_call(struct peer *p, struct arena *a, enum message_type type, struct bytes body, unsigned timeout_ms,
    struct message *ret, struct err *e) MUST_USE;

/* For the control loop. fd is -1 when there is no channel. */
int peer_fd(struct peer *p, bool *ret_wants_write);
/* Receives what is there, ends questions past their deadline; notices (no answer) go to `notice`. A peer that is gone is no failure: the parent
 * brings the next one. Fails when the socket itself does: then nobody would. */
typedef void peer_notice(void *ctx, const struct message *m);
enum err_code peer_serve(struct peer *p, peer_notice *notice, void *ctx, struct err *e) MUST_USE;
struct channel_counts peer_counts(struct peer *p);
size_t peer_waiting(struct peer *p);

#endif
