/* dns-01 by dynamic updates (RFC 2136), signed by a key that both sides have (TSIG, RFC 8945): for name servers of one's own. */
#ifndef CHANCERY_AGENT_NET_DNS_UPDATE_H
#define CHANCERY_AGENT_NET_DNS_UPDATE_H

#include "agent/tsig_key.h"
#include "base/arena.h"
#include "base/err.h"

#include <chancery/chancery.h>

struct dns_updater;

/* server: a name or an address, with a port behind a colon where it is not 53 (an IPv6 address then in brackets). key NULL: updates are not signed, and
 * the server takes them by address. Both must live as long as the updater. Nothing is asked yet. */
enum err_code dns_updater_new(const char *server, const struct tsig_key *key, struct dns_updater **ret, struct err *e) MUST_USE;
void dns_updater_free(struct dns_updater *u);
DEFINE_CLEANUP(struct dns_updater *, dns_updater_free);
/* chancery_deploy_fn and chancery_clean_up_fn for dns-01; the context is the updater. The record is added to what is there, and it alone is taken away. */
chancery_deploy_fn dns_updater_deploy;
chancery_clean_up_fn dns_updater_clean_up;
/* Why the last deploy failed; "": none did. */
const char *dns_updater_failure(const struct dns_updater *u);

#endif
