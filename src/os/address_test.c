/* Addresses and ports as people write them. */
#include "os/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

static void what_is_read(void **state)
{
	static const struct {
		const char *text;
		uint16_t default_port;
		const char *as, *host;
		uint16_t port;
	} of[] = {
		{ "192.0.2.1", 53, "192.0.2.1", "192.0.2.1", 53 },
		{ "192.0.2.1:53", 53, "192.0.2.1", "192.0.2.1", 53 },
		{ "192.0.2.1:5353", 53, "192.0.2.1:5353", "192.0.2.1", 5353 },
		{ "2001:db8::1", 53, "2001:db8::1", "2001:db8::1", 53 },
		{ "::1", 53, "::1", "::1", 53 },
		{ "::ffff:192.0.2.1", 53, "::ffff:192.0.2.1", "::ffff:192.0.2.1", 53 },
		{ "[2001:db8::1]", 53, "2001:db8::1", "2001:db8::1", 53 },
		{ "[2001:DB8::1]:65535", 53, "[2001:db8::1]:65535", "2001:db8::1", 65535 },
		{ "0.0.0.0:443", 0, "0.0.0.0:443", "0.0.0.0", 443 },
		{ "[::]:443", 0, "[::]:443", "::", 443 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
		struct address a;
		struct err e = { 0 };
		if (address_parse(bytes_str(of[i].text), of[i].default_port, &a, &e) != ERR_OK)
			fail_msg("%s: %s", of[i].text, e.detail);
		assert_string_equal(a.text, of[i].as);
		assert_string_equal(a.host, of[i].host);
		assert_int_equal(a.port, of[i].port);
		bool six = strchr(of[i].host, ':') != NULL;
		assert_int_equal(a.at.ss_family, six ? AF_INET6 : AF_INET);
		assert_int_equal(a.len, six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		in_port_t port = six ? ((struct sockaddr_in6 *)(void *)&a.at)->sin6_port : ((struct sockaddr_in *)(void *)&a.at)->sin_port;
		assert_int_equal(ntohs(port), of[i].port);
	}
}

static void what_is_not(void **state)
{
	static const struct {
		const char *text, *why;
		uint16_t default_port;
	} of[] = {
		{ "", "has no IPv4 or IPv6 address", 53 },
		{ ":53", "has no IPv4 or IPv6 address", 53 },
		{ "dns.example", "has no IPv4 or IPv6 address", 53 },
		{ "192.0.2.256", "has no IPv4 or IPv6 address", 53 },
		{ "192.0.2.1 ", "has no IPv4 or IPv6 address", 53 },
		{ "2001:db8::1::", "has no IPv4 or IPv6 address", 53 },
		{ "fe80::1%eth0", "has no IPv4 or IPv6 address", 53 },
		{ "1111111111111111111111111111111111111111111111111111111111111111111111", "has no IPv4 or IPv6 address", 53 },
		{ "192.0.2.1:", "has no port from 1 to 65535", 53 },
		{ "192.0.2.1:0", "has no port from 1 to 65535", 53 },
		{ "192.0.2.1:65536", "has no port from 1 to 65535", 53 },
		{ "192.0.2.1:5x", "has no port from 1 to 65535", 53 },
		{ "192.0.2.1:+53", "has no port from 1 to 65535", 53 },
		{ "192.0.2.1:000053", "has no port from 1 to 65535", 53 },
		{ "[2001:db8::1]:", "has no port from 1 to 65535", 53 },
		{ "[2001:db8::1", "has a bracket", 53 },
		{ "[2001:db8::1]x", "has a bracket", 53 },
		{ "[2001:db8::1]53", "has a bracket", 53 },
		{ "[]:53", "has no IPv6 address in its brackets", 53 },
		{ "[192.0.2.1]:53", "has no IPv6 address in its brackets", 53 },
		{ "192.0.2.1", "has no port: ADDRESS:PORT or [ADDRESS]:PORT is allowed", 0 },
		{ "[2001:db8::1]", "has no port: ADDRESS:PORT", 0 },
		{ "2001:db8::1", "has no port: ADDRESS:PORT", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
		struct address a = { .len = 0 };
		struct err e = { 0 };
		if (address_parse(bytes_str(of[i].text), of[i].default_port, &a, &e) != ERR_CONFIG)
			fail_msg("\"%s\" is read as %s", of[i].text, a.text);
		if (!strstr(e.detail, of[i].why) || !strstr(e.detail, of[i].default_port ? "or [2001:db8::1]:53" : "or [2001:db8::1]:443"))
			fail_msg("\"%s\": %s", of[i].text, e.detail);
		assert_int_equal(a.len, 0);
	}
}

static void a_zero_byte_ends_nothing(void **state)
{
	struct address a;

	(void)state;
	assert_int_equal(address_parse(BYTES_LIT("192.0.2.1\0:53"), 53, &a, NULL), ERR_CONFIG);
	assert_int_equal(address_parse(BYTES_LIT("192.0.2.1:53\0"), 53, &a, NULL), ERR_CONFIG);
}

static void names_in_its_place(void **state)
{
	static const char *const of[][3] = { { "ns.example", "ns.example", NULL }, { "ns.example:5353", "ns.example", "5353" },
		{ "2001:db8::1", "2001:db8::1", NULL }, { "[2001:db8::1]:1", "2001:db8::1", "1" }, { "ns:", "ns", "" },
		{ ":53", "", "53" } };
	struct bytes host, port;

	(void)state;
	for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
		assert_true(address_split(bytes_str(of[i][0]), &host, &port));
		assert_true(bytes_eq_str(host, of[i][1]));
		assert_int_equal(port.ptr == NULL, of[i][2] == NULL);
		assert_true(bytes_eq(port, bytes_str(of[i][2])));
	}
	assert_false(address_split(BYTES_LIT("[ns"), &host, &port));
	assert_false(address_split(BYTES_LIT("[ns]x"), &host, &port));
	assert_false(address_split(BYTES_LIT("ns]"), &host, &port));
	assert_false(address_split(BYTES_LIT("ns[:53"), &host, &port));
	assert_false(address_split(BYTES_LIT("[[ns]:53"), &host, &port));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read),
		cmocka_unit_test(what_is_not),
		cmocka_unit_test(a_zero_byte_ends_nothing),
		cmocka_unit_test(names_in_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
