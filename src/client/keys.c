#include "client/keys.h"

#include "base/codec.h"
#include "crypto/digest.h"
#include "jose/jwk.h"
#include "pki/der.h"

#include <stdlib.h>
#include <string.h>

#define PEM_MAX 16384

static enum chancery_result result_of(enum err_code rc)
{
	return rc == ERR_OK ? CHANCERY_OK : rc == ERR_NOMEM ? CHANCERY_NOMEM : err_is_peers(rc) ? CHANCERY_USAGE : CHANCERY_SYSTEM;
}

/* Takes the key over. */
static enum chancery_result wrap(struct key *key, chancery_sign_fn *sign, void *context, struct chancery_key **ret)
{
	struct chancery_key *k = calloc(1, sizeof *k);

	if (!k) {
		key_free(key);
		return CHANCERY_NOMEM;
	}
	*k = (struct chancery_key){ .refs = 1, .key = key, .sign = sign, .context = context };
	*ret = k;
	return CHANCERY_OK;
}

enum chancery_result chancery_key_external(
    const unsigned char *spki, size_t spki_len, chancery_sign_fn *sign, void *context, struct chancery_key **ret)
{
	struct key *key;

	crypto_init();
	if (!sign || !spki)
		return CHANCERY_USAGE;
	enum err_code rc = key_from_spki((struct bytes){ spki, spki_len }, &key, NULL);
	return rc == ERR_OK ? wrap(key, sign, context, ret) : result_of(rc);
}

enum chancery_result chancery_key_generate(enum chancery_key_type type, struct chancery_key **ret)
{
	static const struct {
		enum key_type type;
		unsigned bits;
	} kinds[] = {
		[CHANCERY_KEY_ECDSA_P256] = { KEY_EC_P256, 0 },
		[CHANCERY_KEY_ECDSA_P384] = { KEY_EC_P384, 0 },
		[CHANCERY_KEY_RSA_2048] = { KEY_RSA, 2048 },
		[CHANCERY_KEY_RSA_3072] = { KEY_RSA, 3072 },
		[CHANCERY_KEY_RSA_4096] = { KEY_RSA, 4096 },
	};
	struct key *key;

	crypto_init();
	if ((unsigned)type >= sizeof kinds / sizeof *kinds)
		return CHANCERY_USAGE;
	enum err_code rc = key_generate(kinds[type].type, kinds[type].bits, &key, NULL);
	return rc == ERR_OK ? wrap(key, NULL, NULL, ret) : result_of(rc);
}

enum chancery_result chancery_key_from_pem(const char *pem, size_t pem_len, struct chancery_key **ret)
{
	struct key *key;

	crypto_init();
	if (!pem || pem_len > PEM_MAX)
		return CHANCERY_USAGE;
	enum err_code rc = key_private_from_pem((struct bytes){ (const uint8_t *)pem, pem_len }, &key, NULL);
	return rc == ERR_OK ? wrap(key, NULL, NULL, ret) : result_of(rc);
}

enum chancery_result chancery_key_to_pem(const struct chancery_key *key, char **ret_pem, size_t *ret_len)
{
	CLEANUP(buf_free_p) struct buf out = buf_new_secret(PEM_MAX);

	if (key->sign)
		return CHANCERY_USAGE;
	enum err_code rc = key_private_to_pem(key->key, &out, NULL);
	if (rc != ERR_OK)
		return result_of(rc);
	char *copy = buf_ok(&out) ? malloc(out.len + 1) : NULL;
	if (!copy)
		return CHANCERY_NOMEM;
	memcpy(copy, out.ptr, out.len);
	copy[out.len] = 0;
	*ret_pem = copy;
	*ret_len = out.len;
	return CHANCERY_OK;
}

void chancery_secret_free(char *secret, size_t len)
{
	if (secret)
		crypto_wipe(secret, len);
	free(secret);
}

const unsigned char *chancery_key_spki(const struct chancery_key *key, size_t *ret_len)
{
	struct bytes spki = key_spki(key->key);

	*ret_len = spki.len;
	return spki.ptr;
}

void chancery_key_thumbprint(const struct chancery_key *key, char ret[CHANCERY_THUMBPRINT_SIZE])
{
	uint8_t thumbprint[THUMBPRINT_SIZE];

	jwk_thumbprint(key->key, thumbprint);
	base64url_encode(BYTES_ARRAY(thumbprint), ret);
}

struct chancery_key *keys_ref(struct chancery_key *k)
{
	k->refs++;
	return k;
}

void chancery_key_free(struct chancery_key *key)
{
	if (!key || --key->refs > 0)
		return;
	key_free(key->key);
	free(key);
}

/* Ecdsa-Sig-Value to r||s (RFC 7518 §3.4). */
static bool to_jose(struct bytes der, size_t width, uint8_t *out)
{
	struct der d = der_of(der), s = der_enter(&d, DER_SEQUENCE);
	const struct bytes parts[] = { der_get_unsigned(&s), der_get_unsigned(&s) };

	if (der_end(&s, ERR_CRYPTO, "a signature", NULL) != ERR_OK || der_end(&d, ERR_CRYPTO, "a signature", NULL) != ERR_OK)
		return false;
	memset(out, 0, 2 * width);
	for (size_t i = 0; i < 2; i++) {
		if (parts[i].len > width)
			return false;
		memcpy(out + (i + 1) * width - parts[i].len, parts[i].ptr, parts[i].len);
	}
	return true;
}

static size_t width_of(enum key_type t)
{
	return t == KEY_EC_P256 ? 32 : t == KEY_EC_P384 ? 48 : 0;
}

int keys_ask(void *arg)
{
	struct keys_signature *g = arg;

	return g->key->sign(g->key->context, g->message.ptr, g->message.len, g->given, &g->given_len);
}

enum err_code keys_take(const struct keys_signature *g, enum sig_form form, uint8_t *sig, size_t *ret_len, struct err *e)
{
	const struct chancery_key *k = g->key;
	const uint8_t *given = g->given;
	size_t len = g->given_len, width = width_of(key_type(k->key));

	if (!k->sign)
		return key_sign(k->key, form, g->message, sig, ret_len, e);
	/* Held against the public half: a signer with another key would else be a riddle in the server's answer. */
	if (len > sizeof g->given || key_verify(k->key, SIG_FORM_X509, g->message, (struct bytes){ given, len }, NULL) != ERR_OK)
		FAIL(e, CRYPTO, "the key's own signer gave what is no signature by this key");
	if (form == SIG_FORM_X509 || width == 0) {
		memcpy(sig, given, len);
		*ret_len = len;
		return ERR_OK;
	}
	if (!to_jose((struct bytes){ given, len }, width, sig))
		FAIL(e, CRYPTO, "the key's own signer gave a signature that is no DER");
	*ret_len = 2 * width;
	return ERR_OK;
}
