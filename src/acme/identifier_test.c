#include "acme/identifier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct arena *arena;

static enum err_code parse(const char *value, struct identifier *ret, struct err *e)
{
	return identifier_parse(arena, BYTES_LIT("dns"), bytes_str(value), ret, e);
}

static void good_names_are_normalised(void **state)
{
	static const struct {
		const char *in, *out;
		bool wildcard;
	} rows[] = { { "example.org", "example.org", false }, { "EXAMPLE.Org", "example.org", false }, { "localhost", "localhost", false },
		{ "*.example.org", "example.org", true }, { "xn--bcher-kva.example", "xn--bcher-kva.example", false },
		{ "1.example", "1.example", false }, { "a-b.example", "a-b.example", false } };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct identifier id;
		struct err e = { 0 };
		assert_int_equal(parse(rows[i].in, &id, &e), ERR_OK);
		assert_true(bytes_eq_str(id.value, rows[i].out));
		assert_int_equal(id.wildcard, rows[i].wildcard);
	}
}

static void bad_names_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *in, *reason;
	} rows[] = { { "", "1 to 253" }, { ".", "empty label" }, { "example.org.", "empty label" }, { ".example.org", "empty label" },
		{ "a..b", "empty label" }, { "-a.example", "begins or ends" }, { "a-.example", "begins or ends" },
		{ "a_b.example", "character" },
		{ "b\xc3\xbc"
		  "cher.example",
		    "A-label" },
		{ "a b.example", "character" }, { "192.0.2.1", "IP address" }, { "a.0x7f", "IP address" }, { "a.0x", "IP address" },
		{ "1", "IP address" }, { "a.*.example", "character" }, { "**.example", "character" }, { "a/b.example", "character" },
		{ "a\n.example", "character" } };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct identifier id = { .value = BYTES_LIT("untouched") };
		struct err e = { 0 };
		assert_int_equal(parse(rows[i].in, &id, &e), ERR_MALFORMED);
		if (!strstr(e.detail, rows[i].reason))
			fail_msg("\"%s\": \"%s\" does not say \"%s\"", rows[i].in, e.detail, rows[i].reason);
		assert_true(bytes_eq_str(id.value, "untouched"));
	}
}

static void lengths_have_limits(void **state)
{
	char name[300];
	struct identifier id;

	(void)state;
	memset(name, 'a', sizeof name);
	for (size_t i = 63; i < sizeof name; i += 64)
		name[i] = '.';
	name[253] = 0;
	assert_int_equal(parse(name, &id, NULL), ERR_OK);
	name[253] = 'a';
	name[254] = 0;
	assert_int_equal(parse(name, &id, NULL), ERR_MALFORMED);
	memset(name, 'a', 64);
	name[64] = 0;
	assert_int_equal(parse(name, &id, NULL), ERR_MALFORMED);
	name[63] = 0;
	assert_int_equal(parse(name, &id, NULL), ERR_OK);
}

static void other_types_are_unsupported(void **state)
{
	struct identifier id;

	(void)state;
	assert_int_equal(identifier_parse(arena, BYTES_LIT("email"), BYTES_LIT("a@example.org"), &id, NULL), ERR_UNSUPPORTED_IDENTIFIER);
	assert_int_equal(identifier_parse(arena, BYTES_LIT("DNS"), BYTES_LIT("example.org"), &id, NULL), ERR_UNSUPPORTED_IDENTIFIER);
}

static void an_address_has_one_form(void **state)
{
	static const char *const good[] = { "192.0.2.1", "2001:db8::1", "::1", "2001:db8:1:2:3:4:5:6" };
	static const struct {
		const char *text, *hint;
	} bad[] = { { "192.0.2.01", "192.0.2.1" }, { "2001:DB8::1", "2001:db8::1" }, { "2001:db8:0:0:0:0:0:1", "2001:db8::1" },
		{ "::ffff:192.0.2.1", "as 192.0.2.1" }, { "192.0.2", "192.0.2.1" }, { "[::1]", "2001:db8::1" }, { "::1%lo", "2001:db8::1" },
		{ "", "192.0.2.1" }, { "example.org", "192.0.2.1" }, { "*.192.0.2.1", "192.0.2.1" } };
	struct identifier id;
	uint8_t raw[16];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(identifier_parse(arena, BYTES_LIT("ip"), bytes_str(good[i]), &id, NULL), ERR_OK);
		assert_int_equal(id.type, IDENTIFIER_IP);
		assert_true(bytes_eq_str(id.value, good[i]) && !id.wildcard);
		assert_int_equal(identifier_ip_bytes(&id, raw), strchr(good[i], ':') ? 16 : 4);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err e = { 0 };
		assert_int_equal(identifier_parse(arena, BYTES_LIT("ip"), bytes_str(bad[i].text), &id, &e), ERR_MALFORMED);
		assert_non_null(strstr(e.detail, bad[i].hint));
	}
	assert_int_equal(identifier_ip_bytes(&(struct identifier){ .value = BYTES_LIT("a.example") }, raw), 0);
}

