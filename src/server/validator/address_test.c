#include "server/validator/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static struct ip_address parse(const char *text)
{
	struct ip_address a;

	if (!ip_address_from_text(bytes_str(text), &a))
		fail_msg("%s is no address", text);
	return a;
}

static void global_addresses_pass(void **state)
{
	static const char *const ok[] = { "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
		"126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0",
		"192.88.98.255", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "203.0.112.255",
		"203.0.114.0", "223.255.255.255", "2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1",
		"2001:db7::", "2001:db9::", "2003::1", "3ffe::1", "3fff:1000::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1" };
	const struct address_policy none = { NULL, 0 };

	(void)state;
	for (size_t i = 0; i < sizeof ok / sizeof *ok; i++) {
		struct ip_address a = parse(ok[i]);
		const char *range = "";
		if (address_judge(&none, &a, &range) != ADDRESS_GLOBAL)
			fail_msg("%s is refused: %s", ok[i], range);
	}
}

static void special_addresses_are_refused_by_name(void **state)
{
	static const struct {
		const char *address, *range;
	} bad[] = {
		{ "0.0.0.0", "0.0.0.0/8" },
		{ "0.255.255.255", "0.0.0.0/8" },
		{ "10.0.0.0", "10.0.0.0/8" },
		{ "10.255.255.255", "10.0.0.0/8" },
		{ "100.64.0.0", "100.64.0.0/10" },
		{ "100.127.255.255", "100.64.0.0/10" },
		{ "127.0.0.1", "127.0.0.0/8" },
		{ "127.255.255.255", "127.0.0.0/8" },
		{ "169.254.169.254", "169.254.0.0/16" },
		{ "172.16.0.0", "172.16.0.0/12" },
		{ "172.31.255.255", "172.16.0.0/12" },
		{ "192.0.0.1", "192.0.0.0/24" },
		{ "192.0.0.10", "192.0.0.0/24" },
		{ "192.0.2.1", "192.0.2.0/24" },
		{ "192.31.196.1", "AS112" },
		{ "192.52.193.1", "AMT" },
		{ "192.88.99.1", "6to4 relay" },
		{ "192.168.255.255", "192.168.0.0/16" },
		{ "192.175.48.1", "AS112" },
		{ "198.18.0.0", "198.18.0.0/15" },
		{ "198.19.255.255", "198.18.0.0/15" },
		{ "198.51.100.7", "198.51.100.0/24" },
		{ "203.0.113.7", "203.0.113.0/24" },
		{ "224.0.0.1", "multicast" },
		{ "239.255.255.255", "multicast" },
		{ "240.0.0.1", "reserved" },
		{ "255.255.255.255", "limited broadcast" },
		{ "::", "unspecified" },
		{ "::1", "loopback" },
		{ "::2", "2000::/3" },
		{ "::127.0.0.1", "2000::/3" },
		{ "64:ff9b:1::1", "RFC 8215" },
		{ "100::1", "discard" },
		{ "100:0:0:1::1", "2000::/3" },
		{ "2001::1", "Teredo" },
		{ "2001:0:808:808::1", "Teredo" },
		{ "2001:2::1", "2001::/23" },
		{ "2001:1ff:ffff::", "2001::/23" },
		{ "2001:db8::1", "2001:db8::/32" },
		{ "2620:4f:8000::1", "AS112" },
		{ "3fff::1", "3fff::/20" },
		{ "3fff:fff::1", "3fff::/20" },
		{ "4000::1", "2000::/3" },
		{ "5f00::1", "segment routing" },
		{ "fc00::1", "unique local" },
		{ "fdff::1", "unique local" },
		{ "fe80::1", "link local" },
		{ "febf::1", "link local" },
		{ "fec0::1", "site local" },
		{ "ff02::1", "multicast" },
		/* those that carry an IPv4 one are judged by it */
		{ "::ffff:10.0.0.1", "10.0.0.0/8" },
		{ "::ffff:127.0.0.1", "127.0.0.0/8" },
		{ "::ffff:169.254.169.254", "169.254.0.0/16" },
		{ "64:ff9b::192.168.1.1", "192.168.0.0/16" },
		{ "64:ff9b::a9fe:a9fe", "169.254.0.0/16" },
		{ "2002:7f00:1::1", "127.0.0.0/8" },
		{ "2002:a00:1::", "10.0.0.0/8" },
	};
	const struct address_policy none = { NULL, 0 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct ip_address a = parse(bad[i].address);
		const char *range = "";
		if (address_judge(&none, &a, &range) != ADDRESS_REFUSED || !strstr(range, bad[i].range))
			fail_msg("%s: \"%s\"", bad[i].address, range);
	}
}

