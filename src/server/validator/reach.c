#include "server/validator/reach.h"

#include "base/clock.h"
#include "dns/excerpt.h"

#include <stdio.h>

#define CONNECT_MOST_MS  10000
#define CONNECT_LEAST_MS 100

void reach_begin(struct reach *r, const struct lookup_answer *a)
{
	static const struct lookup_address none = { .found = false };

	r->now = a->v6.found ? a->v6 : a->v4;
	r->next = a->v6.found ? a->v4 : none;
	r->before[0] = 0;
}

bool reach_next(struct reach *r, const char *why)
{
	char quoted[EXCERPT_SIZE(REACH_WHY_SHOWN)], address[IP_ADDRESS_TEXT_SIZE];

	if (!r->next.found)
		return false;
	(void)snprintf(r->before, sizeof r->before, " (and to %s: %s)", ip_address_text(&r->now.address, address),
	    excerpt(bytes_str(why), quoted, REACH_WHY_SHOWN));
	r->now = r->next;
	r->next = (struct lookup_address){ .found = false };
	return true;
}

int64_t reach_connect_ms(const struct reach *r, int64_t deadline_ms)
{
	int64_t left_ms = deadline_ms - clock_monotonic_ms(), most_ms = r->next.found ? left_ms / 2 : left_ms;

	return most_ms < CONNECT_LEAST_MS ? CONNECT_LEAST_MS : most_ms < CONNECT_MOST_MS ? most_ms : CONNECT_MOST_MS;
}
