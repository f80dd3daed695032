#include "jose/eab.h"

#include "base/codec.h"
#include "jose/jwk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define URL   "https://ca.example/acme/new-account"
#define KID   "partner-1"
#define MAC32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static struct arena *arena;
static struct key *account;
static const uint8_t secret[EAB_SECRET_MAX] = { 7, 1, 2, 3 };

/* An object of this header and payload; every text is put as it is. */
static struct bytes object(const char *header, const char *payload, const char *signature)
{
	struct buf out CLEANUP(buf_free_p) = buf_new(16384);

	buf_add_str(&out, "{\"protected\":\"");
	base64url_add(&out, bytes_str(header));
	buf_add_str(&out, "\",\"payload\":\"");
	base64url_add(&out, bytes_str(payload));
	buf_add_fmt(&out, "\",\"signature\":\"%s\"}", signature);
	return arena_copy(arena, buf_bytes(&out));
}

static struct bytes made(enum mac_alg alg, const char *url, const struct key *k, size_t secret_len)
{
	struct buf out CLEANUP(buf_free_p) = buf_new(16384);

	assert_int_equal(eab_write(alg, BYTES_LIT(KID), bytes_str(url), k, (struct bytes){ secret, secret_len }, &out, NULL), ERR_OK);
	return arena_copy(arena, buf_bytes(&out));
}

static struct eab parsed(struct bytes json)
{
	struct eab b;

	assert_int_equal(eab_parse(arena, json, &b, NULL), ERR_OK);
	return b;
}

/* RFC 8555 §7.3.4: made by the key's holder, for this request and for this account's key. */
static void what_was_written_is_read_and_holds(void **state)
{
	(void)state;
	for (unsigned alg = 0; alg < MAC__MAX; alg++) {
		struct eab b = parsed(made((enum mac_alg)alg, URL, account, sizeof secret));
		assert_int_equal(b.alg, alg);
		assert_true(bytes_eq_str(b.kid, KID));
		assert_int_equal(eab_check(arena, &b, BYTES_LIT(URL), account, NULL), ERR_OK);
		assert_int_equal(eab_verify(&b, BYTES_ARRAY(secret), NULL), ERR_OK);
	}
}

