/* A look, before an order is made, whether the names' CAA records (RFC 8659, RFC 8657) let the CA issue: a refusal costs its limits, and says less. Only what
 * forbids beyond doubt is told: where nothing is known, the CA judges. */
#ifndef CHANCERY_AGENT_NET_CAA_LOOK_H
#define CHANCERY_AGENT_NET_CAA_LOOK_H

#include "acme/identifier.h"
#include "agent/net/dns_ask.h"

#define CAA_LOOK_HINT_MAX 400

struct caa_look {
	struct dns_resolver *resolver;
	struct arena *arena;
	const char *const *names; /* "*.example.org" too; addresses are gone past */
	size_t n_names;
	const char *account_url;       /* NULL: not known yet, so any that a record names */
	const char *const *identities; /* what CAA records call the CA */
	size_t n_identities;
	const enum challenge_type *ways; /* how names may be validated */
	size_t n_ways;
};
/* CAA: no identity may issue for one of the names; hint has the record to add. */
enum err_code caa_look(const struct caa_look *l, char hint[CAA_LOOK_HINT_MAX], struct err *e) MUST_USE;

#endif
