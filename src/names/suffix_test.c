/* With the list itself: these entries have stood in it for many years. */
#include "names/suffix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct suffixes *list;
static struct arena *arena;
static struct bytes private_texts[6];
static const struct private_suffixes some = { private_texts, sizeof private_texts / sizeof *private_texts }, none = { NULL, 0 };

static void set_private_texts(void)
{
	static const char *const texts[] = { "localhost", "INTERNAL", "corp.example.org", "eu.internal", "co.uk", "" };

	for (size_t i = 0; i < some.n; i++)
		private_texts[i] = bytes_str(texts[i]);
}

static enum err_code judge(const struct private_suffixes *p, const char *name, struct err *e)
{
	struct identifier id;

	assert_int_equal(identifier_parse(arena, BYTES_LIT("dns"), bytes_str(name), &id, NULL), ERR_OK);
	return suffix_judge(list, p, &id, e);
}

static void public_suffixes_are_refused(void **state)
{
	static const char *const refused[] = { "com", "uk", "co.uk", "*.co.uk", "*.uk", "*.com", "ck", "*.ck", "foo.ck", "*.foo.ck",
		"a.kawasaki.jp", "*.kawasaki.jp", "xn--p1ai", "*.xn--p1ai", "xn--55qx5d.cn", "*.xn--55qx5d.cn", "xn--fiqs8s" };
	static const char *const good[] = { "example.com", "*.example.com", "bbc.co.uk", "*.bbc.co.uk", "www.ck", "*.www.ck", "a.foo.ck",
		"*.a.foo.ck", "city.kawasaki.jp", "example.xn--p1ai", "example.xn--55qx5d.cn", "*.example.xn--fiqs8s", "home.arpa",
		/* the PRIVATE section: somebody's own */
		"github.io", "*.github.io", "alice.github.io", "blogspot.com", "*.s3.amazonaws.com" };

	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct err e = { 0 };
		if (judge(&none, refused[i], &e) != ERR_REJECTED_IDENTIFIER || !strstr(e.detail, "is a public suffix"))
			fail_msg("%s: %s", refused[i], e.detail);
		/* a private suffix never opens one */
		assert_int_equal(judge(&some, refused[i], NULL), ERR_REJECTED_IDENTIFIER);
	}
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct err e = { 0 };
		if (judge(&none, good[i], &e) != ERR_OK)
			fail_msg("%s: %s", good[i], e.detail);
	}
}

static void unknown_top_levels_need_a_private_suffix(void **state)
{
	static const char *const names[] = { "localhost", "a.localhost", "internal", "db.internal", "*.db.internal", "*.internal",
		"a.eu.internal" };
	static const char *const others[] = { "lan", "printer.lan", "*.printer.lan", "xlocalhost", "localhost.lan", "a.xinternal", "test",
		"host.example", "xn--bcher-kva" };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		assert_int_equal(judge(&some, names[i], NULL), ERR_OK);
		assert_int_equal(judge(&none, names[i], &e), ERR_REJECTED_IDENTIFIER);
		assert_non_null(strstr(e.detail, "private-suffixes"));
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		assert_int_equal(judge(&some, others[i], &e), ERR_REJECTED_IDENTIFIER);
		assert_non_null(strstr(e.detail, "private-suffixes"));
	}
	assert_int_equal(judge(&none, "printer.lan", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "top level \"lan\""));
}

static void zones_without_hosts_are_refused(void **state)
{
	const struct bytes mine[] = { BYTES_LIT("10.in-addr.arpa"), BYTES_LIT("onion") };
	const struct private_suffixes opened = { mine, 2 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(judge(&none, "1.2.0.192.in-addr.arpa", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "4.2.2"));
	assert_int_equal(judge(&none, "*.0.8.b.d.0.1.0.0.2.ip6.arpa", &e), ERR_REJECTED_IDENTIFIER);
	assert_int_equal(judge(&none, "in-addr.arpa", NULL), ERR_REJECTED_IDENTIFIER);
	assert_int_equal(judge(&none, "example.onion", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "RFC 7686"));
	assert_int_equal(judge(&none, "onion", NULL), ERR_REJECTED_IDENTIFIER);
	assert_int_equal(judge(&opened, "1.2.3.10.in-addr.arpa", NULL), ERR_OK);
	assert_int_equal(judge(&opened, "a.onion", NULL), ERR_OK);
	assert_int_equal(judge(&none, "example-onion.org", NULL), ERR_OK);
}

static void other_identifiers_pass_and_bad_texts_do_not(void **state)
{
	struct identifier ip = { .type = IDENTIFIER_IP, .value = BYTES_LIT("192.0.2.1") }, empty = { .value = BYTES_LIT("") },
			  nul = { .value = BYTES_LIT("a\0.org") };

	(void)state;
	assert_int_equal(suffix_judge(list, &none, &ip, NULL), ERR_OK);
	assert_int_equal(suffix_judge(list, &none, &empty, NULL), ERR_MALFORMED);
	assert_int_equal(suffix_judge(list, &none, &nul, NULL), ERR_MALFORMED);
}

static void registered_domains_are_counted_by_both_sections(void **state)
{
	static const char *const rows[][2] = { { "example.com", "example.com" }, { "a.b.example.com", "example.com" },
		{ "a.bbc.co.uk", "bbc.co.uk" }, { "a.b.org.uk", "b.org.uk" }, { "x.www.ck", "www.ck" }, { "x.a.foo.ck", "a.foo.ck" },
		{ "x.alice.github.io", "alice.github.io" }, { "github.io", "github.io" }, { "com", "com" },
		{ "a.b.xn--55qx5d.cn", "b.xn--55qx5d.cn" }, { "a.b.lan", "b.lan" }, { "lan", "lan" }, { "localhost", "localhost" },
		{ "a.localhost", "a.localhost" }, { "b.a.localhost", "a.localhost" }, { "x.db.eu.internal", "db.eu.internal" },
		{ "x.db.us.internal", "us.internal" }, { "eu.internal", "eu.internal" }, { "x.y.corp.example.org", "y.corp.example.org" },
		{ "x.y.example.org", "example.org" }, { "", "" } };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct bytes name = bytes_str(rows[i][0]), got = registered_domain(list, &some, name);
		if (!bytes_eq_str(got, rows[i][1]))
			fail_msg("%s: %.*s", rows[i][0], BYTES_FMT(got));
		assert_ptr_equal(got.ptr + got.len, name.ptr + name.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(public_suffixes_are_refused),
		cmocka_unit_test(unknown_top_levels_need_a_private_suffix), cmocka_unit_test(zones_without_hosts_are_refused),
		cmocka_unit_test(other_identifiers_pass_and_bad_texts_do_not),
		cmocka_unit_test(registered_domains_are_counted_by_both_sections) };
	struct err e = { 0 };

	set_private_texts();
	arena = arena_new(4096, 1u << 20);
	if (!arena || suffixes_open(&list, &e) != ERR_OK)
		return 1;
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	suffixes_free(list);
	suffixes_free(NULL);
	arena_free(arena);
	return rc;
}