static void challenges_cover_what_their_rows_say(void **state)
{
	(void)state;
	assert_true(challenge_type_covers(CHALLENGE_TYPE_HTTP_01, IDENTIFIER_DNS, false));
	assert_false(challenge_type_covers(CHALLENGE_TYPE_HTTP_01, IDENTIFIER_DNS, true));
	assert_true(challenge_type_covers(CHALLENGE_TYPE_HTTP_01, IDENTIFIER_IP, false));
	assert_true(challenge_type_covers(CHALLENGE_TYPE_DNS_01, IDENTIFIER_DNS, true));
	assert_false(challenge_type_covers(CHALLENGE_TYPE_DNS_01, IDENTIFIER_IP, false));
	assert_false(challenge_type_covers(CHALLENGE_TYPE_TLS_ALPN_01, IDENTIFIER_DNS, true));
	assert_true(challenge_type_covers(CHALLENGE_TYPE_TLS_ALPN_01, IDENTIFIER_IP, false));
	assert_false(challenge_type_covers(CHALLENGE_TYPE_TLS_ALPN_01, IDENTIFIER_IP, true));
	assert_false(challenge_type_covers(CHALLENGE_TYPE__MAX, IDENTIFIER_DNS, false));
}

static void sorting_drops_duplicates(void **state)
{
	struct identifier v[5];

	(void)state;
	assert_int_equal(parse("b.example", &v[0], NULL), ERR_OK);
	assert_int_equal(parse("a.example", &v[1], NULL), ERR_OK);
	assert_int_equal(parse("B.example", &v[2], NULL), ERR_OK);
	assert_int_equal(parse("*.a.example", &v[3], NULL), ERR_OK);
	assert_int_equal(parse("*.A.example", &v[4], NULL), ERR_OK);
	assert_int_equal(identifier_sort(v, 5), 3);
	assert_true(bytes_eq_str(v[0].value, "a.example") && !v[0].wildcard);
	assert_true(bytes_eq_str(identifier_display(arena, &v[1]), "*.a.example"));
	assert_true(bytes_eq_str(v[2].value, "b.example"));
	assert_int_equal(identifier_sort(v, 0), 0);
}

static void what_stands_in_a_certificate_is_read_back(void **state)
{
	static const struct {
		const char *type, *value;
	} names[] = { { "dns", "a.example" }, { "dns", "*.a.example" }, { "ip", "192.0.2.1" }, { "ip", "2001:db8::1" } };
	struct identifier id, back;
	struct san san;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		assert_int_equal(identifier_parse(arena, bytes_str(names[i].type), bytes_str(names[i].value), &id, NULL), ERR_OK);
		assert_int_equal(identifier_san(arena, &id, &san, NULL), ERR_OK);
		assert_int_equal(identifier_from_san(arena, &san, &back, NULL), ERR_OK);
		assert_int_equal(identifier_cmp(&id, &back), 0);
	}
	san.value = BYTES_LIT("12345");
	assert_int_equal(identifier_from_san(arena, &san, &back, NULL), ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(good_names_are_normalised),
		cmocka_unit_test(bad_names_are_refused_with_a_reason), cmocka_unit_test(lengths_have_limits),
		cmocka_unit_test(other_types_are_unsupported), cmocka_unit_test(an_address_has_one_form),
		cmocka_unit_test(challenges_cover_what_their_rows_say), cmocka_unit_test(sorting_drops_duplicates),
		cmocka_unit_test(what_stands_in_a_certificate_is_read_back) };

	arena = arena_new(4096, 1u << 20);
	int rc = arena ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
	arena_free(arena);
	return rc;
}
