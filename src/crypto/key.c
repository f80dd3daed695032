#include "crypto/key_impl.h"

#include <openssl/crypto.h>
#include <openssl/rsa.h>
#include <stdlib.h>

const struct key_row key_rows[KEY__MAX] = {
#define X(code, name, kind, use, bits, signature, libcrypto, der) \
	[KEY_##code] = { (name), (libcrypto), (der), KEY_KIND_##kind, (use), (bits), (signature) },
#include "crypto/key.def"
#undef X
};

static const struct {
	const char *jose;
	enum key_type key;
	size_t digest;
} algs[SIG__MAX] = {
#define X(code, jose, key_type, digest, der) [SIG_##code] = { (jose), KEY_##key_type, (digest) },
#include "crypto/sig.def"
#undef X
};

const char *key_type_name(enum key_type t)
{
	return key_rows[t].name;
}

enum key_kind key_type_kind(enum key_type t)
{
	return key_rows[t].kind;
}

bool key_type_here(enum key_type t)
{
	return (crypto_methods()->key_types >> t & 1) != 0;
}

enum err_code key_type_check(enum key_type t, enum err_code code, struct err *e)
{
	if (key_type_here(t))
		return ERR_OK;
	return err_set(e, code, __FILE__, __LINE__, "%s keys need ML-DSA, and this OpenSSL (%s) has no ML-DSA: 3.5 or newer does",
	    key_type_name(t), OpenSSL_version(OPENSSL_VERSION_STRING));
}

uint32_t key_types_for(unsigned use)
{
	uint32_t types = 0;

	for (unsigned t = 0; t < KEY__MAX; t++)
		if (key_rows[t].use & use)
			types |= UINT32_C(1) << t;
	return types;
}

void key_types_text(uint32_t types, char out[KEY_TYPES_TEXT_SIZE])
{
	struct buf text = { .ptr = (uint8_t *)out, .cap = KEY_TYPES_TEXT_SIZE - 1, .max = KEY_TYPES_TEXT_SIZE - 1 };
	uint32_t left = types & KEY_TYPES_ALL;

	for (unsigned t = 0; left; t++) {
		if (!(left >> t & 1))
			continue;
		left &= ~(UINT32_C(1) << t);
		if (text.len > 0)
			buf_add_str(&text, left ? ", " : " and ");
		buf_add_str(&text, key_rows[t].name);
	}
	out[text.len] = '\0';
}

enum err_code key_type_for_certificates(struct bytes name, enum key_type *ret, struct err *e)
{
	char allowed[KEY_TYPES_TEXT_SIZE];
	enum key_type t = KEY__MAX;

	if (!key_type_from_name(name, &t) || !(key_rows[t].use & KEY_FOR_CERTIFICATES)) {
		key_types_text(key_types_for(KEY_FOR_CERTIFICATES), allowed);
		FAIL(e, CONFIG, "%s are allowed", allowed);
	}
	TRY(key_type_check(t, ERR_CONFIG, e));
	*ret = t;
	return ERR_OK;
}

bool key_type_from_name(struct bytes name, enum key_type *ret)
{
	for (unsigned t = 0; t < KEY__MAX; t++) {
		if (bytes_eq_str(name, key_rows[t].name)) {
			*ret = (enum key_type)t;
			return true;
		}
	}
	return false;
}

const char *sig_alg_jose(enum sig_alg a)
{
	return algs[a].jose;
}

size_t sig_alg_size(enum sig_alg a)
{
	return key_rows[algs[a].key].signature;
}

size_t sig_alg_digest_size(enum sig_alg a)
{
	return algs[a].digest;
}

enum sig_alg key_type_sig_alg(enum key_type t)
{
	for (unsigned a = 0; a < SIG__MAX; a++)
		if (algs[a].key == t)
			return (enum sig_alg)a;
	crypto_die("a key type without an algorithm in sig.def");
}

bool sig_alg_from_jose(struct bytes name, enum sig_alg *ret)
{
	for (unsigned a = 0; a < SIG__MAX; a++) {
		if (algs[a].jose && bytes_eq_str(name, algs[a].jose)) {
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
	return key_rows[t].bits / 8;
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
	return key_type_sig_alg(k->type);
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
	if (key_type_kind(k->type) == KEY_KIND_RAW)
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
	k->bits = t == KEY_RSA ? (unsigned)first.len * 8 : key_rows[t].bits;
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
