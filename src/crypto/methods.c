#include "crypto/methods.h"

#include "base/codec.h"
#include "base/event.h"
#include "crypto/digest.h"
#include "crypto/key_impl.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct crypto_methods methods;
static pthread_once_t once = PTHREAD_ONCE_INIT;

void crypto_die(const char *what)
{
	char reason[160] = "";

	ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
	event(EVENT_ERROR, "crypto.broken", EVENT_STR("what", what), EVENT_STR("reason", reason));
	abort();
}

bool crypto_failed_for_memory(void)
{
	bool memory = false;
	unsigned long code;

	/* Seldom the last one: whoever called malloc's caller adds a complaint of its own. */
	while ((code = ERR_get_error()) != 0)
		memory = memory || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
	return memory;
}

enum err_code crypto_err(struct err *e, const char *file, int line, const char *what)
{
	char reason[160] = "no reason given";
	unsigned long last = ERR_peek_last_error();

	if (last != 0)
		ERR_error_string_n(last, reason, sizeof reason);
	return err_set(e, crypto_failed_for_memory() ? ERR_NOMEM : ERR_CRYPTO, file, line, "%s: %s", what, reason);
}

static EVP_MD *fetch_digest(const char *name)
{
	EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);

	if (!md)
		crypto_die(name);
	return md;
}

static EVP_MAC_CTX *fetch_hmac(const char *name)
{
	char digest[16];
	OSSL_PARAM params[2] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end() };
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *c = mac ? EVP_MAC_CTX_new(mac) : NULL;

	(void)snprintf(digest, sizeof digest, "%s", name);
	if (!c || EVP_MAC_CTX_set_params(c, params) != 1)
		crypto_die("HMAC");
	EVP_MAC_free(mac); /* the context holds its own */
	return c;
}

static EVP_PKEY *fetch_ec_params(const char *group)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *params = NULL;

	if (!c || EVP_PKEY_paramgen_init(c) != 1 || EVP_PKEY_CTX_set_group_name(c, group) != 1 || EVP_PKEY_paramgen(c, &params) != 1)
		crypto_die(group);
	EVP_PKEY_CTX_free(c);
	return params;
}

static size_t decode(const char *hex, uint8_t *out, size_t room)
{
	size_t n = strlen(hex) / 2;

	if (n > room || hex_decode(bytes_str(hex), out, n, NULL) != ERR_OK)
		crypto_die("an AlgorithmIdentifier in key.def or sig.def");
	return n;
}

static void decode_algorithms(void)
{
	static const char *const hex[] = {
#define X(code, jose, key_type, digest, der) [SIG_##code] = (der),
#include "crypto/sig.def"
#undef X
	};

	for (size_t i = 0; i < SIG__MAX; i++)
		methods.alg_der_len[i] = decode(hex[i], methods.alg_der[i], sizeof methods.alg_der[i]);
	for (size_t t = 0; t < KEY__MAX; t++)
		methods.key_der_len[t] = decode(key_rows[t].der_hex, methods.key_der[t], sizeof methods.key_der[t]);
}

/* A curve that is missing is a broken libcrypto; a raw type that is missing, an older one. */
static bool fetch_key_type(enum key_type t)
{
	const struct key_row *row = &key_rows[t];

	if (row->kind == KEY_KIND_EC)
		methods.ec_params[t] = fetch_ec_params(row->libcrypto);
	if (row->kind != KEY_KIND_RAW)
		return true;
	EVP_KEYMGMT *have = EVP_KEYMGMT_fetch(NULL, row->libcrypto, NULL);
	if (!have)
		ERR_clear_error();
	EVP_KEYMGMT_free(have);
	return have != NULL;
}

static void fetch_all(void)
{
	methods.sha1 = fetch_digest("SHA1");
	methods.sha256 = fetch_digest("SHA256");
	methods.sha384 = fetch_digest("SHA384");
#define X(code, jose, digest, size) methods.hmac[MAC_##code] = fetch_hmac(digest);
#include "crypto/mac.def"
#undef X
	methods.aes_block = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
	if (!methods.aes_block)
		crypto_die("AES-128-ECB");
	methods.aes_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (!methods.aes_gcm)
		crypto_die("AES-256-GCM");
	for (unsigned t = 0; t < KEY__MAX; t++)
		if (fetch_key_type((enum key_type)t))
			methods.key_types |= UINT32_C(1) << t;
	decode_algorithms();
}

const struct crypto_methods *crypto_methods(void)
{
	if (pthread_once(&once, fetch_all) != 0)
		crypto_die("pthread_once");
	return &methods;
}

void crypto_init(void)
{
	(void)crypto_methods();
}
