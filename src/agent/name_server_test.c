/* Name servers as people write them. */
#include "agent/name_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void what_is_read(void **state)
{
	static const char *const texts[][2] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "192.0.2.1:53", "192.0.2.1" },
		{ "192.0.2.1:5353", "192.0.2.1:5353" },
		{ "2001:db8::1", "2001:db8::1" },
		{ "::1", "::1" },
		{ "[2001:db8::1]", "2001:db8::1" },
		{ "[2001:DB8::1]:65535", "[2001:db8::1]:65535" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct name_server s;
		struct err e = { 0 };
		if (name_server_parse(texts[i][0], &s, &e) != ERR_OK)
			fail_msg("%s: %s", texts[i][0], e.detail);
		assert_string_equal(s.text, texts[i][1]);
	}
}

static void what_is_not(void **state)
{
	static const char *const texts[] = { "", ":53", "dns.example", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:5x",
		"192.0.2.256", "[192.0.2.1", "[2001:db8::1]x", "[2001:db8::1]53", "[]:53", "2001:db8::1::", "fe80::1%eth0",
		"1111111111111111111111111111111111111111111111111111111111111111111111" };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct name_server s = { .len = 0 };
		struct err e = { 0 };
		if (name_server_parse(texts[i], &s, &e) != ERR_CONFIG)
			fail_msg("\"%s\" is read as %s", texts[i], s.text);
		assert_int_equal(s.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read),
		cmocka_unit_test(what_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
