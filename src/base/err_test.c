#include "base/err.h"

#include "base/test_support.h"

#include <errno.h>

static enum err_code fails(struct err *e)
{
	errno = ENOENT;
	FAIL(e, BAD_CSR, "the CSR has %d names", 3);
}

static enum err_code passes_on(struct err *e)
{
	TRY(ERR_OK);
	TRY(fails(e));
	return ERR_OK;
}

static void an_error_carries_what_the_log_needs(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(passes_on(&e), ERR_BAD_CSR);
	assert_int_equal(e.code, ERR_BAD_CSR);
	assert_int_equal(e.sys, ENOENT);
	assert_string_equal(e.detail, "the CSR has 3 names");
	assert_non_null(strstr(e.file, "err_test.c"));
	assert_int_equal(e.line, 10);
	assert_int_equal(passes_on(NULL), ERR_BAD_CSR);
}

static void a_detail_can_be_wrapped_in_more_words(void **state)
{
	struct err e = { 0 };

	(void)state;
	(void)fails(&e);
	(void)err_set(&e, ERR_MALFORMED, "f", 1, "order 7: %s", e.detail);
	assert_string_equal(e.detail, "order 7: the CSR has 3 names");
}

static void what_is_not_printable_never_gets_into_a_detail(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "a\nb\r\tc\x1b[31m\x7f", "a?b??c?[31m?" },
		{ "\xc2\x85\xc2\x9b", "??" }, /* C1: next line, control sequence introducer */
		{ "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x92", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x92" },
		{ "\xff\xc3(\xc0\xaf\xed\xa0\x80", "?\?(?????" }, /* no UTF-8, overlong, a surrogate */
		{ "a\xe2\x80\xae"
		  "b\xe2\x80\xa8"
		  "c\xef\xbb\xbf",
		    "a?b?c?" }, /* right-to-left override, line separator, BOM */
		{ "\xe2\x80", "??" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		(void)err_set(&e, ERR_MALFORMED, "f", 1, "%s", cases[i].in);
		assert_string_equal(e.detail, cases[i].out);
	}
}

static void a_long_detail_is_cut_between_characters(void **state)
{
	struct err e;
	char in[400];

	(void)state;
	for (size_t lead = 0; lead < 4; lead++) {
		memset(in, 'a', lead);
		for (size_t i = lead; i + 4 < sizeof in; i += 4)
			memcpy(in + i, "\xf0\x9f\x94\x92", 5);
		(void)err_set(&e, ERR_MALFORMED, "f", 1, "%s", in);
		size_t n = strlen(e.detail);
		assert_true(n < sizeof e.detail && n + 4 >= sizeof e.detail);
		assert_int_equal((n - lead) % 4, 0);
		assert_null(strchr(e.detail, '?'));
	}
}

static void every_code_has_a_name_an_urn_and_a_status(void **state)
{
	(void)state;
	for (int c = ERR_OK + 1; c < ERR__MAX; c++) {
		enum err_code code = (enum err_code)c;
		assert_true(strlen(err_name(code)) > 1);
		assert_true(strlen(err_urn(code)) > 1);
		assert_true(err_http(code) >= 400 && err_http(code) < 600);
		/* what is not the peer's fault is a 5xx, and the reverse */
		assert_int_equal(err_is_peers(code), err_http(code) < 500);
		for (int d = c + 1; d < ERR__MAX; d++)
			assert_string_not_equal(err_name(code), err_name((enum err_code)d));
	}
	assert_string_equal(err_urn(ERR_BAD_NONCE), "badNonce");
	assert_string_equal(err_name(ERR_BAD_NONCE), "BAD_NONCE");
	assert_int_equal(err_http(ERR_BAD_NONCE), 400);
	assert_string_equal(err_urn(ERR_STORE), "serverInternal");
	assert_string_equal(err_urn(ERR_OK), "serverInternal");
	assert_false(err_is_peers(ERR_OK));
	assert_string_equal(err_urn((enum err_code)9999), "serverInternal");
	assert_string_equal(err_name((enum err_code)9999), "UNKNOWN");
	assert_int_equal(err_http((enum err_code)9999), 500);
}

static void urns_lead_back_to_their_code(void **state)
{
	static const char *const types[] = { "accountDoesNotExist", "alreadyRevoked", "badCSR", "badNonce", "badPublicKey",
		"badRevocationReason", "badSignatureAlgorithm", "caa", "compound", "connection", "dns", "externalAccountRequired",
		"incorrectResponse", "invalidContact", "malformed", "orderNotReady", "rateLimited", "rejectedIdentifier", "tls",
		"unauthorized", "unsupportedContact", "unsupportedIdentifier",
		"userActionRequired" }; /* RFC 8555 §6.7, but serverInternal */
	char urn[80];

	(void)state;
	for (size_t i = 0; i < LENGTH(types); i++) {
		enum err_code code = err_from_urn(bytes_str(types[i]));
		assert_true(err_is_peers(code));
		assert_string_equal(err_urn(code), types[i]);
		strcpy(urn, "urn:ietf:params:acme:error:");
		strcat(urn, types[i]);
		assert_int_equal(err_from_urn(bytes_str(urn)), code);
	}
	assert_int_equal(err_from_urn(BYTES_LIT("malformed")), ERR_MALFORMED);
	assert_int_equal(err_from_urn(BYTES_LIT("urn:ietf:params:acme:error:serverInternal")), ERR_SERVER_INTERNAL);
	assert_int_equal(err_from_urn(BYTES_LIT("urn:ietf:params:acme:error:")), ERR_SERVER_INTERNAL);
	assert_int_equal(err_from_urn(BYTES_LIT("about:blank")), ERR_SERVER_INTERNAL);
	assert_int_equal(err_from_urn(BYTES_LIT("BADNONCE")), ERR_SERVER_INTERNAL);
	assert_int_equal(err_from_urn(BYTES_NONE), ERR_SERVER_INTERNAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_carries_what_the_log_needs),
		cmocka_unit_test(a_detail_can_be_wrapped_in_more_words),
		cmocka_unit_test(what_is_not_printable_never_gets_into_a_detail),
		cmocka_unit_test(a_long_detail_is_cut_between_characters),
		cmocka_unit_test(every_code_has_a_name_an_urn_and_a_status),
		cmocka_unit_test(urns_lead_back_to_their_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
