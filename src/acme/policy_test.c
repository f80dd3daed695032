#include "acme/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct arena *arena;

/* Rules written as one text, with blanks between them. */
static struct bytes *split(const char *rules, size_t *ret_n)
{
	struct bytes rest = bytes_str(rules), head, tail, *v = arena_array(arena, 16, sizeof *v);
	size_t n = 0;

	assert_non_null(v);
	while (bytes_split(rest, ' ', &head, &tail)) {
		v[n++] = head;
		rest = tail;
	}
	if (rest.len > 0)
		v[n++] = rest;
	*ret_n = n;
	return v;
}

static struct name_policy policy(const char *allow, const char *deny)
{
	struct name_policy_texts t = { 0 };
	struct name_policy p;
	struct err e = { 0 };

	t.allow_names = split(allow, &t.n_allow_names);
	t.deny_names = split(deny, &t.n_deny_names);
	if (name_policy_read(arena, &t, &p, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	return p;
}

static struct name_policy ip_policy(const char *allow, const char *deny)
{
	struct name_policy_texts t = { 0 };
	struct name_policy p;

	t.allow_ips = split(allow, &t.n_allow_ips);
	t.deny_ips = split(deny, &t.n_deny_ips);
	assert_int_equal(name_policy_read(arena, &t, &p, NULL), ERR_OK);
	return p;
}

static enum err_code judge(const struct name_policy *p, const char *name, struct err *e)
{
	struct identifier id;

	assert_int_equal(identifier_parse(arena, BYTES_LIT("dns"), bytes_str(name), &id, NULL), ERR_OK);
	return name_policy_judge(p, &id, e);
}

static enum err_code judge_ip(const struct name_policy *p, const char *address, struct err *e)
{
	struct identifier id = { .type = IDENTIFIER_IP, .value = bytes_str(address) };

	return name_policy_judge(p, &id, e);
}

struct row {
	const char *allow, *deny, *name;
	bool good;
};

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct name_policy p = policy(rows[i].allow, rows[i].deny);
		struct err e = { 0 };
		enum err_code rc = judge(&p, rows[i].name, &e);
		if (rc != (rows[i].good ? ERR_OK : ERR_REJECTED_IDENTIFIER))
			fail_msg(
			    "allow \"%s\" deny \"%s\": %s gave %s %s", rows[i].allow, rows[i].deny, rows[i].name, err_name(rc), e.detail);
	}
}

static void names_are_judged_by_the_rules(void **state)
{
	static const struct row rows[] = {
		{ "", "", "anything.example", true },
		/* exact */
		{ "example.org", "", "example.org", true },
		{ "EXAMPLE.org", "", "example.ORG", true },
		{ "example.org", "", "a.example.org", false },
		{ "example.org", "", "xexample.org", false },
		{ "example.org", "", "example.or", false },
		/* suffix */
		{ ".example.org", "", "a.example.org", true },
		{ ".example.org", "", "a.b.example.org", true },
		{ ".example.org", "", "example.org", false },
		{ ".example.org", "", "xexample.org", false },
		{ ".example.org example.org", "", "example.org", true },
		{ ".org", "", "example.org", true },
		/* pattern */
		{ "web-*.example.org", "", "web-1.example.org", true },
		{ "web-*.example.org", "", "web.example.org", false },
		{ "web-*.example.org", "", "web-1.a.example.org", false },
		{ "web-*.example.org", "", "a.web-1.example.org", false },
		{ "*.lab.example.org", "", "a.lab.example.org", true },
		{ "*.lab.example.org", "", "a.b.lab.example.org", false },
		{ "*.lab.example.org", "", "lab.example.org", false },
		{ "a.*.example.org", "", "a.b.example.org", true },
		{ "a*b.example.org", "", "axyb.example.org", true },
		{ "a*b.example.org", "", "ab.example.org", false },
		{ "a*b*c.example.org", "", "a1b2b3c.example.org", true },
		{ "a*b*c.example.org", "", "abbbc.example.org", true },
		{ "a*b*c.example.org", "", "abbc.example.org", false },
		{ "*.*", "", "example.org", true },
		{ "*.*", "", "a.example.org", false },
		{ "*", "", "localhost", true },
		/* deny wins */
		{ "", "example.org", "example.org", false },
		{ "", "example.org", "a.example.org", true },
		{ ".example.org", ".secret.example.org", "a.secret.example.org", false },
		{ ".example.org", ".secret.example.org", "secret.example.org", true },
		{ "a.example.org", "*.example.org", "a.example.org", false },
		{ "a.example.org .net", "b.org", "a.net", true },
	};

	(void)state;
	check_rows(rows, sizeof rows / sizeof *rows);
}

