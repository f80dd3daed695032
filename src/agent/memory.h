/* What is remembered of a CA that a certificate is asked of, from run to run: each failure where it belongs (blame.h), so that it stops what it is about and nothing
 * else. */
#ifndef CHANCERY_AGENT_MEMORY_H
#define CHANCERY_AGENT_MEMORY_H

#include "agent/ca_wish.h"
#include "agent/state.h"

enum memory_scope {
	MEMORY_CA,          /* FOLDER/_cas/CA.json: the CA, or the network to it */
	MEMORY_ACCOUNT,     /* FOLDER/_cas/CA@ID.json: an account there; ID is made of where its key is */
	MEMORY_CERTIFICATE, /* FOLDER/NAME/state@CA.json: a certificate there */
	MEMORY_SCOPES
};
#define MEMORY_PATH_MAX 4096
struct memory {
	struct {
		char path[MEMORY_PATH_MAX]; /* "": nothing is kept */
		struct state state;
	} of[MEMORY_SCOPES];
};

/* certificate NULL: of the CA and the account alone. tell: what is broken is moved aside, and this is called with what to say of it; NULL: nothing is touched. */
void memory_open(const char *folder, const char *certificate, const struct ca_wish *ca, void (*tell)(void *context, const char *text),
    void *context, struct memory *ret);
/* What keeps it from being asked now, the longest; NULL: nothing. own: our back-off counts, not only what the CA has asked for. */
const struct state *memory_holds(const struct memory *m, bool own, int64_t now_s);
/* How it ended there: kept at once. */
void memory_note(struct memory *m, const struct ca_wish *ca, const struct outcome *out, int64_t now_s);

#endif
