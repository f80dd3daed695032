#include "crypto/key.h"

#include "base/codec.h"
#include "crypto/digest.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct key *keys[KEY__MAX];

static int make_keys(void **state)
{
	(void)state;
	crypto_init();
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++)
		if (key_generate((enum key_type)t, 2048, &keys[t], NULL) != ERR_OK)
			return -1;
	return 0;
}

static int free_keys(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++)
		key_free(keys[t]);
	return 0;
}

static void names_go_both_ways(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		enum key_type back = KEY__MAX;
		assert_true(key_type_from_name(bytes_str(key_type_name((enum key_type)t)), &back));
		assert_int_equal(back, t);
	}
	for (unsigned a = 0; a < SIG__MAX; a++) {
		enum sig_alg back = SIG__MAX;
		const char *jose = sig_alg_jose((enum sig_alg)a);
		assert_int_equal(jose == NULL, a >= SIG_ML_DSA_44);
		assert_true(!jose || (sig_alg_from_jose(bytes_str(jose), &back) && back == a));
		assert_true(sig_alg_from_der(sig_alg_der((enum sig_alg)a), &back));
		assert_int_equal(back, a);
	}
}

static void unknown_names_are_none(void **state)
{
	static const char *const others[] = { "", "none", "ML-DSA-65", "HS256", "es256", "ES256 ", "RS384", "PS256", "ES256K" };
	enum sig_alg alg = SIG__MAX;
	enum key_type type = KEY__MAX;

	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_false(sig_alg_from_jose(bytes_str(others[i]), &alg));
	assert_false(sig_alg_from_jose(BYTES_NONE, &alg));
	assert_false(key_type_from_name(BYTES_LIT("dsa"), &type));
	assert_false(sig_alg_from_der(BYTES_LIT("\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), &alg)); /* no NULL */
	assert_int_equal(alg, SIG__MAX);
	assert_int_equal(type, KEY__MAX);
}

static void generated_keys_know_themselves(void **state)
{
	static const unsigned bits[KEY__MAX] = { [KEY_EC_P256] = 256,
		[KEY_EC_P384] = 384,
		[KEY_RSA] = 2048,
		[KEY_ED25519] = 256,
		[KEY_ML_DSA_44] = 1312 * 8,
		[KEY_ML_DSA_65] = 1952 * 8,
		[KEY_ML_DSA_87] = 2592 * 8 };
	static const enum sig_alg algs[KEY__MAX] = { [KEY_EC_P256] = SIG_ES256,
		[KEY_EC_P384] = SIG_ES384,
		[KEY_RSA] = SIG_RS256,
		[KEY_ED25519] = SIG_EDDSA,
		[KEY_ML_DSA_44] = SIG_ML_DSA_44,
		[KEY_ML_DSA_65] = SIG_ML_DSA_65,
		[KEY_ML_DSA_87] = SIG_ML_DSA_87 };

	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		assert_int_equal(key_type(keys[t]), t);
		assert_int_equal(key_bits(keys[t]), bits[t]);
		assert_int_equal(key_sig_alg(keys[t]), algs[t]);
		assert_true(key_is_private(keys[t]));
	}
}

static void generate_refuses_odd_rsa_sizes(void **state)
{
	static const unsigned sizes[] = { 0, 1024, 2047, 2049, 4097, 4104, 16384 };
	struct key *k = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		assert_int_equal(key_generate(KEY_RSA, sizes[i], &k, NULL), ERR_CONFIG);
	assert_null(k);
}

/* What libcrypto writes for the same key, and reads from what we write. */
static void spki_is_what_openssl_writes(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		struct bytes spki = key_spki(keys[t]);
		const unsigned char *p = spki.ptr;
		unsigned char *der = NULL;
		EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, (long)spki.len);
		assert_non_null(pkey);
		assert_ptr_equal(p, spki.ptr + spki.len);
		assert_true(spki.len <= KEY_SPKI_SIZE_MAX);
		int len = i2d_PUBKEY(pkey, &der);
		assert_int_equal(len, spki.len);
		assert_memory_equal(der, spki.ptr, spki.len);
		OPENSSL_free(der);
		EVP_PKEY_free(pkey);
	}
}

