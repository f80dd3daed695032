#include "base/clock.h"

#include "base/seam.h"
#include "base/test_support.h"

#include <stdio.h>
#include <time.h>

/* Against libc, over every day of 1900 to 2199 and some days of each other century, at an odd second. */
static void civil_dates_agree_with_timegm(void **state)
{
	(void)state;
	for (int64_t day = -25567; day < 84000; day++) {
		time_t t = (time_t)(day * 86400 + (day * 7919 % 86400 + 86400) % 86400);
		struct tm tm;
		int64_t back = 0;
		assert_non_null(gmtime_r(&t, &tm));
		struct civil c = civil_from_unix(t);
		assert_int_equal(c.year, tm.tm_year + 1900);
		assert_int_equal(c.month, tm.tm_mon + 1);
		assert_int_equal(c.day, tm.tm_mday);
		assert_int_equal(c.hour, tm.tm_hour);
		assert_int_equal(c.minute, tm.tm_min);
		assert_int_equal(c.second, tm.tm_sec);
		assert_true(civil_to_unix(c, &back));
		assert_int_equal(back, t);
		assert_int_equal(back, timegm(&tm));
	}
}

static void civil_dates_of_all_years_go_there_and_back(void **state)
{
	int64_t before = 0, at = 0;

	(void)state;
	assert_true(civil_to_unix((struct civil){ 0, 1, 1, 0, 0, 0 }, &before));
	assert_int_equal(before, INT64_C(-62167219200));
	for (int year = 0; year <= 9999; year++)
		for (int month = 1; month <= 12; month++) {
			struct civil c = { year, month, 28, 23, 59, 59 };
			assert_true(civil_to_unix(c, &at));
			assert_true(at > before);
			struct civil back = civil_from_unix(at);
			assert_memory_equal(&back, &c, sizeof c);
			before = at;
		}
}

static void fields_that_name_no_moment_are_refused(void **state)
{
	static const struct civil bad[] = {
		{ 2026, 2, 29, 0, 0, 0 },
		{ 2100, 2, 29, 0, 0, 0 },
		{ 1900, 2, 29, 0, 0, 0 },
		{ 2024, 2, 30, 0, 0, 0 },
		{ 2026, 4, 31, 0, 0, 0 },
		{ 2026, 0, 1, 0, 0, 0 },
		{ 2026, 13, 1, 0, 0, 0 },
		{ 2026, 1, 0, 0, 0, 0 },
		{ 2026, 1, 32, 0, 0, 0 },
		{ 2026, 1, 1, 24, 0, 0 },
		{ 2026, 1, 1, 0, 60, 0 },
		{ 2026, 1, 1, 0, 0, 60 },
		{ 2026, 1, 1, -1, 0, 0 },
		{ 2026, 1, 1, 0, -1, 0 },
		{ 2026, 1, 1, 0, 0, -1 },
		{ -1, 1, 1, 0, 0, 0 },
		{ 10000, 1, 1, 0, 0, 0 },
		{ 2026, -1, 1, 0, 0, 0 },
		{ 2026, 1, -1, 0, 0, 0 },
	};
	int64_t untouched = 42;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_false(civil_to_unix(bad[i], &untouched));
	assert_int_equal(untouched, 42);
	assert_true(civil_to_unix((struct civil){ 2000, 2, 29, 0, 0, 0 }, &untouched));
	assert_int_equal(untouched, 951782400);
}

