/* What a network process that was taken over can have signed, and what not. */
#include "agent/keys/sign_rules.h"

#include "base/codec.h"
#include "pki/csr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEADER  "{\"alg\":\"ES256\",\"kid\":\"https://ca.example/acct/1\",\"nonce\":\"bm9uY2U\",\"url\":\"https://ca.example/order\"}"
#define NEW_ONE "{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\"},\"nonce\":\"bm9uY2U\",\"url\":\"https://ca.example/acct\"}"
#define INNER   "{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\"},\"url\":\"https://ca.example/key\"}"

static struct san wanted[] = { { .type = SAN_DNS, .value = { (const uint8_t *)"example.org", 11 } },
	{ .type = SAN_DNS, .value = { (const uint8_t *)"www.example.org", 15 } } };

static enum err_code ask(unsigned may, const char *header, const char *payload)
{
	const struct sign_rules r = { .may = may, .names = wanted, .n_names = 2 };
	CLEANUP(buf_free_p) struct buf b = buf_new(65536);
	struct err e = { 0 };

	base64url_add(&b, bytes_str(header));
	buf_add_u8(&b, '.');
	base64url_add(&b, bytes_str(payload));
	return sign_rules_request(&r, buf_bytes(&b), &e);
}

static void what_an_issuance_needs(void **state)
{
	(void)state;
	assert_int_equal(ask(0, HEADER, ""), ERR_OK);
	assert_int_equal(ask(0, HEADER, "{}"), ERR_OK);
	assert_int_equal(
	    ask(0, NEW_ONE, "{\"termsOfServiceAgreed\":true,\"contact\":[\"mailto:a@b.example\"],\"externalAccountBinding\":{}}"), ERR_OK);
	assert_int_equal(ask(0, NEW_ONE, "{\"onlyReturnExisting\":true}"), ERR_OK);
	assert_int_equal(
	    ask(0, HEADER, "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"example.org\"}],\"profile\":\"p\",\"replaces\":\"a.b\"}"),
	    ERR_OK);
	assert_int_equal(ask(0, HEADER, "{\"csr\":\"MIIB\"}"), ERR_OK);
}

static void what_nobody_asked_for(void **state)
{
	static const struct {
		const char *header, *payload;
		unsigned needs; /* 0: nothing allows it */
	} asks[] = {
		{ HEADER, "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"other.example\"}]}", 0 },
		{ HEADER, "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"example.org\"},{\"type\":\"dns\",\"value\":\"*.example.org\"}]}",
		    0 },
		{ HEADER, "{\"identifiers\":[{\"type\":\"ip\",\"value\":\"192.0.2.1\"}]}", 0 },
		{ HEADER, "{\"status\":\"deactivated\"}", SIGN_MAY_DEACTIVATE },
		{ HEADER, "{\"contact\":[\"mailto:attacker@example.net\"]}", SIGN_MAY_UPDATE },
		{ HEADER, "{\"protected\":\"e30\",\"payload\":\"e30\",\"signature\":\"AA\"}", SIGN_MAY_ROLL_OVER },
		{ INNER, "{\"account\":\"https://ca.example/acct/1\",\"oldKey\":{}}", SIGN_MAY_ROLL_OVER },
		{ HEADER, "{\"certificate\":\"MIIB\",\"reason\":1}", SIGN_MAY_REVOKE }, { HEADER, "{\"somethingNew\":1}", 0 },
		{ HEADER, "[]", 0 }, { HEADER, "1", 0 },
		{ "{\"alg\":\"ES256\",\"url\":\"https://ca.example/x\",\"kid\":\"k\"}", "{}", SIGN_MAY_ROLL_OVER }, /* no nonce */
	};
	const unsigned all = SIGN_MAY_UPDATE | SIGN_MAY_DEACTIVATE | SIGN_MAY_ROLL_OVER | SIGN_MAY_REVOKE;

	(void)state;
	for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
		if (ask(all & ~asks[i].needs, asks[i].header, asks[i].payload) != ERR_UNAUTHORIZED)
			fail_msg("%s is not refused", asks[i].payload);
		if (asks[i].needs)
			assert_int_equal(ask(asks[i].needs, asks[i].header, asks[i].payload), ERR_OK);
	}
}

static void what_is_no_request(void **state)
{
	const struct sign_rules r = { .names = wanted, .n_names = 2 };
	static const char *const texts[] = { "", "abc", "....", "e30.e30", "e30", "!!!.e30", "e30.{}", "e30.e30.e30" };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_int_not_equal(sign_rules_request(&r, bytes_str(texts[i]), NULL), ERR_OK);
	assert_int_not_equal(ask(0, HEADER, "{\"csr\":\"a\",\"csr\":\"b\"}"), ERR_OK); /* read once, whoever reads it */
	assert_int_not_equal(ask(0, HEADER,
				 "{} "
				 "x"),
	    ERR_OK);
}

static void one_csr_alone(void **state)
{
	struct sign_rules r = { .names = wanted, .n_names = 2 };
	CLEANUP(buf_free_p) struct buf info = buf_new(CSR_SIZE_MAX), other = buf_new(CSR_SIZE_MAX), less = buf_new(CSR_SIZE_MAX);
	CLEANUP(key_free_p) struct key *key = NULL, *another = NULL;

	(void)state;
	assert_int_equal(key_generate(KEY_EC_P256, 0, &key, NULL), ERR_OK);
	assert_int_equal(key_generate(KEY_EC_P256, 0, &another, NULL), ERR_OK);
	csr_write_info(key_spki(key), wanted, 2, false, &info);
	csr_write_info(key_spki(another), wanted, 2, false, &other);
	csr_write_info(key_spki(key), wanted, 1, false, &less);
	assert_int_equal(sign_rules_csr(&r, key, buf_bytes(&info), NULL), ERR_OK);
	assert_int_equal(sign_rules_csr(&r, key, buf_bytes(&other), NULL), ERR_UNAUTHORIZED);
	assert_int_equal(sign_rules_csr(&r, key, buf_bytes(&less), NULL), ERR_UNAUTHORIZED);
	assert_int_equal(sign_rules_csr(&r, key, BYTES_LIT("anything"), NULL), ERR_UNAUTHORIZED);
	r.must_staple = true;
	assert_int_equal(sign_rules_csr(&r, key, buf_bytes(&info), NULL), ERR_UNAUTHORIZED);
	r.must_staple = false;
	r.n_names = 0;
	assert_int_equal(sign_rules_csr(&r, key, buf_bytes(&info), NULL), ERR_UNAUTHORIZED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_an_issuance_needs),
		cmocka_unit_test(what_nobody_asked_for),
		cmocka_unit_test(what_is_no_request),
		cmocka_unit_test(one_csr_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
