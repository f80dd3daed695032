/* The scenarios of tests/replay/client, and whether each of their lines says anything. */
#include "client/replay_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* As it blocks. */
static const char *play_straight(struct arena *a, const struct script *s)
{
	return replay_play(a, s, REPLAY_STRAIGHT);
}

/* As it is in event-driven use. */
static const char *play_in_a_fiber(struct arena *a, const struct script *s)
{
	return replay_play(a, s, REPLAY_IN_A_FIBER);
}

static const char *spoil(struct arena *a, const char *text)
{
	(void)a;
	if (script_after(text, "result"))
		return strcmp(text, "result ok") == 0 ? "result refused" : "result ok";
	if (script_after(text, "fault"))
		return strcmp(text, "fault name") == 0 ? "fault server" : "fault name";
	return NULL;
}

/* What says no more than another line may go. */
static bool says_alone(const char *text)
{
	return strchr(">wdc", text[0]) && !script_after(text, "certificate") && !script_after(text, "chain");
}

static const char *const expects[] = { ">", "wait", "deploy", "clean-up", "result", "fault", "type", "status", "retry-after", "message",
	"sub", "after", "certificate", "chain", NULL };
static const struct script_game straight = {
	.folder = SCENARIOS, .expects = expects, .spoil = spoil, .says_alone = says_alone, .play = play_straight
};
static const struct script_game in_a_fiber = { .folder = SCENARIOS, .expects = expects, .play = play_in_a_fiber };

static void the_engine_does_what_the_scenarios_say(void **state)
{
	(void)state;
	assert_in_range(script_play_each(&straight), 30, 10000);
}

static void in_a_fiber_too(void **state)
{
	(void)state;
	assert_in_range(script_play_each(&in_a_fiber), 30, 10000);
}

static void each_line_of_a_scenario_counts(void **state)
{
	(void)state;
	assert_in_range(script_spoil_each(&straight), 400, 100000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_engine_does_what_the_scenarios_say),
		cmocka_unit_test(in_a_fiber_too),
		cmocka_unit_test(each_line_of_a_scenario_counts),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, replay_set_up, replay_tear_down);
}
