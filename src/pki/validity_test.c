#include "pki/validity.h"

#include "pki/test_support.h"

#define NOW_MS (TEST_NOW_S * INT64_C(1000))
#define HOUR_S 3600

static const struct profile profile = { .lifetime_s = 10 * DAY_S, .backdate_s = HOUR_S };

static void wishes_are_read(void **state)
{
	struct validity_wish w;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(validity_wish_read(BYTES_NONE, BYTES_NONE, &w, NULL), ERR_OK);
	assert_false(w.has_before || w.has_after);
	assert_int_equal(validity_wish_read(BYTES_LIT("2026-11-24T01:00:00+01:00"), BYTES_LIT("2026-11-25T00:00:00Z"), &w, NULL), ERR_OK);
	assert_true(w.has_before && w.has_after);
	assert_int_equal(w.before_s, TEST_NOW_S);
	assert_int_equal(w.after_s, TEST_NOW_S + DAY_S);
	assert_int_equal(validity_wish_read(BYTES_LIT(""), BYTES_NONE, &w, &e), ERR_MALFORMED);
	assert_non_null(strstr(e.detail, "\"notBefore\""));
	assert_int_equal(validity_wish_read(BYTES_NONE, BYTES_LIT("tomorrow"), &w, &e), ERR_MALFORMED);
	assert_non_null(strstr(e.detail, "\"notAfter\""));
}

static void bounds(void **state)
{
	/* Seconds from now; NONE: no wish. The order is an hour old. */
	enum { NONE = INT32_MIN };
	static const struct {
		int before, after;
		const char *why; /* NULL: allowed */
	} rows[] = {
		{ NONE, NONE, NULL },
		{ -2 * HOUR_S, NONE, NULL },
		{ -2 * HOUR_S - 1, NONE, "notBefore" },
		{ 48 * HOUR_S, NONE, NULL },
		{ 48 * HOUR_S + 1, NONE, "notBefore" },
		{ NONE, 1, NULL },
		{ NONE, 0, "over" },
		{ HOUR_S, HOUR_S, "over" },
		{ HOUR_S, HOUR_S + 1, NULL },
		{ NONE, 10 * DAY_S - HOUR_S - 1, NULL },
		{ NONE, 10 * DAY_S - HOUR_S, "notAfter must lie within" },
		{ 0, 10 * DAY_S - 1, NULL },
		{ 0, 10 * DAY_S, "notAfter must lie within" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct validity_wish w = { rows[i].before != NONE, rows[i].after != NONE, TEST_NOW_S + rows[i].before,
			TEST_NOW_S + rows[i].after };
		struct validity v = { 0 };
		struct err e = { 0 };
		assert_int_equal(
		    profile_validity(&profile, NOW_MS - HOUR_S * 1000, NOW_MS, &w, &v, &e), rows[i].why ? ERR_MALFORMED : ERR_OK);
		if (rows[i].why) {
			assert_non_null(strstr(e.detail, rows[i].why));
			continue;
		}
		assert_int_equal(v.not_before_s, w.has_before ? w.before_s : TEST_NOW_S - HOUR_S);
		assert_int_equal(v.not_after_s, w.has_after ? w.after_s : v.not_before_s + 10 * DAY_S - 1);
	}
}

/* An order that claims to be from the future opens no larger span. */
static void an_order_of_tomorrow(void **state)
{
	struct validity_wish w = { .has_before = true, .before_s = TEST_NOW_S - HOUR_S };
	struct validity v;

	(void)state;
	assert_int_equal(profile_validity(&profile, NOW_MS + 1000 * DAY_S, NOW_MS, &w, &v, NULL), ERR_OK);
	w.before_s--;
	assert_int_equal(profile_validity(&profile, NOW_MS + 1000 * DAY_S, NOW_MS, &w, &v, NULL), ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(wishes_are_read), cmocka_unit_test(bounds),
		cmocka_unit_test(an_order_of_tomorrow) };

	return cmocka_run_group_tests(tests, test_setup, test_teardown);
}
