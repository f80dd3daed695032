/* Files that the client keeps, whatever is in them after a crash or by somebody's hand: what is remembered (state.json) is all zero or as its promises say, and what a
 * certificate was asked for with (options.json) names options that there are. */
#include "agent/fuzz_testing.h"
#include "agent/saved.h"
#include "agent/state.h"
#include "agent/wish.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_state(void)
{
	static const struct state zero;
	struct state s;
	struct err e = { 0 };

	if (state_read("state.json", &s, &e) != ERR_OK) {
		require(memcmp(&s, &zero, sizeof s) == 0 && *e.detail);
		return;
	}
	require(strlen(s.message) < sizeof s.message && strlen(s.fault) < sizeof s.fault && strlen(s.alerted) < sizeof s.alerted);
	/* Whatever it says, it holds nobody off for longer than a week and a day. */
	for (int64_t now_s = 0; now_s < INT64_C(1) << 33; now_s += INT64_C(1) << 30)
		require(!state_waits(&s, now_s) || s.not_before_s - now_s <= 8 * 86400);
}

static void check_saved(struct bytes text)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 4u << 20);
	CLEANUP(buf_free_p) struct buf again = buf_new(4 * SAVED_SIZE_MAX);
	struct given g = { .options = wish_options, .n_options = n_wish_options };
	const char **names;
	size_t n;

	if (!a || saved_read(a, text, &g, &names, &n, NULL) != ERR_OK)
		return;
	require(n > 0 && g.n <= GIVEN_MAX);
	for (size_t i = 0; i < g.n; i++)
		require(g.v[i].option >= wish_options && g.v[i].option < wish_options + n_wish_options && g.v[i].value);
	saved_write(&g, names, n, &again);
	require(buf_ok(&again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > SAVED_SIZE_MAX)
		return 0;
	fuzz_file_is(data, size);
	check_state();
	check_saved((struct bytes){ data, size });
	return 0;
}
