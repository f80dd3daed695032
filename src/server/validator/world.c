#include "server/validator/world.h"

#include "base/clock.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

void world_start(struct world *w, uint16_t http_port, unsigned deadline_s)
{
	char at[32];
	struct bytes resolver, anchors = BYTES_LIT("none"), allowed[] = { BYTES_LIT("127.0.0.0/8"), BYTES_LIT("::1/128") },
			       private = BYTES_LIT("test");
	struct err e = { 0 };

	w->base = event_base_new();
	w->dns = stub_dns_start();
	(void)snprintf(at, sizeof at, "127.0.0.1:%u", stub_dns_port(w->dns));
	resolver = bytes_str(at);
	struct settings s = { .caa_identity = BYTES_LIT("ca.example"),
		.http_port = http_port,
		.allow_addresses = { allowed, 2 },
		.resolver = { &resolver, 1 },
		.trust_anchors = { &anchors, 1 },
		.policy_private_suffixes = { &private, 1 },
		.validation_deadline = deadline_s };
	if (!w->base || fetcher_new(w->base, &w->fetcher, &e) != ERR_OK || suffixes_open(&w->suffixes, &e) != ERR_OK ||
	    policy_new(w->base, w->suffixes, &s, &w->policy, &e) != ERR_OK) {
		fprintf(stderr, "%s\n", e.detail);
		abort();
	}
}

void world_stop(struct world *w)
{
	policy_release(w->policy);
	fetcher_free(w->fetcher);
	suffixes_free(w->suffixes);
	event_base_free(w->base);
	stub_dns_stop(w->dns);
}

bool world_run(struct world *w, const bool *done, int ms)
{
	int64_t until = clock_monotonic_ms() + ms;

	while (!*done && clock_monotonic_ms() < until) {
		struct timeval tick = { .tv_usec = 20000 };
		event_base_loopexit(w->base, &tick);
		event_base_loop(w->base, EVLOOP_ONCE);
	}
	return *done;
}
