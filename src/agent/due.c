#include "agent/due.h"

#include <stdio.h>

#define SHORT_LIFE_S (10 * 86400)

static void say(struct due *d, bool now, int64_t at_s, const char *why)
{
	d->now = now;
	d->at_s = at_s;
	(void)snprintf(d->why, sizeof d->why, "%s", why);
}

/* Not all come at the window's beginning. */
static int64_t point_in(const struct due_facts *f)
{
	int64_t width_s = f->window_end_s - f->window_start_s;

	return f->window_start_s + (width_s > 0 ? (int64_t)((uint64_t)f->own * (uint64_t)width_s >> 32) : 0);
}

void due_judge(const struct due_facts *f, struct due *ret)
{
	int64_t life_s = f->not_after_s - f->not_before_s, rest_s = life_s < SHORT_LIFE_S ? life_s / 2 : life_s / 3;
	int64_t by_life_s = f->not_after_s - rest_s, by_ca_s = f->window_start_s ? point_in(f) : INT64_MAX;

	if (!f->there)
		say(ret, true, f->now_s, "there is none yet");
	else if (!f->fits)
		say(ret, true, f->now_s, "other names or keys are wanted");
	else if (f->now_s >= f->not_after_s)
		say(ret, true, f->not_after_s, "it has expired");
	else if (by_ca_s <= by_life_s || f->now_s >= by_ca_s)
		say(ret, f->now_s >= by_ca_s, by_ca_s,
		    f->window_end_s <= f->now_s ? "the CA wants it replaced at once" : "the CA's window for renewal");
	else
		say(ret, f->now_s >= by_life_s, by_life_s,
		    life_s < SHORT_LIFE_S ? "half of its life is over" : "two thirds of its life are over");
}
