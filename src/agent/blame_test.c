/* Whom a failure is about: every row of docs/client.md's table, written down once more by hand. */
#include "agent/blame.h"

#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MINUTES 60
#define HOURS   3600

struct row {
	enum chancery_result result;
	const char *type;
	enum blame_about about;
	bool next;
	uint32_t first_s;
};

static struct blame judge(enum chancery_result result, const char *type)
{
	return blame_judge(result, CHANCERY_FAULT_MACHINE, 400, type, NULL, 0);
}

static void check(const struct row *r)
{
	const struct blame b = judge(r->result, r->type);

	if (b.about != r->about || b.next != r->next || b.first_s != r->first_s)
		fail_msg("result %d, type \"%s\": about %s, next %d, first %u", r->result, r->type, blame_about_name(b.about), b.next,
		    b.first_s);
}

static const struct row rows[] = {
	{ CHANCERY_REFUSED, "accountDoesNotExist", BLAME_ACCOUNT, true, HOURS },
	{ CHANCERY_REFUSED, "alreadyReplaced", BLAME_US, false, MINUTES },
	{ CHANCERY_REFUSED, "alreadyRevoked", BLAME_US, false, MINUTES },
	{ CHANCERY_REFUSED, "badCSR", BLAME_US, false, MINUTES },
	{ CHANCERY_REFUSED, "badNonce", BLAME_CA, true, MINUTES },
	{ CHANCERY_REFUSED, "badPublicKey", BLAME_ACCOUNT, true, HOURS },
	{ CHANCERY_REFUSED, "badRevocationReason", BLAME_US, false, MINUTES },
	{ CHANCERY_REFUSED, "badSignatureAlgorithm", BLAME_ACCOUNT, true, HOURS },
	{ CHANCERY_REFUSED, "caa", BLAME_NAMES, true, HOURS },
	{ CHANCERY_VALIDATION, "caa", BLAME_NAMES, true, HOURS },
	{ CHANCERY_VALIDATION, "connection", BLAME_NAMES, false, MINUTES },
	{ CHANCERY_VALIDATION, "dns", BLAME_NAMES, false, MINUTES },
	{ CHANCERY_REFUSED, "dns", BLAME_NAMES, false, MINUTES },
	{ CHANCERY_REFUSED, "externalAccountRequired", BLAME_ACCOUNT, true, HOURS },
	{ CHANCERY_VALIDATION, "incorrectResponse", BLAME_NAMES, false, MINUTES },
	{ CHANCERY_REFUSED, "invalidContact", BLAME_ACCOUNT, true, HOURS },
	{ CHANCERY_REFUSED, "invalidProfile", BLAME_NAMES, true, HOURS },
	{ CHANCERY_REFUSED, "malformed", BLAME_US, false, MINUTES },
	{ CHANCERY_VALIDATION, "malformed", BLAME_NAMES, false, MINUTES },
	{ CHANCERY_REFUSED, "orderNotReady", BLAME_CA, true, MINUTES },
	{ CHANCERY_REFUSED, "rateLimited", BLAME_ACCOUNT, true, MINUTES },
	{ CHANCERY_VALIDATION, "rateLimited", BLAME_ACCOUNT, true, MINUTES },
	{ CHANCERY_REFUSED, "rejectedIdentifier", BLAME_NAMES, true, HOURS },
	{ CHANCERY_VALIDATION, "rejectedIdentifier", BLAME_NAMES, true, HOURS },
	{ CHANCERY_REFUSED, "serverInternal", BLAME_CA, true, MINUTES },
	{ CHANCERY_VALIDATION, "serverInternal", BLAME_CA, true, MINUTES },
	{ CHANCERY_VALIDATION, "tls", BLAME_NAMES, false, MINUTES },
	{ CHANCERY_REFUSED, "unauthorized", BLAME_ACCOUNT, true, HOURS },
	{ CHANCERY_VALIDATION, "unauthorized", BLAME_NAMES, false, MINUTES },
	{ CHANCERY_REFUSED, "unsupportedContact", BLAME_ACCOUNT, true, HOURS },
	{ CHANCERY_REFUSED, "unsupportedIdentifier", BLAME_NAMES, true, HOURS },
	{ CHANCERY_REFUSED, "userActionRequired", BLAME_ACCOUNT, true, HOURS },
	/* What has no type, or one that nobody knows. */
	{ CHANCERY_NETWORK, "", BLAME_NETWORK, true, MINUTES },
	{ CHANCERY_PROTOCOL, "", BLAME_CA, true, MINUTES },
	{ CHANCERY_TIMEOUT, "", BLAME_CA, true, MINUTES },
	{ CHANCERY_REFUSED, "", BLAME_NAMES, true, MINUTES },
	{ CHANCERY_REFUSED, "https://vendor.example/odd", BLAME_NAMES, true, MINUTES },
	{ CHANCERY_VALIDATION, "", BLAME_NAMES, false, MINUTES },
	{ CHANCERY_VALIDATION, "https://vendor.example/odd", BLAME_NAMES, false, MINUTES },
	{ CHANCERY_USAGE, "", BLAME_US, false, MINUTES },
	{ CHANCERY_NOMEM, "", BLAME_US, false, MINUTES },
	{ CHANCERY_SYSTEM, "", BLAME_US, false, MINUTES },
	{ CHANCERY_CALLBACK, "", BLAME_US, false, MINUTES },
};
#define ROWS (sizeof rows / sizeof *rows)