static void spki_goes_both_ways(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		struct key *k CLEANUP(key_free_p) = NULL;
		struct bytes first, second, first_back, second_back;
		assert_int_equal(key_from_spki(key_spki(keys[t]), &k, NULL), ERR_OK);
		assert_true(bytes_eq(key_spki(k), key_spki(keys[t])));
		assert_int_equal(key_type(k), t);
		assert_int_equal(key_bits(k), key_bits(keys[t]));
		assert_false(key_is_private(k));
		key_parts(keys[t], &first, &second);
		key_parts(k, &first_back, &second_back);
		assert_true(bytes_eq(first, first_back));
		assert_true(bytes_eq(second, second_back));
		assert_int_equal(second.ptr == NULL, t >= KEY_ED25519);
	}
}

static void spki_refuses_what_is_cut_or_longer(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		struct bytes spki = key_spki(keys[t]);
		struct key *k = NULL;
		uint8_t longer[KEY_SPKI_SIZE_MAX + 1] = { 0 };
		for (size_t n = 0; n < spki.len; n++)
			assert_int_equal(key_from_spki(bytes_slice(spki, 0, n), &k, NULL), ERR_BAD_PUBLIC_KEY);
		memcpy(longer, spki.ptr, spki.len);
		assert_int_equal(key_from_spki((struct bytes){ longer, spki.len + 1 }, &k, NULL), ERR_BAD_PUBLIC_KEY);
		assert_null(k);
	}
}

/* Whatever byte changes: refused, or the canonical encoding of another key. */
static void spki_takes_canonical_encodings_alone(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX && key_type_here((enum key_type)t); t++) {
		struct bytes spki = key_spki(keys[t]);
		for (size_t i = 0; i < spki.len; i++) {
			struct key *k CLEANUP(key_free_p) = NULL;
			uint8_t other[KEY_SPKI_SIZE_MAX];
			struct bytes der = { other, spki.len };
			memcpy(other, spki.ptr, spki.len);
			other[i] ^= 0x81;
			enum err_code rc = key_from_spki(der, &k, NULL);
			assert_true(rc == ERR_BAD_PUBLIC_KEY || rc == ERR_OK);
			if (rc == ERR_OK)
				assert_true(bytes_eq(key_spki(k), der));
		}
	}
}

static void spki_refuses_other_algorithms(void **state)
{
	static const char *const hex[] = {
		/* RSA without the NULL, RSASSA-PSS, P-521, Ed448, compressed P-256 point, point at infinity */
		"301a300b06092a864886f70d010101030b003008020103020301 0001",
		"3059301306072a8648ce3d020106082b8104002300000003420004",
		"3043300506032b6571033a00",
		"3039301306072a8648ce3d020106082a8648ce3d030107032200036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
		"3019301306072a8648ce3d020106082a8648ce3d030107030200 00",
	};
	struct key *k = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof hex / sizeof hex[0]; i++) {
		char digits[256];
		uint8_t der[128];
		size_t n = 0;
		for (const char *p = hex[i]; *p; p++)
			if (*p != ' ')
				digits[n++] = *p;
		assert_int_equal(hex_decode((struct bytes){ (const uint8_t *)digits, n }, der, n / 2, NULL), ERR_OK);
		assert_int_equal(key_from_spki((struct bytes){ der, n / 2 }, &k, NULL), ERR_BAD_PUBLIC_KEY);
	}
	assert_null(k);
}

