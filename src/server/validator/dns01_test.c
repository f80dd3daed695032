/* dns-01 against a name server that says what a zone may say, by mistake or on purpose. */
#include "base/codec.h"
#include "crypto/digest.h"
#include "dns/packet.h"
#include "server/validator/rrset.h"
#include "server/validator/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AT "_acme-challenge.host.test"

struct fixture {
	struct world w;
	struct world_control c;
	char due[BASE64URL_LEN(SHA256_SIZE) + 1];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	uint8_t digest[SHA256_SIZE];

	world_start(&f->w, 80, 20);
	f->c.arena = arena_new(4096, 1u << 20);
	sha256_one(BYTES_LIT(WORLD_KEY_AUTH), digest);
	base64url_encode(BYTES_ARRAY(digest), f->due);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	world_stop(&f->w);
	arena_free(f->c.arena);
	free(f);
	return 0;
}

/* A TXT record of so many character-strings as the text has pieces between '|'. */
static struct bytes txt(const char *text, uint8_t out[512])
{
	size_t n = 0;

	for (const char *at = text;; at++) {
		size_t len = strcspn(at, "|");
		out[n++] = (uint8_t)len;
		memcpy(out + n, at, len);
		n += len;
		at += len;
		if (!*at)
			return (struct bytes){ out, n };
	}
}

static void add(struct fixture *f, const char *name, const char *text)
{
	uint8_t raw[512];

	stub_dns_add(f->w.dns, name, DNS_TYPE_TXT, txt(text, raw));
}

static void is_named(struct fixture *f, struct identifier id, enum err_code code, const char *reason)
{
	if (world_control(&f->w, &f->c, CHALLENGE_TYPE_DNS_01, id) != code || !strstr(f->c.result.why.detail, reason))
		fail_msg("%s: %s", err_name(f->c.result.why.code), f->c.result.why.detail);
}

static void is(struct fixture *f, enum err_code code, const char *reason)
{
	is_named(f, (struct identifier){ .value = BYTES_LIT("host.test") }, code, reason);
}

static void the_digest_is_control(void **state)
{
	struct fixture *f = *state;
	uint8_t raw[512], seen[32];
	struct bytes rdata = txt(f->due, raw);

	add(f, AT, f->due);
	is(f, ERR_OK, "");
	rrset_digest(&rdata, 1, seen);
	assert_memory_equal(f->c.result.seen, seen, 32);
	assert_int_equal(f->c.result.dnssec, DNSSEC_OFF);
	assert_false(f->c.result.relaxed_address);
	is_named(f, (struct identifier){ .value = BYTES_LIT("host.test"), .wildcard = true }, ERR_OK, "");
}

static void one_of_several_records_is_enough(void **state)
{
	struct fixture *f = *state;

	add(f, AT, "v=spf1 -all");
	add(f, AT, "gfj9Xq-Rg85nM");
	add(f, AT, f->due);
	is(f, ERR_OK, "");
}

static void character_strings_are_one_value(void **state)
{
	struct fixture *f = *state;
	char pieces[64];

	(void)snprintf(pieces, sizeof pieces, "%.10s||%s", f->due, f->due + 10);
	add(f, AT, pieces);
	is(f, ERR_OK, "");
}

static void a_cname_leads_to_another_zone(void **state)
{
	struct fixture *f = *state;

	stub_dns_cname(f->w.dns, AT, "host.acme.example.test");
	add(f, "host.acme.example.test", f->due);
	is(f, ERR_OK, "");
	stub_dns_cname(f->w.dns, "_acme-challenge.other.test", "elsewhere.test");
	add(f, "elsewhere.test", "x");
	is_named(f, (struct identifier){ .value = BYTES_LIT("other.test") }, ERR_INCORRECT_RESPONSE,
	    "dns-01 at _acme-challenge.other.test (an alias of elsewhere.test): found 1 TXT record");
}

static void nearly_is_not_enough(void **state)
{
	static const char *const formats[] = { "%s ", " %s", "\"%s\"", "%s=", "%.42s", "%sA" };
	struct fixture *f = *state;
	char name[32], text[64];

	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		(void)snprintf(name, sizeof name, "_acme-challenge.n%zu.test", i);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(text, sizeof text, formats[i], f->due);
#pragma GCC diagnostic pop
		add(f, name, text);
		is_named(f, (struct identifier){ .value = bytes_str(name + strlen("_acme-challenge.")) }, ERR_INCORRECT_RESPONSE,
		    "which is not the expected");
	}
}

