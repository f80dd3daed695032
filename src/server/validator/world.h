/* For tests: a loop, a DNS stub, a fetcher, and a policy that goes by the stub and lets loopback addresses pass. */
#ifndef CHANCERY_SERVER_VALIDATOR_WORLD_H
#define CHANCERY_SERVER_VALIDATOR_WORLD_H

#include "dns/stub_dns.h"
#include "server/validator/fetch.h"
#include "server/validator/policy.h"

struct world {
	struct event_base *base;
	struct stub_dns *dns;
	struct fetcher *fetcher;
	struct suffixes *suffixes;
	struct policy *policy;
};

void world_start(struct world *w, uint16_t http_port, unsigned deadline_s);
void world_stop(struct world *w);
/* Runs the loop until *done is set, or for ms; whether it was set. */
bool world_run(struct world *w, const bool *done, int ms);

#endif
