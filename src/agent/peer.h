/* One of chancery's processes, as the program sees it: started when it is needed, asked one thing at a time. */
#ifndef CHANCERY_AGENT_PEER_H
#define CHANCERY_AGENT_PEER_H

#include "agent/talk.h"

#include <sys/types.h>

struct peer;

struct peer_wish {
	const char *program; /* "chancery-net", looked for in libexec/chancery */
	/* Who it is when we are root: a user's name or number. NULL: own_user, or where there is no such user, a number that no user has. */
	const char *user, *own_user;
	bool keeps_user;  /* it stays who we are */
	bool environment; /* it gets ours */
};
enum err_code peer_start(const struct peer_wish *w, struct peer **ret, struct err *e) MUST_USE;
/* Tells it to end by closing the channel; kills it when it does not. */
void peer_stop(struct peer *p);
DEFINE_CLEANUP(struct peer *, peer_stop);

/* What the process asks while it works. answer: members of one object; a failure is told to the process. */
typedef enum err_code peer_asked(
    void *context, struct arena *a, const char *what, struct bytes json, struct json_out *answer, struct err *e);

struct peer_call {
	const char *name;
	struct bytes json; /* one object; ptr NULL: an empty one */
	int fd;            /* goes along when it is not -1; stays the caller's */
	peer_asked *asked; /* NULL: it may ask for nothing */
	void *context;
	uint32_t timeout_ms;
};
/* The answer's object, in the arena. What the process refuses comes as it says it. CLOSED: it has ended; TIMEOUT: it was killed; then peer_stop() is all that
 * is left. Signals that interrupt the wait are passed on to it, so that it asks soon whether to go on. */
enum err_code peer_call(struct peer *p, struct arena *a, const struct peer_call *c, struct bytes *ret, struct err *e) MUST_USE;

#endif
