#include "pki/test_support.h"

#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void dns_names_that_a_certificate_may_carry(void **state)
{
	static const char *const good[] = { "example.org", "a", "a.b", "*.example.org", "*.org", "xn--bcher-kva.example", "1.2.3.4.example",
		"9.in-addr.arpa", "a-b.c--d.e", LABEL_63 ".org", "example.1a", "0x7f.example",
		LABEL_63 "." LABEL_63 "." LABEL_63 "."
			 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 253 */ };
	static const char *const bad[] = { "", ".", "example.org.", ".example.org", "a..b", "*", "*.", "a.*.org", "*.*.org", "**.org",
		"*a.org", "a*.example.org", "-a.org", "a-.org", "*.-a.org", "Example.org", "exa_mple.org", "example.org ", "1.2.3.4",
		"example.123", "1", "*.1", LABEL_63 "a.org",
		"b\xc3\xbc"
		"cher.example",
		"a/b.org", "[::1]", "::1",
		LABEL_63 "." LABEL_63 "." LABEL_63 "."
			 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 254 */ };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!san_dns_ok(bytes_str(good[i])))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (san_dns_ok(bytes_str(bad[i])))
			fail_msg("taken: %s", bad[i]);
	assert_false(san_dns_ok(BYTES_LIT("a\0b.org")));
	assert_false(san_dns_ok(BYTES_NONE));
}

static void names_are_sorted_and_unique(void **state)
{
	struct san v[] = {
		{ SAN_IP, BYTES_LIT("\xc0\x00\x02\x01") },
		{ SAN_DNS, BYTES_LIT("b.org") },
		{ SAN_DNS, BYTES_LIT("a.org") },
		{ SAN_DNS, BYTES_LIT("b.org") },
		{ SAN_DNS, BYTES_LIT("a.or") },
		{ SAN_IP, BYTES_LIT("\xc0\x00\x02\x01") },
		{ SAN_DNS, BYTES_LIT("\xc0\x00\x02\x01") },
		{ SAN_DNS, BYTES_LIT("*.b.org") },
	};

	(void)state;
	assert_int_equal(san_sort(v, sizeof v / sizeof *v), 6);
	for (size_t i = 1; i < 6; i++)
		assert_true(san_cmp(&v[i - 1], &v[i]) < 0 && san_cmp(&v[i], &v[i - 1]) > 0);
	assert_true(bytes_eq_str(v[0].value, "*.b.org"));
	assert_int_equal(v[5].type, SAN_IP);
	assert_int_equal(san_sort(v, 1), 1);
	assert_int_equal(san_sort(NULL, 0), 0);
}

static void addresses_that_a_certificate_may_carry(void **state)
{
	static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 }, mapped[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
	static const uint8_t nearly[16] = { [9] = 1, [10] = 0xff, 0xff, 192, 0, 2, 1 };

	(void)state;
	for (size_t n = 0; n <= 16; n++)
		assert_int_equal(san_ip_ok((struct bytes){ v6, n }), n == 4 || n == 16);
	assert_false(san_ip_ok(BYTES_ARRAY(mapped)));
	assert_true(san_ip_ok(BYTES_ARRAY(nearly)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dns_names_that_a_certificate_may_carry),
		cmocka_unit_test(addresses_that_a_certificate_may_carry),
		cmocka_unit_test(names_are_sorted_and_unique),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
