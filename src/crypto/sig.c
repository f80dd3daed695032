/* Signing and verifying. ECDSA and RSA get a digest that we made: on OpenSSL 3.0 that spares EVP_DigestSign's look-ups. */
#include "crypto/digest.h"
#include "crypto/key_impl.h"
#include "crypto/sig_form.h"

#include <string.h>

#define DIGEST_MAX SHA384_SIZE

static size_t digest_for(enum sig_alg alg, struct bytes message, uint8_t out[DIGEST_MAX])
{
	if (sig_alg_digest_size(alg) == SHA256_SIZE) {
		sha256_one(message, out);
		return SHA256_SIZE;
	}
	sha384_one(message, out);
	return SHA384_SIZE;
}

/* EdDSA hashes the message twice by itself (RFC 8032 §5.1.6), and ML-DSA, the pure one with an empty context (RFC 9881 §3), together with the
 * public key: there is no digest to give. */
static enum err_code sign_message(const struct key *k, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	EVP_MD_CTX *c CLEANUP(EVP_MD_CTX_free_p) = EVP_MD_CTX_new();
	size_t len = KEY_SIG_SIZE_MAX;

	if (!c || EVP_DigestSignInit_ex(c, NULL, NULL, NULL, NULL, k->pkey, NULL) != 1 ||
	    EVP_DigestSign(c, sig, &len, message.ptr, message.len) != 1)
		return CRYPTO_ERR(e, "signature");
	*ret_len = len;
	return ERR_OK;
}

static enum err_code sign_digest(const struct key *k, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	EVP_PKEY_CTX *c CLEANUP(EVP_PKEY_CTX_free_p) = EVP_PKEY_CTX_dup(k->sign);
	uint8_t digest[DIGEST_MAX];
	size_t n = digest_for(key_sig_alg(k), message, digest), len = KEY_SIG_SIZE_MAX;

	if (!c || EVP_PKEY_sign(c, sig, &len, digest, n) != 1)
		return CRYPTO_ERR(e, "signature");
	*ret_len = len;
	return ERR_OK;
}

/* A token that errs, or an answer that is another's, must not get out: what is signed stands in the log as signed. */
static enum err_code sign_elsewhere(
    const struct key *k, enum sig_form form, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	uint8_t digest[DIGEST_MAX], raw[KEY_SIG_SIZE_MAX];
	size_t n = digest_for(key_sig_alg(k), message, digest), len = 0;

	TRY(k->elsewhere(k->elsewhere_ctx, k, (struct bytes){ digest, n }, raw, &len, e));
	if (k->type == KEY_RSA || form == SIG_FORM_JOSE) {
		memcpy(sig, raw, len);
		*ret_len = len;
	} else {
		*ret_len = ecdsa_to_der((struct bytes){ raw, len }, key_width(k->type), sig);
	}
	if (*ret_len == 0 || key_verify(k, form, message, (struct bytes){ sig, *ret_len }, NULL) != ERR_OK)
		FAIL(e, CRYPTO, "a signature came that is not by this key");
	return ERR_OK;
}

enum err_code key_elsewhere(struct bytes spki, key_elsewhere_sign *sign, void *ctx, struct key **ret, struct err *e)
{
	struct key *k;

	TRY(key_from_spki(spki, &k, e));
	if (key_type_kind(k->type) == KEY_KIND_RAW) {
		key_free(k);
		FAIL(e, BUG, "keys of this type sign messages, not digests");
	}
	k->elsewhere = sign;
	k->elsewhere_ctx = ctx;
	k->is_private = true;
	*ret = k;
	return ERR_OK;
}

enum err_code key_sign(const struct key *k, enum sig_form form, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	uint8_t der[KEY_SIG_SIZE_MAX];
	size_t len = 0, width = key_width(k->type);

	if (!k->is_private)
		FAIL(e, BUG, "a public key cannot sign");
	if (k->elsewhere)
		return sign_elsewhere(k, form, message, sig, ret_len, e);
	if (key_type_kind(k->type) == KEY_KIND_RAW)
		return sign_message(k, message, sig, ret_len, e);
	if (k->type == KEY_RSA || form == SIG_FORM_X509)
		return sign_digest(k, message, sig, ret_len, e);
	TRY(sign_digest(k, message, der, &len, e));
	if (!ecdsa_from_der((struct bytes){ der, len }, width, sig))
		FAIL(e, CRYPTO, "libcrypto's ECDSA signature is not DER");
	*ret_len = 2 * width;
	return ERR_OK;
}