static void named_ranges_are_allowed_and_told(void **state)
{
	static const struct {
		const char *address;
		enum address_verdict verdict;
	} cases[] = {
		{ "10.1.255.255", ADDRESS_RELAXED },
		{ "10.2.0.0", ADDRESS_REFUSED },
		{ "::ffff:10.1.0.1", ADDRESS_RELAXED },
		{ "64:ff9b::10.1.0.1", ADDRESS_RELAXED },
		{ "2002:a01:1::1", ADDRESS_RELAXED },
		{ "2002:a02:1::1", ADDRESS_REFUSED },
		{ "fd00:1:ffff::1", ADDRESS_RELAXED },
		{ "fd00:2::1", ADDRESS_REFUSED },
		{ "::1", ADDRESS_RELAXED },
		{ "127.0.0.1", ADDRESS_REFUSED },
		{ "192.168.7.9", ADDRESS_RELAXED },
		{ "192.168.7.10", ADDRESS_REFUSED },
		{ "198.19.0.1", ADDRESS_RELAXED },
		{ "198.18.0.1", ADDRESS_REFUSED },
		{ "8.8.8.8", ADDRESS_GLOBAL },
	};
	/* 10.1.2.3/16: what stands behind the prefix is dropped */
	const struct bytes ranges[] = { BYTES_LIT("10.1.2.3/16"), BYTES_LIT("fd00:1::/32"), BYTES_LIT("::1/128"),
		BYTES_LIT("192.168.7.9/32"), BYTES_LIT("198.19.0.0/16"), BYTES_LIT("8.0.0.0/8") };
	CLEANUP(arena_free_p) struct arena *a = arena_new(1024, 4096);
	struct address_policy p;

	(void)state;
	assert_int_equal(address_policy_read(a, ranges, sizeof ranges / sizeof *ranges, &p, NULL), ERR_OK);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ip_address one = parse(cases[i].address);
		if (address_judge(&p, &one, NULL) != cases[i].verdict)
			fail_msg("%s", cases[i].address);
	}
}

static void everything_can_be_allowed(void **state)
{
	const struct bytes all[] = { BYTES_LIT("0.0.0.0/0"), BYTES_LIT("::/0") };
	CLEANUP(arena_free_p) struct arena *a = arena_new(1024, 4096);
	struct address_policy p;
	const struct ip_address v4 = parse("127.0.0.1"), v6 = parse("fe80::1"), mapped = parse("::ffff:127.0.0.1");

	(void)state;
	assert_int_equal(address_policy_read(a, all, 1, &p, NULL), ERR_OK);
	assert_int_equal(address_judge(&p, &v4, NULL), ADDRESS_RELAXED);
	assert_int_equal(address_judge(&p, &v6, NULL), ADDRESS_REFUSED);
	assert_int_equal(address_judge(&p, &mapped, NULL), ADDRESS_RELAXED);
	assert_int_equal(address_policy_read(a, all + 1, 1, &p, NULL), ERR_OK);
	assert_int_equal(address_judge(&p, &mapped, NULL), ADDRESS_REFUSED); /* it is the IPv4 one */
	assert_int_equal(address_policy_read(a, all, 2, &p, NULL), ERR_OK);
	assert_int_equal(address_judge(&p, &v6, NULL), ADDRESS_RELAXED);
}

static void refuses_ranges_that_are_none(void **state)
{
	static const char *const bad[] = { "", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8 ", "10.0.0/8",
		"10.0.0.0/0x8", "10.0.0.0/1000", "fd00::/129", "localhost/8", "::ffff/8/8" };
	CLEANUP(arena_free_p) struct arena *a = arena_new(1024, 4096);

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct bytes one = bytes_str(bad[i]);
		struct address_policy p;
		struct err e = { 0 };
		if (address_policy_read(a, &one, 1, &p, &e) != ERR_CONFIG)
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

static void converts(void **state)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr other = { .sa_family = AF_UNIX };
	struct ip_address a, b;
	char text[IP_ADDRESS_TEXT_SIZE];

	(void)state;
	assert_true(ip_address_from_sockaddr((struct sockaddr *)&v4, &a));
	assert_string_equal(ip_address_text(&a, text), "192.0.2.1");
	assert_true(ip_address_from_rdata(BYTES_LIT("\xc0\0\2\1"), &b));
	assert_true(ip_address_equal(&a, &b));
	assert_true(ip_address_from_sockaddr((struct sockaddr *)&v6, &b));
	assert_string_equal(ip_address_text(&b, text), "::1");
	assert_false(ip_address_equal(&a, &b));
	assert_false(ip_address_from_sockaddr(&other, &a));
	assert_false(ip_address_from_rdata(BYTES_LIT("12345"), &a));
	assert_false(ip_address_from_text(BYTES_LIT("0x7f.1"), &a));
	assert_false(ip_address_from_text(BYTES_LIT("fe80::1%eth0"), &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(global_addresses_pass),
		cmocka_unit_test(special_addresses_are_refused_by_name),
		cmocka_unit_test(named_ranges_are_allowed_and_told),
		cmocka_unit_test(everything_can_be_allowed),
		cmocka_unit_test(refuses_ranges_that_are_none),
		cmocka_unit_test(converts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
