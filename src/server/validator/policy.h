/* The validator's own rules, from its settings: a snapshot that each validation keeps until its end, so that new settings never
 * change one that is under way. */
#ifndef CHANCERY_SERVER_VALIDATOR_POLICY_H
#define CHANCERY_SERVER_VALIDATOR_POLICY_H

#include "dns/resolver.h"
#include "names/judge.h"
#include "server/settings.h"
#include "server/validator/address.h"

struct policy {
	unsigned references;
	struct arena *arena;
	struct resolver *resolver;
	struct address_policy addresses;
	struct names_policy names; /* what may be validated at all */
	struct bytes issuer_domain;
	uint16_t http_port, tls_port;
	uint16_t *redirect_ports;
	size_t n_redirect_ports;
	int64_t deadline_ms; /* for one validation in all */
};

/* With one reference. Copies what it needs of the settings; the list of suffixes must live longer. CONFIG names the setting at fault. */
enum err_code policy_new(
    struct event_base *base, const struct suffixes *suffixes, const struct settings *s, struct policy **ret, struct err *e) MUST_USE;
struct policy *policy_hold(struct policy *p);
void policy_release(struct policy *p);
DEFINE_CLEANUP(struct policy *, policy_release);
/* http_port, or one of redirect_ports. */
bool policy_has_port(const struct policy *p, uint16_t port);

#endif
