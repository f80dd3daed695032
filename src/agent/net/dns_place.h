/* Where a name's records are: the zone that it is in, behind aliases (CNAME) and delegations, and who has that zone. The name itself is asked of nobody but
 * the zone's servers: a resolver might remember that it is not there yet, and a CA may have the same one. */
#ifndef CHANCERY_AGENT_NET_DNS_PLACE_H
#define CHANCERY_AGENT_NET_DNS_PLACE_H

#include "agent/net/dns_ask.h"

#define DNS_PLACE_SERVERS_MAX 16
#define DNS_PLACE_MOVES_MAX   8

struct dns_server {
	char name[256];
	struct address at;
};
struct dns_place {
	char at[256];                 /* the name, or what it is an alias of */
	char zone[256], primary[256]; /* and its first server as its SOA record names it; empty: not found */
	struct dns_server v[DNS_PLACE_SERVERS_MAX];
	size_t n;
	unsigned moves;
};

/* Goes to a name; its zone is not looked for yet. */
void dns_place_go(struct dns_place *p, const char *name);
/* Its zone and all of the zone's servers, by the resolver: the zone that the names above it are in. What is not found is not there. */
void dns_place_find(struct dns_resolver *r, struct dns_place *p);

enum dns_move { DNS_STAYS, DNS_ALIAS, DNS_DELEGATED, DNS_TOO_FAR };
/* By a server's answer for the name. An alias, or a zone of its own that this server is not of: the place is that one then, with its servers. TOO_FAR: it would
 * be one more than DNS_PLACE_MOVES_MAX, as in a circle. */
enum dns_move dns_place_move(struct dns_resolver *r, struct dns_place *p, const ldns_pkt *answer);
/* What the name is an alias of by this answer; NULL: it is none. */
const ldns_rdf *dns_place_alias(const struct dns_place *p, const ldns_pkt *answer);
/* The one more that an alias is; false: it is one too many. */
bool dns_place_follow(struct dns_place *p, const ldns_rdf *alias);

/* The addresses of a name, by the resolver; returns how many of at most max. */
size_t dns_addresses(struct dns_resolver *r, const char *name, struct address *v, size_t max);
void dns_copy_name(const ldns_rdf *name, char out[256]);
/* The first record of the type; NULL: none. */
const ldns_rr *dns_find(const ldns_rr_list *list, ldns_rr_type type);

#endif
