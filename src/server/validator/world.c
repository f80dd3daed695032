#include "server/validator/world.h"

#include "base/clock.h"
#include "http/tls_probe.h"

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
		.tls_port = 443,
		.allow_addresses = { allowed, 2 },
		.resolver = { &resolver, 1 },
		.trust_anchors = { &anchors, 1 },
		.policy_private_suffixes = { &private, 1 },
		.validation_deadline = deadline_s };
	if (!w->base || fetcher_new(w->base, &w->fetcher, &e) != ERR_OK || tls_prober_new(w->base, &w->prober, &e) != ERR_OK ||
	    suffixes_open(&w->suffixes, &e) != ERR_OK || policy_new(w->base, w->suffixes, &s, &w->policy, &e) != ERR_OK) {
		fprintf(stderr, "%s\n", e.detail);
		abort();
	}
}

void world_stop(struct world *w)
{
	policy_release(w->policy);
	fetcher_free(w->fetcher);
	tls_prober_free(w->prober);
	suffixes_free(w->suffixes);
	event_base_free(w->base);
	stub_dns_stop(w->dns);
}

static void on_control(void *ctx, const struct control_result *result)
{
	struct world_control *c = ctx;

	c->done = true;
	c->result = *result;
}

void world_start_control(struct world *w, struct world_control *c, enum challenge_type t, struct identifier id, int deadline_ms)
{
	struct control_request r = { .arena = c->arena,
		.policy = w->policy,
		.fetcher = w->fetcher,
		.prober = w->prober,
		.identifier = id,
		.token = BYTES_LIT(WORLD_TOKEN),
		.key_authorization = BYTES_LIT(WORLD_KEY_AUTH),
		.deadline_ms = clock_monotonic_ms() + deadline_ms };

	c->done = false;
	c->result = (struct control_result){ .why = { 0 } };
	c->method = NULL;
	if (method_of(t)->start(&r, on_control, c, &c->method, &c->result.why) != ERR_OK)
		c->done = true;
	else if (c->done)
		abort(); /* never before start() returns */
}

enum err_code world_control(struct world *w, struct world_control *c, enum challenge_type t, struct identifier id)
{
	world_start_control(w, c, t, id, WORLD_WAIT_MS);
	if (!world_run(w, &c->done, WORLD_WAIT_MS)) {
		fprintf(stderr, "no end\n");
		abort();
	}
	return c->result.why.code;
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
