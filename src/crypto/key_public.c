/* Public keys from raw parts. */
#include "crypto/key_impl.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <string.h>

DEFINE_CLEANUP(BIGNUM *, BN_free);
DEFINE_CLEANUP(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free);
DEFINE_CLEANUP(OSSL_PARAM *, OSSL_PARAM_free);

/* Bytes of an exponent. The Baseline Requirements §6.1.6 let it be as large as 2^256-1; each bit is a squaring for whoever verifies, and
 * libcrypto itself refuses more than 64 with a modulus of more than 3072 bits. Nobody uses more than 32. */
#define EXPONENT_MIN 3 /* 65537 is the least odd number of as many */
#define EXPONENT_MAX 8

enum err_code key_from_ec(enum key_type t, struct bytes x, struct bytes y, struct key **ret, struct err *e)
{
	uint8_t point[1 + 2 * 48] = { 0x04 };
	EVP_PKEY *pkey CLEANUP(EVP_PKEY_free_p) = NULL;

	if (key_type_kind(t) != KEY_KIND_EC)
		FAIL(e, BUG, "key_from_ec: not an EC type");
	size_t width = key_width(t);
	if (x.len != width || y.len != width)
		FAIL(e, BAD_PUBLIC_KEY, "the coordinates of a %s key take %zu bytes each", key_type_name(t), width);
	memcpy(point + 1, x.ptr, width);
	memcpy(point + 1 + width, y.ptr, width);

	/* Copied parameters and a raw point: 5 µs on OpenSSL 3.0. It is here that libcrypto looks whether both coordinates are
	 * below the field's prime and whether the point is on the curve; with a cofactor of 1 that is full validation
	 * (NIST SP 800-56A §5.6.2.3.3). The leading 04 leaves no way to write the point at infinity. */
	pkey = EVP_PKEY_new();
	if (!pkey || EVP_PKEY_copy_parameters(pkey, crypto_methods()->ec_params[t]) != 1)
		return CRYPTO_ERR(e, "an EC key");
	if (EVP_PKEY_set1_encoded_public_key(pkey, point, 1 + 2 * width) != 1) {
		if (crypto_failed_for_memory())
			FAIL(e, NOMEM, "no memory for a key");
		FAIL(e, BAD_PUBLIC_KEY, "the point is not on the curve of %s", key_type_name(t));
	}
	return key_wrap(t, &pkey, x, y, false, ret, e);
}

static enum err_code check_rsa(struct bytes n, struct bytes exponent, struct err *e)
{
	/* Without leading zeros the size is known before any arithmetic. The set top bit makes it a multiple of 8. */
	if (n.len == 0 || n.ptr[0] == 0 || exponent.len == 0 || exponent.ptr[0] == 0)
		FAIL(e, BAD_PUBLIC_KEY, "the RSA modulus and exponent must be positive and without leading zeros");
	if (n.len < KEY_RSA_BITS_MIN / 8 || n.len > KEY_RSA_BITS_MAX / 8)
		FAIL(e, BAD_PUBLIC_KEY, "an RSA modulus must have %d to %d bits", KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX);
	if ((n.ptr[0] & 0x80) == 0)
		FAIL(e, BAD_PUBLIC_KEY, "the bits of an RSA modulus must be %d to %d and a multiple of 8", KEY_RSA_BITS_MIN,
		    KEY_RSA_BITS_MAX);
	if ((n.ptr[n.len - 1] & 1) == 0)
		FAIL(e, BAD_PUBLIC_KEY, "the RSA modulus is even");
	if (exponent.len < EXPONENT_MIN || exponent.len > EXPONENT_MAX)
		FAIL(e, BAD_PUBLIC_KEY, "an RSA exponent must be 65537 to 2^64-1");
	if ((exponent.ptr[exponent.len - 1] & 1) == 0)
		FAIL(e, BAD_PUBLIC_KEY, "the RSA exponent is even");
	return ERR_OK;
}

