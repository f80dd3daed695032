/* Private keys: made here, or found in an EVP_PKEY that libcrypto has read. */
#include "crypto/key_private.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <string.h>

DEFINE_CLEANUP(BIGNUM *, BN_free);

/* The public half as it goes into key_wrap(). */
struct parts {
	uint8_t first[KEY_PART_MAX], second[KEY_PART_MAX];
	size_t first_len, second_len; /* second_len 0: absent */
};

static bool is_curve(const EVP_PKEY *pkey, const char *curve)
{
	char group[32] = "";
	int explicit_params = 0;

	if (!EVP_PKEY_is_a(pkey, "EC") || EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) != 1)
		return false;
	/* Parameters written out one by one, even a known curve's, were once a way to bring a generator of one's own. */
	if (EVP_PKEY_get_int_param(pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit_params) != 1 || explicit_params != 0)
		return false;
	return OBJ_sn2nid(group) == EC_curve_nist2nid(curve); /* "prime256v1" is NIST's P-256 */
}

static bool type_of(const EVP_PKEY *pkey, enum key_type *ret)
{
	for (unsigned t = 0; t < KEY__MAX; t++) {
		const char *name = key_rows[t].libcrypto;
		if (key_rows[t].kind == KEY_KIND_EC ? is_curve(pkey, name) : EVP_PKEY_is_a(pkey, name)) {
			*ret = (enum key_type)t;
			return true;
		}
	}
	return false;
}

/* width 0: as many bytes as the number has. */
static bool get_number(const EVP_PKEY *pkey, const char *name, size_t width, uint8_t out[KEY_PART_MAX], size_t *ret_len)
{
	BIGNUM *bn CLEANUP(BN_free_p) = NULL;

	if (EVP_PKEY_get_bn_param(pkey, name, &bn) != 1 || BN_num_bytes(bn) > KEY_PART_MAX)
		return false;
	size_t len = width ? width : (size_t)BN_num_bytes(bn);
	if (BN_bn2binpad(bn, out, (int)len) < 0)
		return false;
	*ret_len = len;
	return true;
}

static bool get_parts(const EVP_PKEY *pkey, enum key_type t, struct parts *p)
{
	p->second_len = 0;
	if (key_type_kind(t) == KEY_KIND_RAW) {
		p->first_len = sizeof p->first;
		return EVP_PKEY_get_raw_public_key(pkey, p->first, &p->first_len) == 1;
	}
	if (t == KEY_RSA)
		return get_number(pkey, OSSL_PKEY_PARAM_RSA_N, 0, p->first, &p->first_len) &&
		       get_number(pkey, OSSL_PKEY_PARAM_RSA_E, 0, p->second, &p->second_len);
	return get_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, key_width(t), p->first, &p->first_len) &&
	       get_number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, key_width(t), p->second, &p->second_len);
}

static struct bytes first_of(const struct parts *p)
{
	return (struct bytes){ p->first, p->first_len };
}

static struct bytes second_of(const struct parts *p)
{
	return p->second_len ? (struct bytes){ p->second, p->second_len } : BYTES_NONE;
}

/* A file can hold a public half that is not the private one's, and everything published would be of no use: sign once with the
 * one, verify with the other. That also sends the public half through the checks of every other public key. */
static enum err_code try_pair(const struct key *k, struct err *e)
{
	struct key *public_half CLEANUP(key_free_p) = NULL;
	uint8_t sig[KEY_SIG_SIZE_MAX];
	size_t len = 0;

	TRY(key_from_parts(k->type, k->first, k->second, &public_half, e));
	TRY(key_sign(k, SIG_FORM_JOSE, BYTES_LIT("pair"), sig, &len, e));
	if (key_verify(public_half, SIG_FORM_JOSE, BYTES_LIT("pair"), (struct bytes){ sig, len }, NULL) != ERR_OK)
		FAIL(e, BAD_PUBLIC_KEY, "the private key's public half belongs to another key");
	return ERR_OK;
}

enum err_code key_adopt(EVP_PKEY **pkey, struct key **ret, struct err *e)
{
	struct key *k CLEANUP(key_free_p) = NULL;
	enum key_type t = KEY__MAX;
	struct parts p;

	if (!type_of(*pkey, &t))
		FAIL(e, BAD_PUBLIC_KEY, "the private key is none of ECDSA P-256, P-384, RSA, Ed25519 and ML-DSA");
	if (t == KEY_RSA && (EVP_PKEY_get_bits(*pkey) < KEY_RSA_BITS_MIN || EVP_PKEY_get_bits(*pkey) > KEY_RSA_BITS_MAX))
		FAIL(e, BAD_PUBLIC_KEY, "an RSA modulus must have %d to %d bits", KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX);
	if (!get_parts(*pkey, t, &p))
		return CRYPTO_ERR(e, "a private key's public half");
	TRY(key_wrap(t, pkey, first_of(&p), second_of(&p), true, &k, e));
	TRY(try_pair(k, e));
	*ret = TAKE(k);
	return ERR_OK;
}

enum err_code key_generate(enum key_type t, unsigned rsa_bits, struct key **ret, struct err *e)
{
	EVP_PKEY *pkey CLEANUP(EVP_PKEY_free_p) = NULL;
	struct parts p;

	TRY(key_type_check(t, ERR_CONFIG, e));
	switch (key_type_kind(t)) {
	case KEY_KIND_EC:
		pkey = EVP_EC_gen(key_rows[t].libcrypto);
		break;
	case KEY_KIND_RSA:
		if (rsa_bits < KEY_RSA_BITS_MIN || rsa_bits > KEY_RSA_BITS_MAX || rsa_bits % 8 != 0)
			FAIL(e, CONFIG, "an RSA key must have %d to %d bits, a multiple of 8", KEY_RSA_BITS_MIN, KEY_RSA_BITS_MAX);
		pkey = EVP_RSA_gen(rsa_bits);
		break;
	case KEY_KIND_RAW:
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, key_rows[t].libcrypto);
		break;
	}
	if (!pkey || !get_parts(pkey, t, &p))
		return CRYPTO_ERR(e, "a key cannot be generated");
	return key_wrap(t, &pkey, first_of(&p), second_of(&p), true, ret, e);
}
