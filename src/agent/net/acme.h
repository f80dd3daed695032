/* What the operations at a CA have in common: the CA and the account as the program tells them, keys that sign elsewhere, failures. Private to this room. */
#ifndef CHANCERY_AGENT_NET_ACME_H
#define CHANCERY_AGENT_NET_ACME_H

#include "agent/net/op.h"

#include <chancery/chancery.h>

/* A key that the program has: signatures are asked of it by the slot's name. */
struct remote_key {
	struct child *child;
	const char *slot;
	struct chancery_key *key; /* NULL: none */
};
struct acme {
	struct child *child;
	struct arena *arena;
	struct chancery_client *client;
	struct remote_key account;
	uint32_t timeout_s;
};
/* json: the object `ca` of an operation (agent/ca_call.h). *ret stays where it is until acme_close(). */
enum err_code acme_open(struct child *c, struct arena *a, struct bytes json, struct acme *ret, struct err *e) MUST_USE;
void acme_close(struct acme *m);
/* spki in base64url; BYTES_NONE: none, and the key stays NULL. */
enum err_code acme_key(
    struct child *c, struct arena *a, const char *slot, struct bytes spki, struct remote_key *ret, struct err *e) MUST_USE;
/* The member "error", from the client's last failure; solver: what a solver of ours knows of it, or NULL. */
void acme_put_error(const struct acme *m, const char *solver, struct json_out *answer);
/* The member "error" for what this CA would refuse, as if it had, with the problem's type. */
void acme_put_refusal(const char *type, const char *message, const char *hint, struct json_out *answer);

#endif