static void times_are_formatted(void **state)
{
	static const struct {
		int64_t unix_s;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 1795420800, "2026-11-23T08:00:00Z" },
		{ 951782399, "2000-02-28T23:59:59Z" },
		{ INT64_C(253402300799), "9999-12-31T23:59:59Z" },
		{ INT64_C(253402300800), "9999-12-31T23:59:59Z" },
		{ INT64_MAX, "9999-12-31T23:59:59Z" },
		{ INT64_MIN, "0000-01-01T00:00:00Z" },
	};
	char text[RFC3339_SIZE];

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		rfc3339_format(cases[i].unix_s, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void rfc3339_times_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t unix_s;
	} cases[] = {
		{ "2026-11-23T08:00:00Z", 1795420800 },
		{ "2026-11-23t08:00:00z", 1795420800 },
		{ "2026-11-23T08:00:00.999999999999999999999999999999999999999Z", 1795420800 },
		{ "2026-11-23T10:30:00+02:30", 1795420800 },
		{ "2026-11-23T00:00:00-08:00", 1795420800 },
		{ "2026-11-24T07:59:00+23:59", 1795420800 },
		{ "2026-11-23T08:00:00-00:00", 1795420800 },
		{ "1985-04-12T23:20:50.52Z", 482196050 },        /* RFC 3339 §5.8 */
		{ "1996-12-19T16:39:57-08:00", 851042397 },      /* likewise */
		{ "1990-12-31T23:59:60Z", 662688000 },           /* likewise: a leap second */
		{ "1990-12-31T15:59:60-08:00", 662688000 },      /* likewise */
		{ "1937-01-01T12:00:27.87+00:20", -1041337173 }, /* likewise */
		{ "0000-01-01T00:00:00Z", INT64_C(-62167219200) },
		{ "9999-12-31T23:59:59Z", INT64_C(253402300799) },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		int64_t t = 1;
		assert_int_equal(rfc3339_parse(bytes_str(cases[i].text), &t, NULL), ERR_OK);
		assert_int_equal(t, cases[i].unix_s);
	}
}

static void what_is_no_rfc3339_time_is_refused(void **state)
{
	static const char *const bad[] = { "", "2026", "2026-11-23", "2026-11-23T08:00:00", "2026-11-23 08:00:00Z", "2026-11-23T08:00Z",
		"2026-11-23T08:00:00.Z", "2026-11-23T08:00:00,5Z", "2026-11-23T08:00:00+0100", "2026-11-23T08:00:00+01",
		"2026-11-23T08:00:00+24:00", "2026-11-23T08:00:00+01:60", "2026-11-23T08:00:00ZZ", "2026-11-23T08:00:00Z ",
		" 2026-11-23T08:00:00Z", "2026-02-29T08:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T08:60:00Z", "2026-11-23T08:00:61Z",
		"2026-11-23T08:00:60Z", "2026-11-23T23:59:60Z", "2026-1-23T08:00:00Z", "+026-11-23T08:00:00Z", "02026-11-23T08:00:00Z",
		"2026-11-23T08:00:0xZ", "2026-11-23T08:00:00\xe2\x88\x92:01:00" };
	struct err e;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		int64_t t = 42;
		assert_int_equal(rfc3339_parse(bytes_str(bad[i]), &t, &e), ERR_MALFORMED);
		assert_int_equal(t, 42);
		ASSERT_SAYS(e, "RFC 3339");
	}
	assert_int_equal(rfc3339_parse(BYTES_LIT("2026-11-23T08:00:00Z\0"), &(int64_t){ 0 }, NULL), ERR_MALFORMED);
	assert_int_equal(rfc3339_parse(BYTES_NONE, &(int64_t){ 0 }, NULL), ERR_MALFORMED);
}

static void formatted_times_are_read_back(void **state)
{
	char text[RFC3339_SIZE];

	(void)state;
	for (int64_t t = 0; t < INT64_C(253402300800); t += INT64_C(86399) * 997) {
		int64_t back = -1;
		rfc3339_format(t, text);
		assert_int_equal(rfc3339_parse(bytes_str(text), &back, NULL), ERR_OK);
		assert_int_equal(back, t);
	}
}

static int64_t fixed_ms(void)
{
	return 1234567;
}

static void the_clock_goes_through_the_seam(void **state)
{
	struct seam fake = seam_libc;

	(void)state;
	int64_t before = clock_monotonic_ms();
	assert_true(clock_monotonic_ms() >= before);
	assert_true(clock_wall_ms() / 1000 - time(NULL) <= 1);
	fake.wall_ms = fake.monotonic_ms = fixed_ms;
	seam = &fake;
	int64_t wall = clock_wall_ms(), monotonic = clock_monotonic_ms();
	seam = &seam_libc;
	assert_int_equal(wall, 1234567);
	assert_int_equal(monotonic, 1234567);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(civil_dates_agree_with_timegm),
		cmocka_unit_test(civil_dates_of_all_years_go_there_and_back),
		cmocka_unit_test(fields_that_name_no_moment_are_refused),
		cmocka_unit_test(times_are_formatted),
		cmocka_unit_test(rfc3339_times_are_read),
		cmocka_unit_test(what_is_no_rfc3339_time_is_refused),
		cmocka_unit_test(formatted_times_are_read_back),
		cmocka_unit_test(the_clock_goes_through_the_seam),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