/* RFC 7515 §A.1: a MAC of others. */
static void the_rfc_s_own_mac_verifies(void **state)
{
	struct eab b = { .alg = MAC_HS256,
		.signing_input = BYTES_LIT("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQo"
					   "gImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ") };
	struct bytes key;

	(void)state;
	assert_int_equal(
	    base64url_decode(
		arena, BYTES_LIT("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"), &key, NULL),
	    ERR_OK);
	assert_int_equal(base64url_decode(arena, BYTES_LIT("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), &b.mac, NULL), ERR_OK);
	assert_int_equal(eab_verify(&b, key, NULL), ERR_OK);
	b.signing_input.len--;
	assert_int_equal(eab_verify(&b, key, NULL), ERR_UNAUTHORIZED);
}

static void another_secret_or_another_mac_is_refused(void **state)
{
	uint8_t other[EAB_SECRET_MAX] = { 7, 1, 2, 4 }, mac[32];
	struct eab b = parsed(made(MAC_HS256, URL, account, 32));

	(void)state;
	assert_int_equal(eab_verify(&b, BYTES_ARRAY(other), NULL), ERR_UNAUTHORIZED);
	for (size_t bit = 0; bit < 8 * sizeof mac; bit++) {
		struct eab flipped = b;
		memcpy(mac, b.mac.ptr, sizeof mac);
		mac[bit / 8] ^= (uint8_t)(1 << bit % 8);
		flipped.mac = BYTES_ARRAY(mac);
		assert_int_equal(eab_verify(&flipped, (struct bytes){ secret, 32 }, NULL), ERR_UNAUTHORIZED);
	}
	assert_int_equal(eab_verify(&b, (struct bytes){ secret, 32 }, NULL), ERR_OK);
}

/* RFC 7518 §3.2: "A key of the same size as the hash output (...) or larger MUST be used" */
static void a_key_too_short_for_its_mac_is_refused(void **state)
{
	struct buf out CLEANUP(buf_free_p) = buf_new(16384);
	struct eab b = parsed(made(MAC_HS512, URL, account, 64));

	(void)state;
	assert_int_equal(eab_verify(&b, (struct bytes){ secret, 32 }, NULL), ERR_BAD_SIGNATURE_ALGORITHM);
	assert_int_equal(
	    eab_write(MAC_HS384, BYTES_LIT(KID), BYTES_LIT(URL), account, (struct bytes){ secret, 32 }, &out, NULL), ERR_CONFIG);
}

static void another_url_or_another_key_is_refused(void **state)
{
	struct key *other CLEANUP(key_free_p) = NULL;

	(void)state;
	assert_int_equal(key_generate(KEY_EC_P256, 0, &other, NULL), ERR_OK);
	struct eab b = parsed(made(MAC_HS256, URL, account, 32));
	assert_int_equal(eab_check(arena, &b, BYTES_LIT(URL "/"), account, NULL), ERR_MALFORMED);
	assert_int_equal(eab_check(arena, &b, BYTES_LIT(URL), other, NULL), ERR_MALFORMED);
	b.payload = BYTES_LIT("{}");
	assert_int_equal(eab_check(arena, &b, BYTES_LIT(URL), account, NULL), ERR_MALFORMED);
}

/* The same key in another text: members in another order, white space, one that the type does not name. */
static void the_key_is_compared_by_its_members(void **state)
{
	struct bytes first, second;
	char x[64], y[64];

	(void)state;
	key_parts(account, &first, &second);
	base64url_encode(first, x);
	base64url_encode(second, y);
	struct eab b = { .url = BYTES_LIT(URL),
		.payload = arena_fmt(arena, "{ \"y\":\"%s\", \"x\":\"%s\", \"kty\":\"EC\", \"alg\":\"ES256\", \"crv\":\"P-256\" }", y, x) };
	assert_int_equal(eab_check(arena, &b, BYTES_LIT(URL), account, NULL), ERR_OK);
}

static void malformed_objects_are_refused(void **state)
{
	static const struct {
		const char *header, *signature;
		enum err_code code;
	} cases[] = {
		{ "{\"alg\":\"ES256\",\"kid\":\"k\",\"url\":\"" URL "\"}", MAC32, ERR_BAD_SIGNATURE_ALGORITHM },
		{ "{\"alg\":\"none\",\"kid\":\"k\",\"url\":\"" URL "\"}", "", ERR_BAD_SIGNATURE_ALGORITHM },
		{ "{\"alg\":\"HS256\",\"url\":\"" URL "\"}", MAC32, ERR_MALFORMED },
		{ "{\"alg\":\"HS256\",\"kid\":\"\",\"url\":\"" URL "\"}", MAC32, ERR_MALFORMED },
		{ "{\"alg\":\"HS256\",\"kid\":\"k\"}", MAC32, ERR_MALFORMED },
		{ "{\"alg\":\"HS256\",\"kid\":\"k\",\"nonce\":\"AAAA\",\"url\":\"" URL "\"}", MAC32, ERR_MALFORMED },
		{ "{\"alg\":\"HS256\",\"kid\":\"k\",\"jwk\":{},\"url\":\"" URL "\"}", MAC32, ERR_MALFORMED },
		{ "{\"alg\":\"HS256\",\"kid\":\"k\",\"crit\":[\"b64\"],\"url\":\"" URL "\"}", MAC32, ERR_MALFORMED },
		{ "{\"alg\":\"HS256\",\"kid\":\"k\",\"b64\":false,\"url\":\"" URL "\"}", MAC32, ERR_MALFORMED },
		{ "{\"alg\":\"HS384\",\"kid\":\"k\",\"url\":\"" URL "\"}", MAC32, ERR_MALFORMED },
		{ "{\"alg\":\"HS256\",\"kid\":\"k\",\"url\":\"" URL "\"}", "AAAA", ERR_MALFORMED },
		{ "{\"alg\":\"HS256\",\"kid\":\"k\",\"url\":\"" URL "\"}", MAC32 "=", ERR_MALFORMED },
		{ "{\"alg\":\"HS256\",\"kid\":\"k\",\"kid\":\"l\",\"url\":\"" URL "\"}", MAC32, ERR_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct eab b;
		struct err e = { 0 };
		assert_int_equal(eab_parse(arena, object(cases[i].header, "{}", cases[i].signature), &b, &e), cases[i].code);
		assert_true(strlen(e.detail) > 10);
	}
	struct eab b;
	assert_int_equal(eab_parse(arena, BYTES_LIT("\"text\""), &b, NULL), ERR_MALFORMED);
	assert_int_equal(eab_parse(arena, BYTES_LIT("{\"payload\":\"\",\"signatures\":[]}"), &b, NULL), ERR_MALFORMED);
}

static int setup(void **state)
{
	(void)state;
	crypto_init();
	arena = arena_new(65536, 4u << 20);
	return arena && key_generate(KEY_EC_P256, 0, &account, NULL) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	key_free(account);
	arena_free(arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read_and_holds),
		cmocka_unit_test(the_rfc_s_own_mac_verifies),
		cmocka_unit_test(another_secret_or_another_mac_is_refused),
		cmocka_unit_test(a_key_too_short_for_its_mac_is_refused),
		cmocka_unit_test(another_url_or_another_key_is_refused),
		cmocka_unit_test(the_key_is_compared_by_its_members),
		cmocka_unit_test(malformed_objects_are_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
