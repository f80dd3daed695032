#include "crypto/key_impl.h"

#include <openssl/rsa.h>
#include <stdlib.h>

static const char *const type_names[KEY__MAX] = {
#define X(code, name, bits) [KEY_##code] = (name),
#include "crypto/key.def"
#undef X
};

static const unsigned type_bits[KEY__MAX] = {
#define X(code, name, bits) [KEY_##code] = (bits),
#include "crypto/key.def"
#undef X
};

static const char *const alg_names[SIG__MAX] = {
#define X(code, jose, key_type, der) [SIG_##code] = (jose),
#include "crypto/sig.def"
#undef X
};

static const enum key_type alg_types[SIG__MAX] = {
#define X(code, jose, key_type, der) [SIG_##code] = KEY_##key_type,
#include "crypto/sig.def"
#undef X
};

const char *key_type_name(enum key_type t)
{
	return type_names[t];
}

bool key_type_from_name(struct bytes name, enum key_type *ret)
{
	for (unsigned t = 0; t < KEY__MAX; t++) {
		if (bytes_eq_str(name, type_names[t])) {
			*ret = (enum key_type)t;
			return true;
		}
	}
	return false;
}

const char *sig_alg_jose(enum sig_alg a)
{
	return alg_names[a];
}

bool sig_alg_from_jose(struct bytes name, enum sig_alg *ret)
{
	for (unsigned a = 0; a < SIG__MAX; a++) {
		if (bytes_eq_str(name, alg_names[a])) {
			*ret = (enum sig_alg)a;
			return true;
		}
	}
	return false;
}

struct bytes sig_alg_der(enum sig_alg a)
{
	const struct crypto_methods *m = crypto_methods();

	return (struct bytes){ m->alg_der[a], m->alg_der_len[a] };
}

bool sig_alg_from_der(struct bytes algorithm_identifier, enum sig_alg *ret)
{
	for (unsigned a = 0; a < SIG__MAX; a++) {
		if (bytes_eq(algorithm_identifier, sig_alg_der((enum sig_alg)a))) {
			*ret = (enum sig_alg)a;
			return true;
		}
	}
	return false;
}

size_t key_width(enum key_type t)
{
	return type_bits[t] / 8;
}

enum key_type key_type(const struct key *k)
{
	return k->type;
}

unsigned key_bits(const struct key *k)
{
	return k->bits;
}

enum sig_alg key_sig_alg(const struct key *k)
{
	for (unsigned a = 0; a < SIG__MAX; a++)
		if (alg_types[a] == k->type)
			return (enum sig_alg)a;
	crypto_die("a key type without an algorithm in sig.def");
}

bool key_is_private(const struct key *k)
{
	return k->is_private;
}

struct bytes key_spki(const struct key *k)
{
	return (struct bytes){ k->spki, k->spki_len };
}

void key_parts(const struct key *k, struct bytes *ret_first, struct bytes *ret_second)
{
	*ret_first = k->first;
	*ret_second = k->second;
}

/* The digest that is signed is always ours; RSA alone must know its name (PKCS #1's DigestInfo, RFC 8017 §9.2). */
static bool set_rsa_digest(EVP_PKEY_CTX *c)
{
	return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 && EVP_PKEY_CTX_set_signature_md(c, crypto_methods()->sha256) == 1;
}

static enum err_code prepare(struct key *k, struct err *e)
{
	if (k->type == KEY_ED25519)
		return ERR_OK;
	k->verify = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
	if (!k->verify || EVP_PKEY_verify_init(k->verify) != 1 || (k->type == KEY_RSA && !set_rsa_digest(k->verify)))
		return CRYPTO_ERR(e, "a key cannot be prepared to verify");
	if (!k->is_private)
		return ERR_OK;
	k->sign = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
	if (!k->sign || EVP_PKEY_sign_init(k->sign) != 1 || (k->type == KEY_RSA && !set_rsa_digest(k->sign)))
		return CRYPTO_ERR(e, "a key cannot be prepared to sign");
	return ERR_OK;
}

enum err_code key_wrap(
    enum key_type t, EVP_PKEY **pkey, struct bytes first, struct bytes second, bool is_private, struct key **ret, struct err *e)
{
	size_t size = spki_size(t, first, second);
	struct key *k CLEANUP(key_free_p) = calloc(1, sizeof *k + size);

	if (!k)
		FAIL(e, NOMEM, "no memory for a key");
	atomic_init(&k->refs, 1);
	k->type = t;
	k->bits = t == KEY_RSA ? (unsigned)first.len * 8 : type_bits[t];
	k->is_private = is_private;
	k->spki_len = size;
	spki_write(t, first, second, k->spki, &k->first, &k->second);
	k->pkey = TAKE(*pkey);
	TRY(prepare(k, e));
	*ret = TAKE(k);
	return ERR_OK;
}

struct key *key_ref(struct key *k)
{
	atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
	return k;
}

void key_free(struct key *k)
{
	if (!k || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
		return;
	EVP_PKEY_CTX_free(k->verify);
	EVP_PKEY_CTX_free(k->sign);
	EVP_PKEY_free(k->pkey);
	free(k);
}
