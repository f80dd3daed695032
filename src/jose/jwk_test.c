#include "jose/jwk.h"

#include "base/codec.h"
#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 7638 §3.1 */
#define RSA_N                                                                                                                \
	"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhM" \
	"stn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5" \
	"hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
/* RFC 7515 §A.3.1 */
#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
/* RFC 8037 §A.2 */
#define ED_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

#define EC_JWK "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}"

static struct arena *arena;

static enum err_code parse(const char *json, struct key **ret, struct err *e)
{
	arena_reset(arena);
	return jwk_parse(arena, bytes_str(json), ret, e);
}

static void thumbprint_is(const char *json, const char *want)
{
	struct key *k CLEANUP(key_free_p) = NULL;
	uint8_t thumbprint[THUMBPRINT_SIZE];
	char text[BASE64URL_LEN(THUMBPRINT_SIZE) + 1];

	assert_int_equal(parse(json, &k, NULL), ERR_OK);
	jwk_thumbprint(k, thumbprint);
	base64url_encode(BYTES_ARRAY(thumbprint), text);
	assert_string_equal(text, want);
}

static void rfc_7638_thumbprint(void **state)
{
	(void)state;
	thumbprint_is("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}",
	    "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

/* RFC 8037 §A.3 */
static void rfc_8037_thumbprint(void **state)
{
	(void)state;
	thumbprint_is("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

static void written_form_is_canonical(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "{ \"y\" : \"" EC_Y "\", \"use\":\"sig\", \"x\":\"" EC_X "\", \"kty\":\"EC\", \"crv\":\"P-256\" }",
		    "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}" },
		{ "{\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"kty\":\"RSA\"}", "{\"e\":\"AQAB\",\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}" },
		{ "{\"x\":\"" ED_X "\",\"crv\":\"Ed25519\",\"kty\":\"OKP\"}", "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"" ED_X "\"}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct key *k CLEANUP(key_free_p) = NULL;
		struct buf out CLEANUP(buf_free_p) = buf_new(JWK_SIZE_MAX);
		assert_int_equal(parse(cases[i].in, &k, NULL), ERR_OK);
		jwk_write(k, &out);
		assert_true(bytes_eq_str(buf_bytes(&out), cases[i].out));
	}
}

static void keys_go_both_ways(void **state)
{
	(void)state;
	for (unsigned t = 0; t <= KEY_ED25519; t++) {
		struct key *k CLEANUP(key_free_p) = NULL, *back CLEANUP(key_free_p) = NULL;
		struct buf out CLEANUP(buf_free_p) = buf_new(JWK_SIZE_MAX);
		assert_int_equal(key_generate((enum key_type)t, 4096 - 1024, &k, NULL), ERR_OK);
		jwk_write(k, &out);
		assert_true(buf_ok(&out));
		arena_reset(arena);
		assert_int_equal(jwk_parse(arena, buf_bytes(&out), &back, NULL), ERR_OK);
		assert_true(bytes_eq(key_spki(back), key_spki(k)));
	}
}

static void largest_rsa_key_fits(void **state)
{
	struct key *k CLEANUP(key_free_p) = NULL;
	struct buf out CLEANUP(buf_free_p) = buf_new(JWK_SIZE_MAX);
	uint8_t n[KEY_RSA_BITS_MAX / 8], e[8];

	(void)state;
	memset(n, 0xff, sizeof n);
	memset(e, 0xff, sizeof e);
	assert_int_equal(key_from_rsa(BYTES_ARRAY(n), BYTES_ARRAY(e), &k, NULL), ERR_OK);
	jwk_write(k, &out);
	assert_true(buf_ok(&out));
}

static void what_is_no_jwk_is_malformed(void **state)
{
	static const char *const cases[] = {
		"",
		"{}",
		"[]",
		"{\"kty\":1}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"y\":\"" EC_Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "=\",\"y\":\"" EC_Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEV\",\"y\":\"" EC_Y
		"\"}", /* trailing bits */
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVE+\",\"y\":\"" EC_Y
		"\"}", /* alphabet */
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":12,\"y\":\"" EC_Y "\"}",
		"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}",
		"{\"kty\":\"RSA\",\"e\":\"AQAB\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}",
		"{\"kty\":\"EC\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
		EC_JWK " x",
	};
	struct key *k = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(parse(cases[i], &k, NULL), ERR_MALFORMED);
	assert_null(k);
}

static void keys_that_are_not_allowed(void **state)
{
	static const char *const cases[] = {
		"{\"kty\":\"oct\",\"k\":\"AAAA\"}", "{\"kty\":\"oct\"}",
		"{\"kty\":\"ec\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
		"{\"kty\":\"EC\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"Ed25519\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}", /* width */
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_Y "\",\"y\":\"" EC_X "\"}", /* off the curve */
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"\",\"y\":\"\"}", "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED_X "\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"Aw\"}",
		"{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AAEAAQ\"}", /* leading zero */
	};
	struct key *k = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(parse(cases[i], &k, NULL), ERR_BAD_PUBLIC_KEY);
	assert_null(k);
}

static void private_parts_are_refused(void **state)
{
	static const char *const names[] = { "d", "p", "q", "dp", "dq", "qi", "oth", "k" };
	static const char *const values[] = { "\"AQAB\"", "\"\"", "null", "[]", "{}", "1" };
	struct key *k = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
			char json[512];
			snprintf(json, sizeof json, "{\"%s\":%s,\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}",
			    names[i], values[v]);
			assert_int_equal(parse(json, &k, &e), ERR_BAD_PUBLIC_KEY);
			assert_non_null(strstr(e.detail, "private"));
		}
	}
	assert_null(k);
}

