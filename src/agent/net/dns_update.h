/* dns-01 by dynamic updates (RFC 2136), signed by a key that both sides have (TSIG, RFC 8945): for name servers of one's own. */
#ifndef CHANCERY_AGENT_NET_DNS_UPDATE_H
#define CHANCERY_AGENT_NET_DNS_UPDATE_H

#include "agent/net/dns_ask.h"
#include "agent/tsig_key.h"
#include "base/arena.h"
#include "base/err.h"

#include <chancery/chancery.h>

struct dns_updater;

/* server: a name or an address, with a port behind a colon where it is not 53 (an IPv6 address then in brackets); "auto": each zone's primary, as its SOA
 * record names it. key NULL: updates are not signed, and the server takes them by address. The resolver says where a name's zone is that the server has not got.
 * All of them must live as long as the updater. Nothing is asked yet. */
enum err_code dns_updater_new(const char *server, const struct tsig_key *key, struct dns_resolver *resolver, struct arena *a,
    struct dns_updater **ret, struct err *e) MUST_USE;
/* As an operation names it: {"server", "name", "algorithm", "secret"}, the last three of a key, which is kept in *key. ptr NULL: none, and *ret stays NULL. */
enum err_code dns_updater_read(struct arena *a, struct bytes json, struct dns_resolver *resolver, struct tsig_key *key,
    struct dns_updater **ret, struct err *e) MUST_USE;
/* Monotonic; what is deployed later is not. */
void dns_updater_end_at(struct dns_updater *u, int64_t end_ms);
/* chancery_deploy_fn and chancery_clean_up_fn for dns-01; the context is the updater. Where the name is an alias (CNAME) the record goes to where that leads. It is
 * added to what is there, and it alone is taken away, from where it was put, also when nobody knows whether it got there. */
chancery_deploy_fn dns_updater_deploy;
chancery_clean_up_fn dns_updater_clean_up;
/* Why the last deploy failed; "": none did. */
const char *dns_updater_failure(const struct dns_updater *u);

#endif
