/* The processes of one run of chancery, each started when it is first needed. */
#ifndef CHANCERY_AGENT_CREW_H
#define CHANCERY_AGENT_CREW_H

#include "agent/peer.h"

/* Who they are when we are root; NULL: users of their own. Must live as long as the crew. */
struct crew_users {
	const char *net, *keys, *hook;
};
struct crew {
	struct crew_users users;
	struct peer *net, *keys, *hooks, *runner, *poster; /* NULL: not started */
};
void crew_close(struct crew *c);

/* What speaks to the network. */
enum err_code crew_net(struct crew *c, struct peer **ret, struct err *e) MUST_USE;
/* Another one, which speaks to services of the user's while the first one is busy with a CA, and has secrets that are none of a CA's. */
enum err_code crew_poster(struct crew *c, struct peer **ret, struct err *e) MUST_USE;
/* What has the keys. */
enum err_code crew_keys(struct crew *c, struct peer **ret, struct err *e) MUST_USE;
/* Another user for hooks from now on; NULL: the default. */
void crew_hook_user(struct crew *c, const char *user);
/* What runs programs that solve challenges. */
enum err_code crew_hooks(struct crew *c, struct peer **ret, struct err *e) MUST_USE;
/* What runs programs as who we are: to deploy. */
enum err_code crew_runner(struct crew *c, struct peer **ret, struct err *e) MUST_USE;
/* Asks the network process; one that has ended is started anew by the next call. */
enum err_code crew_net_call(struct crew *c, struct arena *a, const struct peer_call *call, struct bytes *ret, struct err *e) MUST_USE;

#endif