/* Sizes that would cost arithmetic are refused before it. */
static void oversize_is_refused(void **state)
{
	char json[4096], n[2800];
	struct key *k = NULL;

	(void)state;
	memset(n, 'g', sizeof n);
	snprintf(json, sizeof json, "{\"kty\":\"RSA\",\"n\":\"%.1366s\",\"e\":\"AQAB\"}", n); /* 8192 bits */
	assert_int_equal(parse(json, &k, NULL), ERR_BAD_PUBLIC_KEY);
	snprintf(json, sizeof json, "{\"kty\":\"RSA\",\"n\":\"%.2732s\",\"e\":\"AQAB\"}", n); /* 16384 bits */
	assert_int_equal(parse(json, &k, NULL), ERR_BAD_PUBLIC_KEY);
	snprintf(json, sizeof json, "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"%.400s\"}", n);
	assert_int_equal(parse(json, &k, NULL), ERR_BAD_PUBLIC_KEY);
	assert_null(k);
}

/* RFC 8555 §8.1 */
static void key_authorization_joins_token_and_thumbprint(void **state)
{
	struct key *k CLEANUP(key_free_p) = NULL;
	struct buf out CLEANUP(buf_free_p) = buf_new(256);
	uint8_t thumbprint[THUMBPRINT_SIZE];

	(void)state;
	assert_int_equal(parse("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}", &k, NULL), ERR_OK);
	jwk_thumbprint(k, thumbprint);
	key_authorization(BYTES_LIT("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"), thumbprint, &out);
	assert_true(
	    bytes_eq_str(buf_bytes(&out), "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_7638_thumbprint),
		cmocka_unit_test(rfc_8037_thumbprint),
		cmocka_unit_test(written_form_is_canonical),
		cmocka_unit_test(keys_go_both_ways),
		cmocka_unit_test(largest_rsa_key_fits),
		cmocka_unit_test(what_is_no_jwk_is_malformed),
		cmocka_unit_test(keys_that_are_not_allowed),
		cmocka_unit_test(private_parts_are_refused),
		cmocka_unit_test(oversize_is_refused),
		cmocka_unit_test(key_authorization_joins_token_and_thumbprint),
	};

	crypto_init();
	arena = arena_new(4096, 1u << 20);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return failed;
}
