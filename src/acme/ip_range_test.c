#include "acme/ip_range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static bool has(const char *range, const char *address)
{
	struct ip_range r;
	uint8_t raw[16];
	size_t n = ip_bytes(bytes_str(address), raw);

	assert_true(n == 4 || n == 16);
	assert_int_equal(ip_range_parse(bytes_str(range), &r, NULL), ERR_OK);
	return ip_range_has(&r, (struct bytes){ raw, n });
}

static void a_range_has_its_addresses_and_no_others(void **state)
{
	static const struct {
		const char *range, *inside, *outside;
	} rows[] = { { "10.0.0.0/8", "10.255.0.1", "11.0.0.0" }, { "192.0.2.0/25", "192.0.2.127", "192.0.2.128" },
		{ "192.0.2.1/32", "192.0.2.1", "192.0.2.0" }, { "0.0.0.0/0", "255.255.255.255", "::1" },
		{ "::/0", "2001:db8::1", "10.0.0.1" }, { "fd00::/8", "fdff::1", "fc00::1" },
		{ "2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::" }, { "2001:db8::1/128", "2001:db8::1", "2001:db8::2" },
		{ "10.1.2.3/8", "10.0.0.1", "9.255.255.255" } };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_true(has(rows[i].range, rows[i].inside));
		assert_false(has(rows[i].range, rows[i].outside));
	}
}

/* Else ::ffff:10.0.0.1 would pass where 10.0.0.0/8 is denied. */
static void a_mapped_address_is_its_ipv4_one(void **state)
{
	(void)state;
	assert_true(has("10.0.0.0/8", "::ffff:10.1.1.1"));
	assert_false(has("10.0.0.0/8", "::ffff:11.1.1.1"));
	assert_false(has("::/0", "::ffff:10.1.1.1"));
	assert_true(has("::ffff:10.0.0.0/104", "10.1.1.1"));
	assert_false(has("::ffff:10.0.0.0/104", "11.1.1.1"));
}

static void what_is_no_range_is_refused_with_what_is_allowed(void **state)
{
	static const char *const bad[] = { "", "/", "10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/33", "fd00::/129", "10.0.0.0/-1",
		"10.0.0.0/+8", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0/8", "10.0.0.0/0x8", "10.0.0.0/0008", "fd00::/8/8", "example.org/8",
		"010.0.0.0/8", "[fd00::]/8", "fe80::1%eth0/64", "10.0.0.0/4294967304",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/8" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct ip_range r = { .bits = 99 };
		struct err e = { 0 };
		assert_int_equal(ip_range_parse(bytes_str(bad[i]), &r, &e), ERR_CONFIG);
		assert_non_null(strstr(e.detail, "10.0.0.0/8"));
		assert_int_equal(r.bits, 99);
	}
	static const uint8_t nul[] = "10.0.0.0\0";
	uint8_t raw[16];
	assert_int_equal(ip_bytes((struct bytes){ nul, 9 }, raw), 0);
	assert_int_equal(ip_bytes(BYTES_NONE, raw), 0);
}

static void it_is_shown_as_it_counts(void **state)
{
	static const char *const rows[][2] = { { "10.1.2.3/8", "10.0.0.0/8" }, { "2001:DB8:0::ffff/32", "2001:db8::/32" },
		{ "::ffff:192.0.2.1/128", "192.0.2.1/32" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128" } };
	char text[IP_RANGE_TEXT_SIZE];
	struct ip_range r;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(ip_range_parse(bytes_str(rows[i][0]), &r, NULL), ERR_OK);
		assert_string_equal(ip_range_text(&r, text), rows[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_range_has_its_addresses_and_no_others),
		cmocka_unit_test(a_mapped_address_is_its_ipv4_one), cmocka_unit_test(what_is_no_range_is_refused_with_what_is_allowed),
		cmocka_unit_test(it_is_shown_as_it_counts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
