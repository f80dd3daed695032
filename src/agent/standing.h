/* How a certificate stands: what there is, until when, when it is due and why, what went wrong last. From files alone; served is looked at when it is asked for. */
#ifndef CHANCERY_AGENT_STANDING_H
#define CHANCERY_AGENT_STANDING_H

#include "agent/crew.h"
#include "agent/due.h"
#include "agent/inventory.h"
#include "agent/state.h"

enum standing_kind {
	STANDING_GOOD,
	STANDING_DUE,     /* it is to be renewed, and will be */
	STANDING_FAILING, /* it is due, and the last try failed */
	STANDING_EXPIRED,
	STANDING_MISSING,   /* it is configured, and there is none */
	STANDING_UNMANAGED, /* nothing says what is wanted of it, so nobody renews it */
	STANDING_BROKEN,    /* what lies there cannot be read */
};
const char *standing_name(enum standing_kind k);

/* A CA that this certificate is set back at, for what is about its names. */
struct standing_at {
	const char *ca;
	struct state state;
};
struct standing {
	const struct inventory_item *item;
	enum standing_kind kind;
	const char **names; /* those that are in it, or are wanted where there is none */
	size_t n_names;
	const char *server, *ca; /* "": not known */
	const char *not_before, *not_after, *generation;
	int64_t not_before_s, not_after_s; /* 0: there is none */
	bool never;                        /* it is configured, was tried and never got, or no CA could be asked for it yet */
	struct due due;
	struct state state;
	struct standing_at *at;
	size_t n_at;
	const char *wrong;     /* what cannot be read, and why; NULL: all can */
	const char *forgotten; /* what was remembered and cannot be read, and why; NULL: all can */
};
/* Everything lives in the arena. */
void standing_of(const struct config *c, struct arena *a, const struct inventory_item *item, int64_t now_s, struct standing *ret);
/* Looks at the endpoints that the certificate is to be served at (--deploy-endpoint, else its first name's port 443) and keeps what was seen in its state. */
void standing_look(const struct config *c, struct crew *crew, struct arena *a, struct standing *s);

#endif
