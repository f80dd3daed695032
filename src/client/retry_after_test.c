#include "client/retry_after.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW 1795507200 /* Tue, 24 Nov 2026 08:00:00 GMT */

static uint32_t parse(const char *value)
{
	return retry_after_parse(bytes_str(value), BYTES_NONE, NOW);
}

static void seconds(void **state)
{
	(void)state;
	assert_int_equal(parse("120"), 120);
	assert_int_equal(parse("1"), 1);
	assert_int_equal(parse("0"), RETRY_AFTER_LEAST_S);
	assert_int_equal(parse("86400"), RETRY_AFTER_MOST_S);
	assert_int_equal(parse("86401"), RETRY_AFTER_MOST_S);
	assert_int_equal(parse("99999999999999999999999999999999"), RETRY_AFTER_MOST_S);
	assert_int_equal(parse("007"), 7);
}

/* "A recipient that parses a timestamp value in an HTTP field MUST accept all three HTTP-date formats." (RFC 9110 §5.6.7) */
static void dates(void **state)
{
	(void)state;
	assert_int_equal(parse("Tue, 24 Nov 2026 08:01:30 GMT"), 90);
	assert_int_equal(parse("Tuesday, 24-Nov-26 08:01:30 GMT"), 90);
	assert_int_equal(parse("Tue Nov 24 08:01:30 2026"), 90);
	assert_int_equal(parse("Tue Dec  1 08:00:00 2026"), RETRY_AFTER_MOST_S);
	/* What is over, and what is far */
	assert_int_equal(parse("Tue, 24 Nov 2026 07:59:59 GMT"), RETRY_AFTER_LEAST_S);
	assert_int_equal(parse("Sun, 06 Nov 1994 08:49:37 GMT"), RETRY_AFTER_LEAST_S);
	assert_int_equal(parse("Sunday, 06-Nov-94 08:49:37 GMT"), RETRY_AFTER_LEAST_S);
	assert_int_equal(parse("Fri, 31 Dec 9999 23:59:59 GMT"), RETRY_AFTER_MOST_S);
}

static void what_is_neither(void **state)
{
	static const char *const bad[] = { "", " ", "-1", "+1", "1.5", "1 s", "soon", "Tue, 24 Nov 2026 08:01:30",
		"Tue, 24 Nov 2026 08:01:30 CET", "Tue, 24 Foo 2026 08:01:30 GMT", "Tue, 31 Feb 2026 08:01:30 GMT",
		"Tue, 24 Nov 2026 24:01:30 GMT", "Tue, 24 Nov 2026 08:01:30 GMT ", "Tue,24 Nov 2026 08:01:30 GMT", "Tue Nov 24 08:01:30",
		"0x10", "Tue Nov  x 08:01:30 2026", ",", "Tue, " };

	(void)state;
	assert_int_equal(retry_after_parse(BYTES_NONE, BYTES_NONE, NOW), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(parse(bad[i]), 0);
}

/* A machine whose clock is an hour behind or ahead of the server's waits as long as any other. */
static void dates_are_counted_from_the_servers_own(void **state)
{
	const struct bytes value = BYTES_LIT("Tue, 24 Nov 2026 08:01:30 GMT"), date = BYTES_LIT("Tue, 24 Nov 2026 08:01:00 GMT");

	(void)state;
	assert_int_equal(retry_after_parse(value, date, NOW), 30);
	assert_int_equal(retry_after_parse(value, date, NOW - 3600), 30);
	assert_int_equal(retry_after_parse(value, date, NOW + 3600), 30);
	assert_int_equal(retry_after_parse(value, BYTES_LIT("yesterday"), NOW), 90);
	assert_int_equal(retry_after_parse(BYTES_LIT("45"), date, NOW + 3600), 45);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seconds),
		cmocka_unit_test(dates),
		cmocka_unit_test(what_is_neither),
		cmocka_unit_test(dates_are_counted_from_the_servers_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
