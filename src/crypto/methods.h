/* What libcrypto would otherwise look up by name on every call, fetched once. Private to this room. */
#ifndef CHANCERY_CRYPTO_METHODS_H
#define CHANCERY_CRYPTO_METHODS_H

#include "crypto/digest.h"
#include "crypto/key.h"

#include <openssl/evp.h>

struct crypto_methods {
	EVP_MD *sha1, *sha256, *sha384;
	EVP_MAC_CTX *hmac[MAC__MAX];   /* HMAC without a key: copied for each use, never used itself */
	EVP_CIPHER *aes_block;         /* AES-128-ECB */
	EVP_CIPHER *aes_gcm;           /* AES-256-GCM */
	EVP_PKEY *ec_params[KEY__MAX]; /* an EC curve's parameters without a key; NULL for the other types */
	uint32_t key_types;            /* bit: those that this libcrypto has */
	uint8_t alg_der[SIG__MAX][16]; /* sig.def's hex, decoded */
	size_t alg_der_len[SIG__MAX];
	uint8_t key_der[KEY__MAX][24]; /* key.def's */
	size_t key_der_len[KEY__MAX];
};

/* Fetches on the first call, from whichever thread; after crypto_init() it only reads. */
const struct crypto_methods *crypto_methods(void);

/* For lists that others made with it, never for trust; digest.c. */
void sha1(const struct bytes *parts, size_t n, uint8_t out[SHA1_SIZE]);
/* For ES384; digest.c. */
void sha384_one(struct bytes in, uint8_t out[SHA384_SIZE]);

/* Ends the program: for what has no failure but a broken or starved libcrypto, and no answer that would be safe to go on with. */
void crypto_die(const char *what) __attribute__((noreturn));

/* An error of ours with libcrypto's reason in the detail (NOMEM when it had no memory); empties libcrypto's error queue. */
enum err_code crypto_err(struct err *e, const char *file, int line, const char *what) MUST_USE;
#define CRYPTO_ERR(e, what) crypto_err((e), __FILE__, __LINE__, (what))

/* Empties libcrypto's queue after a failure that a peer's input may explain. True when memory was the reason instead. */
bool crypto_failed_for_memory(void);

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free);
DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free);
DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free);

#endif
