/* The cases of RFC 8659 §4 and RFC 8657, one table row each. */
#include "dns/caa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OURS    "ca.example"
#define ACCOUNT "https://ca.example/acme/acct/1"
#define MOST    4

struct row {
	unsigned flags;
	const char *tag, *value;
};
struct permit_case {
	const char *what;
	bool wildcard, permits;
	const char *reason; /* part of it, when it does not */
	struct row rows[MOST];
};

static const struct permit_case cases[] = {
	{ "ours alone", false, true, NULL, { { 0, "issue", OURS } } },
	{ "another alone", false, false,
	    "issue \"other.example\" at example.org does not name this CA: publish example.org. CAA 0 issue \"ca.example\"",
	    { { 0, "issue", "other.example" } } },
	{ "another and ours", false, true, NULL, { { 0, "issue", "other.example" }, { 0, "issue", OURS } } },
	{ "ours twice", false, true, NULL, { { 0, "issue", OURS }, { 0, "issue", OURS } } },
	{ "nobody", false, false, "\";\"", { { 0, "issue", ";" } } },
	{ "nobody, with space", false, false, "does not name", { { 0, "issue", " ; " } } },
	{ "an empty value is nobody", false, false, "does not name", { { 0, "issue", "" } } },
	{ "nobody beside ours", false, true, NULL, { { 0, "issue", ";" }, { 0, "issue", OURS } } },
	{ "the domain without regard to case", false, true, NULL, { { 0, "issue", "CA.Example" } } },
	{ "the tag without regard to case", false, false, "does not name", { { 0, "IsSuE", "other.example" } } },
	{ "a tag in capitals that is ours", false, true, NULL, { { 0, "ISSUE", OURS } } },
	{ "white space around the domain", false, true, NULL, { { 0, "issue", "  \t" OURS " \t" } } },
	{ "a longer domain is another", false, false, "does not name", { { 0, "issue", "www." OURS } } },
	{ "a shorter domain is another", false, false, "does not name", { { 0, "issue", "example" } } },
	{ "a prefix is another", false, false, "does not name", { { 0, "issue", OURS "x" } } },
	{ "a final dot is not of the grammar", false, false, "does not name", { { 0, "issue", OURS "." } } },
	{ "two words are not of the grammar", false, false, "does not name", { { 0, "issue", OURS " " OURS } } },
	{ "a label with hyphens at its end", false, false, "does not name", { { 0, "issue", "ca-.example" } } },
	{ "quotes are not of the grammar", false, false, "\"'ca.example'\"", { { 0, "issue", "\"" OURS "\"" } } },
	{ "iodef alone restricts nothing", false, true, NULL, { { 0, "iodef", "mailto:a@example.org" } } },
	{ "iodef alone, critical", false, true, NULL, { { 128, "iodef", "mailto:a@example.org" } } },
	{ "issuemail alone says nothing about us", false, true, NULL, { { 0, "issuemail", ";" } } },
	{ "an unknown property without the flag", false, true, NULL, { { 0, "tbs", "Unknown" } } },
	{ "an unknown property with the flag", false, false, "critical flag (128) and the property \"tbs\"",
	    { { 128, "tbs", "Unknown" } } },
	{ "... also beside ours", false, false, "critical", { { 0, "issue", OURS }, { 128, "tbs", "Unknown" } } },
	{ "... also for a wildcard", true, false, "critical", { { 0, "issue", OURS }, { 128, "tbs", "Unknown" } } },
	{ "the flag at the careless end", false, false, "critical flag (1)", { { 1, "tbs", "Unknown" } } },
	{ "other bits are reserved and ignored", false, true, NULL, { { 64, "tbs", "Unknown" } } },
	{ "a critical issue that is ours", false, true, NULL, { { 128, "issue", OURS } } },
	{ "a critical issue of another", false, false, "does not name", { { 128, "issue", "other.example" } } },

	{ "a wildcard by issue", true, true, NULL, { { 0, "issue", OURS } } },
	{ "a wildcard by issue of another", true, false, "issue \"other.example\"", { { 0, "issue", "other.example" } } },
	{ "issuewild alone restricts wildcards", true, false, "publish example.org. CAA 0 issuewild \"ca.example\"",
	    { { 0, "issuewild", "other.example" } } },
	{ "issuewild alone restricts nothing else", false, true, NULL, { { 0, "issuewild", "other.example" } } },
	{ "issuewild goes before issue", true, false, "issuewild \";\"", { { 0, "issue", OURS }, { 0, "issuewild", ";" } } },
	{ "issuewild of ours, issue of another", true, true, NULL, { { 0, "issue", "other.example" }, { 0, "issuewild", OURS } } },
	{ "... which is no name without a star", false, false, "issue \"other.example\"",
	    { { 0, "issue", "other.example" }, { 0, "issuewild", OURS } } },
	{ "issuewild beside issue of ours", false, true, NULL, { { 0, "issue", OURS }, { 0, "issuewild", ";" } } },

	{ "parameters of nobody's", false, true, NULL, { { 0, "issue", OURS "; policy=ev" } } },
	{ "several", false, true, NULL, { { 0, "issue", OURS ";a=1; b = 2 ;c=" } } },
	{ "a parameter without a value's sign", false, false, "does not name", { { 0, "issue", OURS "; policy" } } },
	{ "a semicolon at the end of parameters", false, false, "does not name", { { 0, "issue", OURS "; a=1;" } } },
	{ "a lone semicolon behind the domain", false, true, NULL, { { 0, "issue", OURS ";" } } },
	{ "a value with a space in it", false, false, "does not name", { { 0, "issue", OURS "; a=1 2" } } },
	{ "a tag with a point in it", false, false, "does not name", { { 0, "issue", OURS "; a.b=1" } } },

	{ "our account", false, true, NULL, { { 0, "issue", OURS "; accounturi=" ACCOUNT } } },
	{ "another account", false, false, "for another account than " ACCOUNT, { { 0, "issue", OURS "; accounturi=" ACCOUNT "2" } } },
	{ "no account", false, false, "another account", { { 0, "issue", OURS "; accounturi=" } } },
	{ "another account beside ours", false, true, NULL,
	    { { 0, "issue", OURS "; accounturi=" ACCOUNT "2" }, { 0, "issue", OURS "; accounturi=" ACCOUNT } } },
	{ "two accounts in one value", false, false, "another account",
	    { { 0, "issue", OURS "; accounturi=" ACCOUNT "; accounturi=" ACCOUNT } } },
	{ "an account in capitals is another", false, false, "another account",
	    { { 0, "issue", OURS "; accounturi=HTTPS://ca.example/acme/acct/1" } } },
	{ "our method", false, true, NULL, { { 0, "issue", OURS "; validationmethods=http-01" } } },
	{ "our method among others", false, true, NULL, { { 0, "issue", OURS "; validationmethods=dns-01,http-01,ca-x" } } },
	{ "another method", false, false, "does not allow the method http-01", { { 0, "issue", OURS "; validationmethods=dns-01" } } },
	{ "no method", false, false, "does not allow the method", { { 0, "issue", OURS "; validationmethods=" } } },
	{ "a method that ours begins", false, false, "does not allow the method",
	    { { 0, "issue", OURS "; validationmethods=http-011,http-0" } } },
	{ "two lists of methods", false, false, "does not allow the method",
	    { { 0, "issue", OURS "; validationmethods=dns-01; validationmethods=http-01" } } },
	{ "the parameters' tags without regard to case", false, false, "another account", { { 0, "issue", OURS "; AccountURI=x" } } },
	{ "account and method", false, true, NULL, { { 0, "issue", OURS "; accounturi=" ACCOUNT "; validationmethods=http-01" } } },
	{ "account right, method wrong", false, false, "does not allow the method",
	    { { 0, "issue", OURS "; accounturi=" ACCOUNT "; validationmethods=dns-01" } } },
	{ "an account in a list of its own is none", false, false, "another account",
	    { { 0, "issue", OURS "; accounturi=" ACCOUNT "," ACCOUNT } } },
	{ "another account, and another CA", false, false, "for another account than",
	    { { 0, "issue", "other.example" }, { 0, "issue", OURS "; accounturi=x" } } },
	{ "our account at another CA", false, false, "does not name", { { 0, "issue", "other.example; accounturi=" ACCOUNT } } },
	{ "our account for a wildcard", true, true, NULL, { { 0, "issuewild", OURS "; accounturi=" ACCOUNT } } },
	{ "another account for a wildcard, beside our own issue", true, false, "issuewild",
	    { { 0, "issue", OURS }, { 0, "issuewild", OURS "; accounturi=x" } } },
	{ "spaces around the sign of a value", false, true, NULL, { { 0, "issue", OURS " ;\taccounturi = " ACCOUNT " " } } },
	{ "an empty name in the list of methods", false, true, NULL, { { 0, "issue", OURS "; validationmethods=,http-01" } } },
	{ "a method in capitals is another", false, false, "does not allow the method",
	    { { 0, "issue", OURS "; validationmethods=HTTP-01" } } },
	{ "a malformed value names nobody", false, false, "does not name", { { 0, "issue", "%%%%%" } } },
	{ "... beside ours it takes nothing away", false, true, NULL, { { 0, "issue", "%%%%%" }, { 0, "issue", OURS } } },
	{ "a malformed value of issuewild", true, false, "issuewild", { { 0, "issuewild", "%%%%%" }, { 0, "issue", OURS } } },
	{ "a malformed value, critical", false, false, "does not name", { { 128, "issue", "%%%%%" } } },
	{ "a parameter without a tag", false, false, "does not name", { { 0, "issue", OURS "; =x" } } },
	{ "a control character in a value", false, false, "does not name", { { 0, "issue", OURS "; a=\001" } } },
	{ "bytes past ASCII", false, false, "does not name", { { 0, "issue", "ca.ex\303\244mple" } } },
	{ "a tag of another language of CAs, critical", false, false, "the property \"issuevmc\"", { { 128, "issuevmc", ";" } } },
	{ "an unknown property alone, for a wildcard", true, true, NULL, { { 0, "tbs", "Unknown" } } },

	{ "account and method for a wildcard", true, false, "issuewild", { { 0, "issuewild", OURS "; validationmethods=dns-01" } } },
};

