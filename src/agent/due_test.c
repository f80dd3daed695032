/* When a certificate is due: the rule alone. And how long what failed waits. */
#include "agent/due.h"
#include "agent/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define DAY 86400

static struct due judge(struct due_facts f)
{
	struct due d;

	due_judge(&f, &d);
	return d;
}

static void by_its_life(void **state)
{
	struct due_facts f = { .there = true, .fits = true, .not_before_s = 0, .not_after_s = 90 * DAY, .now_s = 59 * DAY };

	(void)state;
	assert_false(judge(f).now);
	assert_int_equal(judge(f).at_s, 60 * DAY);
	f.now_s = 60 * DAY;
	assert_true(judge(f).now);
	/* Six days: half of them. */
	f.not_after_s = 6 * DAY;
	f.now_s = 3 * DAY - 1;
	assert_false(judge(f).now);
	f.now_s++;
	assert_true(judge(f).now);
	f.now_s = 7 * DAY;
	assert_string_equal(judge(f).why, "it has expired");
	f.fits = false;
	assert_true(judge(f).now);
	f.there = false;
	assert_string_equal(judge(f).why, "there is none yet");
}

static void by_the_cas_window(void **state)
{
	struct due_facts f = {
		.there = true, .fits = true, .not_after_s = 90 * DAY, .now_s = 20 * DAY, .window_start_s = 30 * DAY, .window_end_s = 32 * DAY
	};

	(void)state;
	f.own = 0;
	assert_int_equal(judge(f).at_s, 30 * DAY);
	f.own = UINT32_MAX;
	assert_true(judge(f).at_s > 31 * DAY && judge(f).at_s <= 32 * DAY);
	assert_false(judge(f).now);
	f.now_s = 32 * DAY;
	assert_true(judge(f).now);
	/* All of it is over: at once, and that is said. */
	f.now_s = 33 * DAY;
	assert_string_equal(judge(f).why, "the CA wants it replaced at once");
	/* A window behind the end of its good life does not keep it. */
	f.window_start_s = 88 * DAY;
	f.window_end_s = 89 * DAY;
	f.now_s = 61 * DAY;
	assert_true(judge(f).now);
	/* A window that is upside down is one of its beginning. */
	f.window_start_s = 40 * DAY;
	f.window_end_s = 30 * DAY;
	f.now_s = 41 * DAY;
	assert_true(judge(f).now);
}

static void back_off_grows_and_ends(void **state)
{
	struct outcome o = {
		.result = CHANCERY_NETWORK, .message = "away", .hint = "", .type = "", .solver = "", .blame = { BLAME_NETWORK, true, 60 }
	};
	struct state s = { .failures = 0 };
	int64_t before = 0;

	(void)state;
	for (int i = 0; i < 40; i++) {
		state_failed(&s, &o, 1000000);
		int64_t wait = s.not_before_s - 1000000;
		assert_true(wait >= 60 && wait <= 6 * 3600 * 5 / 4);
		assert_true(i > 8 || wait * 5 / 4 >= before);
		before = wait;
	}
	o.retry_after_s = 100000;
	state_failed(&s, &o, 1000000);
	assert_int_equal(s.not_before_s, 1100000);
	/* Nobody is kept off for a year. */
	o.retry_after_s = 365 * DAY;
	state_failed(&s, &o, 1000000);
	assert_int_equal(s.not_before_s, 1000000 + 7 * DAY);
	state_succeeded(&s, 2000000);
	assert_int_equal(s.failures, 0);
	assert_int_equal(s.not_before_s, 0);
	assert_string_equal(s.message, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_its_life),
		cmocka_unit_test(by_the_cas_window),
		cmocka_unit_test(back_off_grows_and_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