static EVP_PKEY *rsa_from(const BIGNUM *n, const BIGNUM *exponent)
{
	OSSL_PARAM_BLD *build CLEANUP(OSSL_PARAM_BLD_free_p) = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *c CLEANUP(EVP_PKEY_CTX_free_p) = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params CLEANUP(OSSL_PARAM_free_p) = NULL;
	EVP_PKEY *pkey = NULL;

	if (!build || !c || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) != 1)
		return NULL;
	params = OSSL_PARAM_BLD_to_param(build);
	if (!params || EVP_PKEY_fromdata_init(c) != 1 || EVP_PKEY_fromdata(c, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return NULL;
	return pkey;
}

enum err_code key_from_rsa(struct bytes n, struct bytes exponent, struct key **ret, struct err *e)
{
	TRY(check_rsa(n, exponent, e));
	BIGNUM *bn_n CLEANUP(BN_free_p) = BN_bin2bn(n.ptr, (int)n.len, NULL);
	BIGNUM *bn_e CLEANUP(BN_free_p) = BN_bin2bn(exponent.ptr, (int)exponent.len, NULL);
	EVP_PKEY *pkey CLEANUP(EVP_PKEY_free_p) = bn_n && bn_e ? rsa_from(bn_n, bn_e) : NULL;

	if (!pkey)
		return CRYPTO_ERR(e, "an RSA key");
	return key_wrap(KEY_RSA, &pkey, n, exponent, false, ret, e);
}

/* Points of order 1, 2, 4 and 8 (the sign bit aside): with such a key anyone can make signatures that verify. The other three,
 * 0 with p, 1 with p + 1, and p - 1, fall under the look at y's value. */
static const uint8_t small_order[][32] = {
	{ 0 },
	{ 1 },
	{ 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3,
	    0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
	{ 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c,
	    0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
};

/* y is p - 1 (order 2) or not below p = 2^255 - 19, which RFC 8032 §5.1.3 does not let decode. */
static bool ed25519_out_of_range(const uint8_t y[32])
{
	for (int i = 1; i < 31; i++)
		if (y[i] != 0xff)
			return false;
	return y[31] == 0x7f && y[0] >= 0xec;
}

static enum err_code check_ed25519(struct bytes x, struct err *e)
{
	uint8_t y[32];

	memcpy(y, x.ptr, sizeof y);
	y[31] &= 0x7f;
	if (ed25519_out_of_range(y))
		FAIL(e, BAD_PUBLIC_KEY, "the Ed25519 key is no canonical point of large order");
	for (size_t i = 0; i < sizeof small_order / sizeof small_order[0]; i++)
		if (memcmp(y, small_order[i], sizeof y) == 0)
			FAIL(e, BAD_PUBLIC_KEY, "the Ed25519 key is a point of small order");
	return ERR_OK;
}

enum err_code key_from_raw(enum key_type t, struct bytes x, struct key **ret, struct err *e)
{
	if (key_type_kind(t) != KEY_KIND_RAW)
		FAIL(e, BUG, "key_from_raw: not a raw type");
	if (x.len != key_width(t))
		FAIL(e, BAD_PUBLIC_KEY, "an %s key takes %zu bytes", key_type_name(t), key_width(t));
	if (t == KEY_ED25519)
		TRY(check_ed25519(x, e));
	TRY(key_type_check(t, ERR_BAD_PUBLIC_KEY, e));
	EVP_PKEY *pkey CLEANUP(EVP_PKEY_free_p) = EVP_PKEY_new_raw_public_key_ex(NULL, key_rows[t].libcrypto, NULL, x.ptr, x.len);

	if (!pkey)
		return CRYPTO_ERR(e, "a public key");
	return key_wrap(t, &pkey, x, BYTES_NONE, false, ret, e);
}

enum err_code key_from_parts(enum key_type t, struct bytes first, struct bytes second, struct key **ret, struct err *e)
{
	switch (key_type_kind(t)) {
	case KEY_KIND_EC:
		return key_from_ec(t, first, second, ret, e);
	case KEY_KIND_RSA:
		return key_from_rsa(first, second, ret, e);
	case KEY_KIND_RAW:
		return key_from_raw(t, first, ret, e);
	}
	FAIL(e, BUG, "an unknown key type");
}