static void each_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++)
		check(&rows[i]);
}

/* A type of the standards that is looked at here, and one that our tables have and this file does not. */
static void no_type_is_forgotten(void **state)
{
	static const char *const standard[] = {
#define X(code, urn, http) urn,
#include "base/err.def"
#undef X
	};
	static const char *const tables[] = {
#define X(type, place, about, next, first, doc) type,
#include "agent/blame_type.def"
#undef X
	};

	(void)state;
	for (size_t i = 0; i < sizeof standard / sizeof *standard; i++) {
		bool has = strcmp(standard[i], "compound") == 0; /* subproblems decide */
		for (size_t k = 0; k < sizeof tables / sizeof *tables && !has; k++)
			has = strcmp(tables[k], standard[i]) == 0;
		if (!has)
			fail_msg("%s has no row in blame_type.def", standard[i]);
	}
	for (size_t k = 0; k < sizeof tables / sizeof *tables; k++) {
		bool has = false;
		for (size_t i = 0; i < ROWS && !has; i++)
			has = strcmp(rows[i].type, tables[k]) == 0;
		if (!has)
			fail_msg("%s is not tested", tables[k]);
	}
}

static void an_overloaded_server_may_say_anything(void **state)
{
	const struct blame b = blame_judge(CHANCERY_REFUSED, CHANCERY_FAULT_CALLER, 503, "rateLimited", NULL, 0);
	const struct blame c = blame_judge(CHANCERY_REFUSED, CHANCERY_FAULT_SERVER, 500, "https://vendor.example/odd", NULL, 0);

	(void)state;
	assert_int_equal(b.about, BLAME_CA);
	assert_true(b.next);
	assert_int_equal(c.about, BLAME_CA);
}

static void no_way_to_solve_is_of_this_certificate(void **state)
{
	const struct blame b = blame_judge(CHANCERY_VALIDATION, CHANCERY_FAULT_CALLER, 0, "", NULL, 0);

	(void)state;
	assert_int_equal(b.about, BLAME_NAMES);
	assert_true(b.next);
}

static struct blame subs(const char *type, const char *first, const char *first_name, const char *second, const char *second_name)
{
	const struct blame_problem v[] = { { first, first_name }, { second, second_name } };

	return blame_judge(CHANCERY_REFUSED, CHANCERY_FAULT_CALLER, 403, type, v, second ? 2 : 1);
}

static void about_names_only_if_all_are(void **state)
{
	(void)state;
	/* All are, and another CA may take them. */
	assert_int_equal(subs("compound", "rejectedIdentifier", "a.example", "caa", "b.example").about, BLAME_NAMES);
	assert_true(subs("compound", "rejectedIdentifier", "a.example", "caa", "b.example").next);
	assert_int_equal(subs("rejectedIdentifier", "rejectedIdentifier", "a.example", NULL, NULL).about, BLAME_NAMES);
	/* The example of RFC 8555 section 6.7.1: one of the names is none, and will be none anywhere. */
	assert_int_equal(subs("malformed", "malformed", "_example.org", "rejectedIdentifier", "example.net").about, BLAME_NAMES);
	assert_false(subs("malformed", "malformed", "_example.org", "rejectedIdentifier", "example.net").next);
	assert_false(subs("compound", "caa", "a.example", "connection", "b.example").next);
	/* One is not: the account. */
	assert_int_equal(subs("compound", "rejectedIdentifier", "a.example", "rateLimited", "b.example").about, BLAME_ACCOUNT);
	assert_int_equal(subs("rateLimited", "caa", "a.example", NULL, NULL).about, BLAME_ACCOUNT);
	assert_int_equal(subs("compound", "serverInternal", "", "caa", "b.example").about, BLAME_CA);
	/* Or us: then it would fail anywhere. */
	assert_int_equal(subs("compound", "badCSR", "", "caa", "b.example").about, BLAME_US);
	assert_false(subs("compound", "badCSR", "", "caa", "b.example").next);
	/* "unauthorized" of a name says that it was not validated; of none, it is the account's. */
	assert_int_equal(subs("compound", "unauthorized", "a.example", NULL, NULL).about, BLAME_NAMES);
	assert_int_equal(subs("compound", "unauthorized", "", NULL, NULL).about, BLAME_ACCOUNT);
	/* The longest first wait. */
	assert_int_equal(subs("compound", "connection", "a.example", "caa", "b.example").first_s, HOURS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row),
		cmocka_unit_test(no_type_is_forgotten),
		cmocka_unit_test(an_overloaded_server_may_say_anything),
		cmocka_unit_test(no_way_to_solve_is_of_this_certificate),
		cmocka_unit_test(about_names_only_if_all_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
