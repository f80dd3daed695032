#include "dns/ask_once.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void asked_done(void *ctx, const struct resolver_answer *answer)
{
	struct asked *a = ctx;

	a->calls++;
	a->code = answer->code;
	a->nxdomain = answer->nxdomain;
	a->security = answer->security;
	a->n = answer->n_records;
	a->ttl_s = answer->ttl_s;
	(void)snprintf(a->detail, sizeof a->detail, "%s", answer->detail ? answer->detail : "");
	(void)snprintf(a->canonical, sizeof a->canonical, "%.*s", BYTES_FMT(answer->canonical));
	if (answer->n_records > 0 && answer->records[0].len <= sizeof a->first) {
		a->first_len = answer->records[0].len;
		memcpy(a->first, answer->records[0].ptr, a->first_len);
	}
	event_base_loopbreak(a->base);
}

struct asked ask_once(struct event_base *base, struct resolver *r, const char *name, int type)
{
	struct asked a = { .base = base };
	struct resolver_query *q;
	struct err e = { 0 };

	if (resolver_ask(r, bytes_str(name), type, asked_done, &a, &q, &e) != ERR_OK) {
		fprintf(stderr, "%s\n", e.detail);
		abort();
	}
	if (a.calls)
		abort(); /* never before resolver_ask() returns */
	while (a.calls == 0)
		event_base_loop(base, EVLOOP_ONCE);
	return a;
}