static void each_failure_says_what_it_is(void **state)
{
	struct fixture *f = *state;
	char reason[200];

	(void)snprintf(
	    reason, sizeof reason, "dns-01 at " AT ": NXDOMAIN for TXT: there is no such name; due is a TXT record \"%s\"", f->due);
	is(f, ERR_DNS, reason);
	stub_dns_caa(f->w.dns, "_acme-challenge.empty.test", 0, "issue", "ca.example");
	is_named(f, (struct identifier){ .value = BYTES_LIT("empty.test") }, ERR_INCORRECT_RESPONSE, "there is no TXT record; due is");
	stub_dns_behave(f->w.dns, "_acme-challenge.fail.test", DNS_TYPE_TXT, STUB_SERVFAIL);
	is_named(f, (struct identifier){ .value = BYTES_LIT("fail.test") }, ERR_DNS, "SERVFAIL for TXT of _acme-challenge.fail.test");
	add(f, AT, WORLD_KEY_AUTH);
	is(f, ERR_INCORRECT_RESPONSE, "the TXT record is the key authorization itself; due is its SHA-256 digest in base64url");
	add(f, AT, "second");
	add(f, "_acme-challenge.two.test", "first");
	add(f, "_acme-challenge.two.test", "second");
	is_named(
	    f, (struct identifier){ .value = BYTES_LIT("two.test") }, ERR_INCORRECT_RESPONSE, "found 2 TXT records, none is the expected");
	assert_non_null(strstr(f->c.result.why.detail, "; the first is \""));
}

static void a_quoted_record_is_short_and_printable(void **state)
{
	struct fixture *f = *state;
	char text[256];

	memset(text, 'z', sizeof text);
	memcpy(text, "\033[2J\"\n", 6);
	text[255] = 0;
	add(f, AT, text);
	is(f, ERR_INCORRECT_RESPONSE, "but \" [2J' zzz");
	const char *begin = strstr(f->c.result.why.detail, "but \"") + 5;
	assert_int_equal(strlen(begin), 100 + strlen("...\""));
	assert_null(strpbrk(f->c.result.why.detail, "\033\n"));
}

static void malformed_records_are_none(void **state)
{
	struct fixture *f = *state;

	stub_dns_add(f->w.dns, AT, DNS_TYPE_TXT, BYTES_LIT("\7cut"));
	is(f, ERR_INCORRECT_RESPONSE, "found 1 TXT record");
}

/* A zone with very many is no zone of an applicant's. */
static void so_many_records_are_not_looked_at(void **state)
{
	struct fixture *f = *state;
	char text[16];

	stub_dns_behave(f->w.dns, AT, DNS_TYPE_TXT, STUB_TRUNCATES);
	for (int i = 0; i < RRSET_RECORDS_MAX; i++) {
		(void)snprintf(text, sizeof text, "%d", i);
		add(f, AT, text);
	}
	is(f, ERR_INCORRECT_RESPONSE, "found 100 TXT records");
	add(f, AT, f->due);
	is(f, ERR_INCORRECT_RESPONSE, "found 101 TXT records, at most 100 are looked at");
	assert_true(stub_dns_tcp(f->w.dns) > 0);
}

static void what_was_changed_is_seen_at_once(void **state)
{
	struct fixture *f = *state;

	is(f, ERR_DNS, "NXDOMAIN");
	add(f, AT, "old");
	is(f, ERR_INCORRECT_RESPONSE, "but \"old\"");
	add(f, AT, f->due);
	is(f, ERR_OK, "");
}

static void a_name_too_long_for_the_label_is_told(void **state)
{
	struct fixture *f = *state;
	char name[254];

	memset(name, 'a', sizeof name);
	for (int i = 60; i < 240; i += 60)
		name[i] = '.';
	memcpy(name + 233, ".test", 6);
	is_named(f, (struct identifier){ .value = bytes_str(name) }, ERR_MALFORMED,
	    "has more than 253 characters, so no record can be put there");
}

static void one_that_takes_too_long_says_so(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	stub_dns_behave(f->w.dns, AT, DNS_TYPE_TXT, STUB_SILENT);
	world_start_control(&f->w, &f->c, CHALLENGE_TYPE_DNS_01, (struct identifier){ .value = BYTES_LIT("host.test") }, 300);
	assert_false(world_run(&f->w, &f->c.done, 100));
	method_DNS_01.late(f->c.method, &e);
	method_DNS_01.cancel(f->c.method);
	assert_int_equal(e.code, ERR_DNS);
	assert_non_null(strstr(e.detail, "dns-01 at " AT ": the DNS question for TXT takes too long"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_digest_is_control),
		T(one_of_several_records_is_enough),
		T(character_strings_are_one_value),
		T(a_cname_leads_to_another_zone),
		T(nearly_is_not_enough),
		T(each_failure_says_what_it_is),
		T(a_quoted_record_is_short_and_printable),
		T(malformed_records_are_none),
		T(so_many_records_are_not_looked_at),
		T(what_was_changed_is_seen_at_once),
		T(a_name_too_long_for_the_label_is_told),
		T(one_that_takes_too_long_says_so),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
