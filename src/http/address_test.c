#include "http/address.h"

#include "crypto/digest.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void parse(const char *text, uint8_t out[16])
{
	assert_int_equal(inet_pton(AF_INET6, text, out), 1);
}

static bool take(struct address_table *t, const char *text, unsigned limit)
{
	uint8_t address[16];

	parse(text, address);
	return address_table_take(t, address, limit);
}

static void give(struct address_table *t, const char *text)
{
	uint8_t address[16];

	parse(text, address);
	address_table_give(t, address);
}

static void reads_sockaddrs(void **state)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr local = { .sa_family = AF_UNIX };
	uint8_t got[16], wanted[16];

	(void)state;
	address_mapped((const struct sockaddr *)&v4, got);
	parse("::ffff:192.0.2.1", wanted);
	assert_memory_equal(got, wanted, 16);
	parse("2001:db8::5", wanted);
	memcpy(&v6.sin6_addr, wanted, 16);
	address_mapped((const struct sockaddr *)&v6, got);
	assert_memory_equal(got, wanted, 16);
	address_mapped(&local, got);
	memset(wanted, 0, 16);
	assert_memory_equal(got, wanted, 16);
}

static void counts_each_address(void **state)
{
	struct address_table *t = address_table_new(8);

	(void)state;
	assert_non_null(t);
	assert_true(take(t, "::ffff:192.0.2.1", 2));
	assert_true(take(t, "::ffff:192.0.2.1", 2));
	assert_false(take(t, "::ffff:192.0.2.1", 2));
	assert_true(take(t, "::ffff:192.0.2.2", 2)); /* IPv4 counts by the whole address */
	give(t, "::ffff:192.0.2.1");
	assert_true(take(t, "::ffff:192.0.2.1", 2));
	assert_true(take(t, "2001:db8:0:1::1", 2));
	assert_true(take(t, "2001:db8:0:1:ffff::2", 2));
	assert_false(take(t, "2001:db8:0:1::3", 2)); /* the same /64 */
	assert_true(take(t, "2001:db8:0:2::3", 2));
	give(t, "2001:db8:0:1::99");
	assert_true(take(t, "2001:db8:0:1::3", 2));
	address_table_free(t);
}

static void is_bounded_and_reuses_its_room(void **state)
{
	struct address_table *t = address_table_new(40);
	char text[48];

	(void)state;
	assert_non_null(t);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 40; i++) {
			snprintf(text, sizeof text, "::ffff:10.0.%d.%d", round, i);
			assert_true(take(t, text, 1));
		}
		assert_false(take(t, "::ffff:10.9.9.9", 1));
		for (int i = 0; i < 40; i++) {
			snprintf(text, sizeof text, "::ffff:10.0.%d.%d", round, (i * 7) % 40);
			give(t, text);
		}
		give(t, "::ffff:10.9.9.9"); /* what was never taken does no harm */
	}
	address_table_free(t);
	address_table_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_sockaddrs),
		cmocka_unit_test(counts_each_address),
		cmocka_unit_test(is_bounded_and_reuses_its_room),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
