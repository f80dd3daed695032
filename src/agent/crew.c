#include "agent/crew.h"

#include <string.h>

static enum err_code need(struct peer **peer, const struct peer_wish *w, struct peer **ret, struct err *e)
{
	if (!*peer)
		TRY(peer_start(w, peer, e));
	*ret = *peer;
	return ERR_OK;
}

static enum err_code need_net(const struct crew *c, struct peer **peer, struct peer **ret, struct err *e)
{
	return need(peer, &(struct peer_wish){ .program = "chancery-net", .user = c->users.net, .own_user = "chancery-net" }, ret, e);
}

enum err_code crew_net(struct crew *c, struct peer **ret, struct err *e)
{
	return need_net(c, &c->net, ret, e);
}

enum err_code crew_poster(struct crew *c, struct peer **ret, struct err *e)
{
	return need_net(c, &c->poster, ret, e);
}

enum err_code crew_keys(struct crew *c, struct peer **ret, struct err *e)
{
	return need(
	    &c->keys, &(struct peer_wish){ .program = "chancery-keys", .user = c->users.keys, .own_user = "chancery-keys" }, ret, e);
}

enum err_code crew_hooks(struct crew *c, struct peer **ret, struct err *e)
{
	return need(&c->hooks,
	    &(struct peer_wish){ .program = "chancery-runner", .user = c->users.hook, .own_user = "chancery-hook", .environment = true },
	    ret, e);
}

void crew_hook_user(struct crew *c, const char *user)
{
	bool same = user && c->users.hook ? strcmp(user, c->users.hook) == 0 : !user && !c->users.hook;

	c->users.hook = user;
	if (same)
		return;
	peer_stop(c->hooks);
	c->hooks = NULL;
}

enum err_code crew_runner(struct crew *c, struct peer **ret, struct err *e)
{
	return need(&c->runner, &(struct peer_wish){ .program = "chancery-runner", .keeps_user = true, .environment = true }, ret, e);
}

enum err_code crew_net_call(struct crew *c, struct arena *a, const struct peer_call *call, struct bytes *ret, struct err *e)
{
	struct peer *net;

	TRY(crew_net(c, &net, e));
	enum err_code rc = peer_call(net, a, call, ret, e);
	if (rc == ERR_CLOSED || rc == ERR_TIMEOUT) {
		peer_stop(net);
		c->net = NULL;
	}
	return rc;
}

void crew_close(struct crew *c)
{
	peer_stop(c->net);
	peer_stop(c->keys);
	peer_stop(c->hooks);
	peer_stop(c->runner);
	peer_stop(c->poster);
	*c = (struct crew){ .net = NULL };
}