static void a_wildcard_is_all_names_below_it(void **state)
{
	static const struct row rows[] = {
		{ "", "", "*.example.org", true },
		/* allowed where one rule covers every child */
		{ ".example.org", "", "*.example.org", true },
		{ ".example.org", "", "*.a.example.org", true },
		{ ".a.example.org", "", "*.example.org", false },
		{ "*.example.org", "", "*.example.org", true },
		{ "*.example.org", "", "*.a.example.org", false },
		{ "*.web-*.example.org", "", "*.web-1.example.org", true },
		{ "*.web-*.example.org", "", "*.web.example.org", false },
		{ "a*.example.org", "", "*.example.org", false },
		{ "**.example.org", "", "*.example.org", false },
		{ "example.org", "", "*.example.org", false },
		{ "a.example.org b.example.org", "", "*.example.org", false },
		/* denied where one rule covers a child, or the name itself */
		{ "", "example.org", "*.example.org", false },
		{ "", ".example.org", "*.example.org", false },
		{ "", ".example.org", "*.a.example.org", false },
		{ "", "secret.example.org", "*.example.org", false },
		{ "", "a.secret.example.org", "*.example.org", true },
		{ "", ".secret.example.org", "*.example.org", true },
		{ "", ".secret.example.org", "*.secret.example.org", false },
		{ "", "web-*.example.org", "*.example.org", false },
		{ "", "web-*.example.org", "*.web-1.example.org", false },
		{ "", "*.lab.example.org", "*.example.org", true },
		{ "", "localhost", "*.localhost", false },
		{ "", "localhost", "*.example.org", true },
		{ ".example.org", "secret.example.org", "*.example.org", false },
	};

	(void)state;
	check_rows(rows, sizeof rows / sizeof *rows);
}

static void addresses_are_judged_by_the_ranges(void **state)
{
	struct name_policy all = ip_policy("", ""), some = ip_policy("10.0.0.0/8 fd00::/8", "10.9.0.0/16");
	struct err e = { 0 };

	(void)state;
	assert_int_equal(judge_ip(&all, "192.0.2.1", NULL), ERR_OK);
	assert_int_equal(judge_ip(&some, "10.1.1.1", NULL), ERR_OK);
	assert_int_equal(judge_ip(&some, "fd00::1", NULL), ERR_OK);
	assert_int_equal(judge_ip(&some, "10.9.1.1", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "10.9.0.0/16 of deny-ips"));
	assert_int_equal(judge_ip(&some, "2001:db8::1", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "allow-ips"));
	assert_int_equal(judge_ip(&some, "example.org", NULL), ERR_MALFORMED);
	/* ranges say nothing about names, rules for names nothing about addresses */
	struct name_policy names = policy("example.org", "");
	assert_int_equal(judge(&some, "example.net", NULL), ERR_OK);
	assert_int_equal(judge_ip(&names, "192.0.2.1", NULL), ERR_OK);
}

static void a_closed_policy_opens_only_what_it_lists(void **state)
{
	struct name_policy p = policy("example.org", ""), none = policy("", "");

	(void)state;
	p.closed = none.closed = true;
	assert_int_equal(judge(&p, "example.org", NULL), ERR_OK);
	assert_int_equal(judge_ip(&p, "192.0.2.1", NULL), ERR_REJECTED_IDENTIFIER);
	assert_int_equal(judge(&none, "example.org", NULL), ERR_REJECTED_IDENTIFIER);
}

static void a_refusal_names_the_rule(void **state)
{
	struct name_policy p = policy(".example.org", "a.example.org .b.example.org c-*.example.org");
	struct err e = { 0 };

	(void)state;
	assert_int_equal(judge(&p, "a.example.org", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "\"a.example.org\" of deny-names"));
	assert_int_equal(judge(&p, "x.b.example.org", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "\".b.example.org\" of deny-names"));
	assert_int_equal(judge(&p, "*.example.org", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "the wildcard, by the rule"));
	assert_int_equal(judge(&p, "example.net", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "no rule of allow-names (1 of them) covers the name"));
}

static void bad_rules_are_refused_with_what_is_allowed(void **state)
{
	static const char *const bad[] = { "", ".", "..example.org", "example.org.", ".*.example.org", "a b.example.org", "192.0.2.1",
		"10.0.0.0/8", "-*.example.org", "a*-.example.org",
		("b\xc3\xbc"
		 "cher.example"),
		"web-?.example.org", "a..b", "https://example.org" };
	static const char *const good[] = { "example.org", ".example.org", "*.example.org", "WEB-*.example.org", "localhost", ".internal",
		"*", "xn--bcher-kva.example" };
	char longest[300];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err e = { 0 };
		if (name_rule_check(bytes_str(bad[i]), &e) != ERR_CONFIG)
			fail_msg("\"%s\" was taken for a rule", bad[i]);
		assert_non_null(strstr(e.detail, "a rule is a"));
	}
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(name_rule_check(bytes_str(good[i]), NULL), ERR_OK);
	memset(longest, 'a', sizeof longest);
	assert_int_equal(name_rule_check((struct bytes){ (const uint8_t *)longest, 254 }, NULL), ERR_CONFIG);

	struct bytes texts[] = { BYTES_LIT("example.org"), BYTES_LIT("a b") };
	struct name_policy_texts t = { .deny_names = texts, .n_deny_names = 2 };
	struct name_policy p;
	struct err e = { 0 };
	assert_int_equal(name_policy_read(arena, &t, &p, &e), ERR_CONFIG);
	assert_non_null(strstr(e.detail, "\"a b\": "));
	t = (struct name_policy_texts){ .allow_ips = texts, .n_allow_ips = 1 };
	assert_int_equal(name_policy_read(arena, &t, &p, &e), ERR_CONFIG);
	assert_non_null(strstr(e.detail, "\"example.org\": an address range"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(names_are_judged_by_the_rules),
		cmocka_unit_test(a_wildcard_is_all_names_below_it), cmocka_unit_test(addresses_are_judged_by_the_ranges),
		cmocka_unit_test(a_closed_policy_opens_only_what_it_lists), cmocka_unit_test(a_refusal_names_the_rule),
		cmocka_unit_test(bad_rules_are_refused_with_what_is_allowed) };

	arena = arena_new(4096, 1u << 20);
	int rc = arena ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
	arena_free(arena);
	return rc;
}