/* One for a good signature; else it says whose fault it was. */
static enum err_code verdict(int verified, struct err *e)
{
	if (verified == 1)
		return ERR_OK;
	if (crypto_failed_for_memory())
		FAIL(e, NOMEM, "no memory to verify a signature");
	FAIL(e, UNAUTHORIZED, "the signature is not by this key");
}

static enum err_code verify_message(const struct key *k, struct bytes message, struct bytes sig, struct err *e)
{
	EVP_MD_CTX *c CLEANUP(EVP_MD_CTX_free_p) = EVP_MD_CTX_new();
	size_t size = key_rows[k->type].signature;

	if (sig.len != size)
		FAIL(e, MALFORMED, "a signature by an %s key takes %zu bytes, not %zu", key_type_name(k->type), size, sig.len);
	if (!c || EVP_DigestVerifyInit_ex(c, NULL, NULL, NULL, NULL, k->pkey, NULL) != 1)
		return CRYPTO_ERR(e, "verification");
	return verdict(EVP_DigestVerify(c, sig.ptr, sig.len, message.ptr, message.len), e);
}

static enum err_code verify_digest(const struct key *k, enum sig_alg alg, struct bytes message, struct bytes sig, struct err *e)
{
	EVP_PKEY_CTX *c CLEANUP(EVP_PKEY_CTX_free_p) = EVP_PKEY_CTX_dup(k->verify);
	uint8_t digest[DIGEST_MAX];
	size_t n = digest_for(alg, message, digest);

	if (!c)
		return CRYPTO_ERR(e, "verification");
	return verdict(EVP_PKEY_verify(c, sig.ptr, sig.len, digest, n), e);
}

static enum err_code verify_ecdsa(
    const struct key *k, enum sig_alg alg, enum sig_form form, struct bytes message, struct bytes sig, struct err *e)
{
	uint8_t der[ECDSA_DER_MAX];
	size_t width = key_width(k->type);

	if (form == SIG_FORM_X509) {
		if (!ecdsa_from_der(sig, width, NULL))
			FAIL(e, MALFORMED, "the signature is not the DER of two numbers of at most %zu bytes", width);
		return verify_digest(k, alg, message, sig, e);
	}
	size_t len = ecdsa_to_der(sig, width, der);
	if (len == 0)
		FAIL(e, MALFORMED, "an %s signature takes %zu bytes, not %zu", sig_alg_jose(key_sig_alg(k)), 2 * width, sig.len);
	return verify_digest(k, alg, message, (struct bytes){ der, len }, e);
}

static enum err_code verify_as(
    const struct key *k, enum sig_alg alg, enum sig_form form, struct bytes message, struct bytes sig, struct err *e)
{
	switch (key_type_kind(k->type)) {
	case KEY_KIND_EC:
		return verify_ecdsa(k, alg, form, message, sig, e);
	case KEY_KIND_RSA:
		if (sig.len != k->bits / 8)
			FAIL(e, MALFORMED, "a signature by this RSA key takes %u bytes, not %zu", k->bits / 8, sig.len);
		return verify_digest(k, alg, message, sig, e);
	case KEY_KIND_RAW:
		return verify_message(k, message, sig, e);
	}
	FAIL(e, BUG, "an unknown key type");
}

enum err_code key_verify(const struct key *k, enum sig_form form, struct bytes message, struct bytes sig, struct err *e)
{
	return verify_as(k, key_sig_alg(k), form, message, sig, e);
}

enum err_code key_verify_x509(const struct key *k, enum sig_alg alg, struct bytes message, struct bytes sig, struct err *e)
{
	bool ec = key_type_kind(k->type) == KEY_KIND_EC;

	if (alg != key_sig_alg(k) && !(ec && (alg == SIG_ES256 || alg == SIG_ES384)))
		FAIL(e, BAD_SIGNATURE_ALGORITHM, "%s keys do not sign so", key_type_name(k->type));
	return verify_as(k, alg, SIG_FORM_X509, message, sig, e);
}