static size_t put(const struct row *r, uint8_t *out)
{
	size_t tag = strlen(r->tag), value = strlen(r->value);

	out[0] = (uint8_t)r->flags;
	out[1] = (uint8_t)tag;
	memcpy(out + 2, r->tag, tag);
	memcpy(out + 2 + tag, r->value, value);
	return 2 + tag + value;
}

static void each_case_is_decided_as_the_rfcs_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct permit_case *c = &cases[i];
		struct caa_request r = { .wildcard = c->wildcard,
			.issuer_domain = BYTES_LIT(OURS),
			.account_url = BYTES_LIT(ACCOUNT),
			.method = BYTES_LIT("http-01") };
		uint8_t raw[MOST][256];
		struct bytes rdata[MOST];
		size_t n = 0;
		struct err e = { 0 };
		for (; n < MOST && c->rows[n].tag; n++)
			rdata[n] = (struct bytes){ raw[n], put(&c->rows[n], raw[n]) };
		enum err_code rc = caa_permits(BYTES_LIT("example.org"), rdata, n, &r, &e);
		if (rc != (c->permits ? ERR_OK : ERR_CAA))
			fail_msg("%s: %s %s", c->what, err_name(rc), e.detail);
		if (c->reason && !strstr(e.detail, c->reason))
			fail_msg("%s: \"%s\" is not in \"%s\"", c->what, c->reason, e.detail);
	}
}

