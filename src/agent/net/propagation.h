/* Waits until the name servers of a zone all have the answers to dns-01, before the CA is told to look: it may ask any of them, and one that is behind spoils the order. */
#ifndef CHANCERY_AGENT_NET_PROPAGATION_H
#define CHANCERY_AGENT_NET_PROPAGATION_H

#include "agent/net/dns_ask.h"

#define PROPAGATION_WHY_MAX 800

/* A TXT record that was put in place: _acme-challenge.example.org, and its text. */
struct propagation_record {
	const char *name, *value;
};
struct propagation {
	struct dns_resolver *resolver;
	struct arena *arena;
	const struct propagation_record *v;
	size_t n;
	uint32_t seconds; /* for all of it */
	int64_t end_ms;   /* monotonic: the issuance's deadline, beyond which nothing is waited for */
	/* A line for the user. */
	void (*tell)(void *context, const char *text);
	bool (*goes_on)(void *context); /* asked once a second, and the wait is not told then; NULL: it does */
	void *context;
	size_t *ret_seen; /* how many have them, each record counted; may be NULL */
};
/* The zone's servers are found by the resolver, and each is asked itself, behind aliases (CNAME) and delegations of the name too. One that does not answer is told and not waited for: there
 * may be no way there from here. So is a zone whose servers are not found. TIMEOUT: one still has something else; why says which has what, and which time is over. CLOSED:
 * it does not go on. */
enum err_code propagation_await(const struct propagation *p, char why[PROPAGATION_WHY_MAX], struct err *e) MUST_USE;

#endif