static void ec_refuses_what_is_no_point(void **state)
{
	static const enum key_type types[] = { KEY_EC_P256, KEY_EC_P384 };
	struct key *k = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct bytes x, y;
		uint8_t other[49] = { 0 };
		key_parts(keys[types[i]], &x, &y);
		memcpy(other, y.ptr, y.len);
		other[y.len - 1] ^= 1;
		assert_int_equal(key_from_ec(types[i], x, (struct bytes){ other, y.len }, &k, &e), ERR_BAD_PUBLIC_KEY);
		assert_non_null(strstr(e.detail, "not on the curve"));
		/* x above the field's prime; zeros, which is how some write infinity */
		memset(other, 0xff, sizeof other);
		assert_int_equal(key_from_ec(types[i], (struct bytes){ other, x.len }, y, &k, NULL), ERR_BAD_PUBLIC_KEY);
		memset(other, 0, sizeof other);
		struct bytes zero = { other, x.len };
		assert_int_equal(key_from_ec(types[i], zero, zero, &k, NULL), ERR_BAD_PUBLIC_KEY);
		/* widths */
		assert_int_equal(key_from_ec(types[i], bytes_slice(x, 1, x.len), y, &k, NULL), ERR_BAD_PUBLIC_KEY);
		assert_int_equal(key_from_ec(types[i], x, BYTES_NONE, &k, NULL), ERR_BAD_PUBLIC_KEY);
		assert_int_equal(key_from_ec(types[i], x, (struct bytes){ other, x.len + 1 }, &k, NULL), ERR_BAD_PUBLIC_KEY);
	}
	assert_null(k);
}

/* The same point is on one curve alone. */
static void ec_refuses_the_other_curves_point(void **state)
{
	struct bytes x, y;
	struct key *k = NULL;

	(void)state;
	key_parts(keys[KEY_EC_P256], &x, &y);
	assert_int_equal(key_from_ec(KEY_EC_P384, x, y, &k, NULL), ERR_BAD_PUBLIC_KEY);
	assert_null(k);
}

static enum err_code try_rsa(size_t n_len, uint8_t top, uint8_t low, const char *exponent_hex)
{
	struct key *k CLEANUP(key_free_p) = NULL;
	uint8_t n[2048], exponent[64];
	size_t e_len = strlen(exponent_hex) / 2;

	memset(n, 0x5b, sizeof n);
	n[0] = top;
	n[n_len - 1] = low;
	if (hex_decode(bytes_str(exponent_hex), exponent, e_len, NULL) != ERR_OK)
		return ERR_BUG;
	enum err_code rc = key_from_rsa((struct bytes){ n, n_len }, (struct bytes){ exponent, e_len }, &k, NULL);
	return rc == ERR_OK && key_bits(k) != n_len * 8 ? ERR_BUG : rc;
}