static void refuses_malformed_rdata(void **state)
{
	static const struct bytes bad[] = { { (const uint8_t *)"", 0 }, { (const uint8_t *)"\0", 1 }, { (const uint8_t *)"\0\0x", 3 },
		{ (const uint8_t *)"\0\5issu", 6 }, { (const uint8_t *)"\0\5is-ue;", 8 }, { (const uint8_t *)"\0\1\xe9;", 4 } };
	const struct caa_request r = { .issuer_domain = BYTES_LIT(OURS) };
	struct caa_record record;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err e = { 0 };
		assert_int_equal(caa_record_read(bad[i], &record, &e), ERR_MALFORMED);
		assert_int_equal(caa_permits(BYTES_LIT("example.org"), &bad[i], 1, &r, &e), ERR_CAA);
	}
	assert_int_equal(caa_record_read(BYTES_LIT("\200\5issue"), &record, NULL), ERR_OK);
	assert_int_equal(record.flags, 128);
	assert_int_equal(record.value.len, 0);
}

static void refuses_more_records_than_it_reads(void **state)
{
	static struct bytes many[CAA_RECORDS_MAX + 1];
	const struct caa_request r = { .issuer_domain = BYTES_LIT(OURS) };

	(void)state;
	for (size_t i = 0; i < CAA_RECORDS_MAX + 1; i++)
		many[i] = BYTES_LIT("\0\5issue" OURS);
	assert_int_equal(caa_permits(BYTES_LIT("example.org"), many, CAA_RECORDS_MAX, &r, NULL), ERR_OK);
	assert_int_equal(caa_permits(BYTES_LIT("example.org"), many, CAA_RECORDS_MAX + 1, &r, NULL), ERR_CAA);
}

static void an_empty_rrset_permits(void **state)
{
	const struct caa_request r = { .issuer_domain = BYTES_LIT(OURS) };

	(void)state;
	assert_int_equal(caa_permits(BYTES_LIT("example.org"), NULL, 0, &r, NULL), ERR_OK);
}

static void parents_end_before_the_root(void **state)
{
	(void)state;
	struct bytes at = BYTES_LIT("a.b.example.org");

	static const char *const up[] = { "b.example.org", "example.org", "org" };
	for (size_t i = 0; i < 3; i++) {
		at = caa_parent(at);
		assert_true(bytes_eq_str(at, up[i]));
	}
	assert_null(caa_parent(at).ptr);
	assert_null(caa_parent(BYTES_LIT("org.")).ptr);
	assert_null(caa_parent(BYTES_LIT("")).ptr);
}

static void a_reason_never_carries_what_a_terminal_obeys(void **state)
{
	const struct caa_request r = { .issuer_domain = BYTES_LIT(OURS) };
	const struct bytes rdata = BYTES_LIT("\0\5issueevil\033[2J\n\"x\"");
	struct err e = { 0 };

	(void)state;
	assert_int_equal(caa_permits(BYTES_LIT("example.org"), &rdata, 1, &r, &e), ERR_CAA);
	assert_null(strpbrk(e.detail, "\033\n"));
	assert_non_null(strstr(e.detail, "\"evil [2J 'x'\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_case_is_decided_as_the_rfcs_say),
		cmocka_unit_test(refuses_malformed_rdata),
		cmocka_unit_test(refuses_more_records_than_it_reads),
		cmocka_unit_test(an_empty_rrset_permits),
		cmocka_unit_test(parents_end_before_the_root),
		cmocka_unit_test(a_reason_never_carries_what_a_terminal_obeys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
