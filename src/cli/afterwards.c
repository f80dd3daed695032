#include "cli/afterwards.h"

#include "agent/alert.h"
#include "agent/metrics.h"
#include "base/clock.h"
#include "cli/cmd_issue.h"

#include <stdio.h>

static void tell(void *context, bool good, const char *text)
{
	const bool *quiet = context;

	if (!good)
		fprintf(stderr, "chancery: %s\n", text);
	else if (!*quiet)
		printf("%s\n", text);
}

/* When this one wants to be looked at. */
static int64_t next_of(const struct standing *s, int64_t now_s)
{
	int64_t at_s = s->due.at_s;

	if (s->kind == STANDING_UNMANAGED || s->kind == STANDING_BROKEN)
		return INT64_MAX;
	if (state_waits(&s->state, now_s) && s->state.not_before_s > at_s)
		return s->state.not_before_s;
	return s->state.ask_s && s->state.ask_s < at_s ? s->state.ask_s : at_s;
}

bool afterwards(const struct config *c, struct crew *crew, bool quiet, int64_t *ret_next_s)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 256u << 20);
	int64_t now_s = clock_wall_ms() / 1000, next_s = INT64_MAX;
	struct inventory all;
	struct err e = { 0 };

	if (a && issue_inventory(c, a, NULL, 0, &all, &e) != ERR_OK) {
		fprintf(stderr, "chancery: %s\n", e.detail);
		return false;
	}
	struct standing *v = a ? arena_array(a, all.n + 1, sizeof *v) : NULL;
	if (!v) {
		fprintf(stderr, "chancery: no memory for alerts and metrics\n");
		return false;
	}
	for (size_t i = 0; i < all.n; i++) {
		standing_of(c, a, &all.v[i], now_s, &v[i]);
		int64_t own_s = next_of(&v[i], now_s);
		next_s = own_s < next_s ? own_s : next_s;
	}
	bool good = alert_all(c, crew, v, all.n, now_s, tell, &quiet);
	if (c->metrics_file && metrics_write(c->metrics_file, v, all.n, now_s, &e) != ERR_OK) {
		fprintf(stderr, "chancery: the metrics: %s\n", e.detail);
		good = false;
	}
	if (ret_next_s)
		*ret_next_s = next_s;
	return good;
}