static void rsa_sizes_are_looked_at(void **state)
{
	(void)state;
	assert_int_equal(try_rsa(256, 0x80, 1, "010001"), ERR_OK);
	assert_int_equal(try_rsa(257, 0x80, 1, "010001"), ERR_OK);
	assert_int_equal(try_rsa(512, 0xff, 1, "010001"), ERR_OK);
	assert_int_equal(try_rsa(255, 0xff, 1, "010001"), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(try_rsa(513, 0x80, 1, "010001"), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(try_rsa(2048, 0x80, 1, "010001"), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(try_rsa(256, 0x7f, 1, "010001"), ERR_BAD_PUBLIC_KEY); /* 2047 bits */
	assert_int_equal(try_rsa(257, 0x00, 1, "010001"), ERR_BAD_PUBLIC_KEY); /* leading zero */
	assert_int_equal(try_rsa(256, 0x80, 2, "010001"), ERR_BAD_PUBLIC_KEY); /* even */
}

static void rsa_exponents_are_looked_at(void **state)
{
	(void)state;
	assert_int_equal(try_rsa(256, 0x80, 1, "ffffffffffffffff"), ERR_OK);
	assert_int_equal(try_rsa(512, 0x80, 1, "ffffffffffffffff"), ERR_OK);
	assert_int_equal(try_rsa(256, 0x80, 1, "010000000000000001"), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(try_rsa(256, 0x80, 1, "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(try_rsa(256, 0x80, 1, "03"), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(try_rsa(256, 0x80, 1, "ffff"), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(try_rsa(256, 0x80, 1, "010002"), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(try_rsa(256, 0x80, 1, "00010001"), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(try_rsa(256, 0x80, 1, ""), ERR_BAD_PUBLIC_KEY);
}

/* The largest that is allowed fits what the header promises, and reads back. */
static void largest_spki_fits(void **state)
{
	struct key *k CLEANUP(key_free_p) = NULL, *back CLEANUP(key_free_p) = NULL;
	uint8_t n[KEY_RSA_BITS_MAX / 8], exponent[8];

	(void)state;
	memset(n, 0xff, sizeof n);
	memset(exponent, 0xff, sizeof exponent);
	assert_int_equal(key_from_rsa(BYTES_ARRAY(n), BYTES_ARRAY(exponent), &k, NULL), ERR_OK);
	assert_true(key_spki(k).len <= KEY_SPKI_SIZE_MAX);
	assert_int_equal(key_from_spki(key_spki(k), &back, NULL), ERR_OK);
	assert_true(bytes_eq(key_spki(k), key_spki(back)));
}

static void ed25519_refuses_small_order(void **state)
{
	static const char *const hex[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	uint8_t x[33] = { 0 };
	struct key *k = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof hex / sizeof hex[0]; i++) {
		assert_int_equal(hex_decode(bytes_str(hex[i]), x, 32, NULL), ERR_OK);
		assert_int_equal(key_from_raw(KEY_ED25519, (struct bytes){ x, 32 }, &k, NULL), ERR_BAD_PUBLIC_KEY);
	}
	x[0] = 9;
	assert_int_equal(key_from_raw(KEY_ED25519, (struct bytes){ x, 31 }, &k, NULL), ERR_BAD_PUBLIC_KEY);
	assert_int_equal(key_from_raw(KEY_ED25519, (struct bytes){ x, 33 }, &k, NULL), ERR_BAD_PUBLIC_KEY);
	assert_null(k);
}

/* The reason for the refusal: with the identity as the key, R = [S]B verifies for every message. */
static void small_order_would_verify_anything(void **state)
{
	uint8_t identity[32] = { 1 }, sig[64] = { 1 }; /* R = identity, S = 0 */
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, identity, sizeof identity);
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	(void)state;
	assert_int_equal(EVP_DigestVerifyInit_ex(c, NULL, NULL, NULL, NULL, pkey, NULL), 1);
	assert_int_equal(EVP_DigestVerify(c, sig, sizeof sig, (const uint8_t *)"anything", 8), 1);
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(pkey);
}

static void references_keep_a_key(void **state)
{
	struct key *k = NULL;

	(void)state;
	assert_int_equal(key_generate(KEY_ED25519, 0, &k, NULL), ERR_OK);
	struct key *other = key_ref(k);
	assert_ptr_equal(other, k);
	key_free(k);
	assert_int_equal(key_type(other), KEY_ED25519);
	key_free(other);
	key_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_go_both_ways),
		cmocka_unit_test(unknown_names_are_none),
		cmocka_unit_test(generated_keys_know_themselves),
		cmocka_unit_test(generate_refuses_odd_rsa_sizes),
		cmocka_unit_test(spki_is_what_openssl_writes),
		cmocka_unit_test(spki_goes_both_ways),
		cmocka_unit_test(spki_refuses_what_is_cut_or_longer),
		cmocka_unit_test(spki_takes_canonical_encodings_alone),
		cmocka_unit_test(spki_refuses_other_algorithms),
		cmocka_unit_test(ec_refuses_what_is_no_point),
		cmocka_unit_test(ec_refuses_the_other_curves_point),
		cmocka_unit_test(rsa_sizes_are_looked_at),
		cmocka_unit_test(rsa_exponents_are_looked_at),
		cmocka_unit_test(largest_spki_fits),
		cmocka_unit_test(ed25519_refuses_small_order),
		cmocka_unit_test(small_order_would_verify_anything),
		cmocka_unit_test(references_keep_a_key),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
