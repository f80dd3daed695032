/* Questions to name servers: to the resolver, who finds the answer, or to one server for what it has itself. */
#ifndef CHANCERY_AGENT_NET_DNS_ASK_H
#define CHANCERY_AGENT_NET_DNS_ASK_H

#include "agent/talk.h"
#include "base/arena.h"
#include "base/attrs.h"
#include "os/address.h"

#include <ldns/ldns.h>

/* Who finds answers. */
struct dns_resolver {
	struct address v[TALK_RESOLVERS_MAX];
	size_t n;
	bool silent;    /* none answered: it is not waited for again */
	int64_t end_ms; /* monotonic, beyond which nothing is asked; 0: none */
};
/* Those that are named, at most TALK_RESOLVERS_MAX, else the system's of /etc/resolv.conf, where there may be none. CONFIG: what is named is no address. */
enum err_code dns_resolver_set(const char *const *servers, size_t n, struct dns_resolver *ret, struct err *e) MUST_USE;

static inline void dns_packet_free(ldns_pkt **p)
{
	if (*p)
		ldns_pkt_free(*p);
}

/* One server, over UDP, and TCP where that is too small. CONNECTION or TIMEOUT: it does not answer; any answer of its to the question is a success. */
enum err_code dns_ask(const struct address *s, const char *name, ldns_rr_type type, bool recursive, int64_t deadline_ms, ldns_pkt **ret,
    struct err *e) MUST_USE;
/* The resolver. DNS: no server, or none answers within 2 seconds in all, or with a failure; that there is no such name or record is a success. */
enum err_code dns_resolve(struct dns_resolver *r, const char *name, ldns_rr_type type, ldns_pkt **ret, struct err *e) MUST_USE;

#endif
