/* Digests, MACs and the comparison of secrets. src/crypto is the only room that touches EVP. */
#ifndef CHANCERY_CRYPTO_DIGEST_H
#define CHANCERY_CRYPTO_DIGEST_H

#include "base/err.h"

#define SHA256_SIZE  32
#define SHA384_SIZE  48
#define SHA1_SIZE    20
#define MAC_SIZE_MAX 64

enum mac_alg {
#define X(code, jose, digest, size) MAC_##code,
#include "crypto/mac.def"
#undef X
	MAC__MAX
};

/* SHA-256 over the concatenation of n parts. Does not fail (libcrypto's one-shot on a fetched, cached method). */
void sha256(const struct bytes *parts, size_t n, uint8_t out[SHA256_SIZE]);
void sha256_one(struct bytes in, uint8_t out[SHA256_SIZE]);
/* SHA-1 for names of issuers and keys that others gave (RFC 6960 §4.1.1, §4.2.1): a look-up, never anything that is signed or trusted. */
void sha1_for_look_up(struct bytes in, uint8_t out[SHA1_SIZE]);
/* The same of what comes piece by piece. */
struct sha256_run;
struct sha256_run *sha256_run_new(void) MUST_USE; /* NULL: no memory */
void sha256_run_add(struct sha256_run *r, struct bytes part);
/* The digest of what was added; afterwards it begins anew. */
void sha256_run_end(struct sha256_run *r, uint8_t out[SHA256_SIZE]);
void sha256_run_free(struct sha256_run *r);
DEFINE_CLEANUP(struct sha256_run *, sha256_run_free);
/* HMAC-SHA-256 over n parts with a key of 32 bytes or more. */
void hmac_sha256(struct bytes key, const struct bytes *parts, size_t n, uint8_t out[SHA256_SIZE]);
/* By any of mac.def; the key has mac_size() bytes or more, as the result has in out. */
void hmac(enum mac_alg alg, struct bytes key, const struct bytes *parts, size_t n, uint8_t out[MAC_SIZE_MAX]);
size_t mac_size(enum mac_alg alg);
const char *mac_alg_jose(enum mac_alg alg);
bool mac_alg_from_jose(struct bytes name, enum mac_alg *ret);
/* CRC-32C (Castagnoli), for torn writes; not for trust. */
uint32_t crc32c(uint32_t before, struct bytes in);
/* Constant-time in the content; the lengths are not secret. */
bool crypto_equal(struct bytes a, struct bytes b);
/* Overwrites memory so that the compiler keeps it. */
void crypto_wipe(void *p, size_t n);
/* Must be called once at a program's start: fetches the methods that the others use. */
void crypto_init(void);

/* One AES-128 block in both directions (stateless nonces); a context for each thread. */
struct block_cipher;
enum err_code block_cipher_new(const uint8_t key[16], struct block_cipher **ret, struct err *e) MUST_USE;
void block_cipher_free(struct block_cipher *c);
DEFINE_CLEANUP(struct block_cipher *, block_cipher_free);
void block_cipher_encrypt(struct block_cipher *c, const uint8_t in[16], uint8_t out[16]);
void block_cipher_decrypt(struct block_cipher *c, const uint8_t in[16], uint8_t out[16]);

#endif
