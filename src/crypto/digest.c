#include "crypto/digest.h"

#include "crypto/methods.h"

#include <openssl/crypto.h>
#include <stdlib.h>

/* A context for each call costs 0.02 µs more than one kept for each thread, and leaves nothing to free at a thread's end. */
static void digest(const EVP_MD *md, const struct bytes *parts, size_t n, uint8_t *out)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestInit_ex2(c, md, NULL) == 1;

	for (size_t i = 0; i < n && ok; i++)
		ok = EVP_DigestUpdate(c, parts[i].ptr, parts[i].len) == 1;
	if (!ok || EVP_DigestFinal_ex(c, out, NULL) != 1)
		crypto_die("digest");
	EVP_MD_CTX_free(c);
}

void sha1(const struct bytes *parts, size_t n, uint8_t out[SHA1_SIZE])
{
	digest(crypto_methods()->sha1, parts, n, out);
}

void sha1_for_look_up(struct bytes in, uint8_t out[SHA1_SIZE])
{
	sha1(&in, 1, out);
}

void sha256(const struct bytes *parts, size_t n, uint8_t out[SHA256_SIZE])
{
	digest(crypto_methods()->sha256, parts, n, out);
}

void sha256_one(struct bytes in, uint8_t out[SHA256_SIZE])
{
	digest(crypto_methods()->sha256, &in, 1, out);
}

void sha384_one(struct bytes in, uint8_t out[SHA384_SIZE])
{
	digest(crypto_methods()->sha384, &in, 1, out);
}

static const struct {
	const char *jose;
	size_t size;
} macs[MAC__MAX] = {
#define X(code, jose, digest, size) [MAC_##code] = { jose, size },
#include "crypto/mac.def"
#undef X
};

size_t mac_size(enum mac_alg alg)
{
	return macs[alg].size;
}

const char *mac_alg_jose(enum mac_alg alg)
{
	return macs[alg].jose;
}

bool mac_alg_from_jose(struct bytes name, enum mac_alg *ret)
{
	for (unsigned i = 0; i < MAC__MAX; i++)
		if (bytes_eq_str(name, macs[i].jose)) {
			*ret = (enum mac_alg)i;
			return true;
		}
	return false;
}

static void mac(enum mac_alg alg, struct bytes key, const struct bytes *parts, size_t n, uint8_t *out)
{
	EVP_MAC_CTX *c = EVP_MAC_CTX_dup(crypto_methods()->hmac[alg]);
	size_t len = 0;
	/* An empty key would mean "the key of before" to EVP_MAC_init(). */
	bool ok = c && key.len > 0 && EVP_MAC_init(c, key.ptr, key.len, NULL) == 1;

	for (size_t i = 0; i < n && ok; i++)
		ok = EVP_MAC_update(c, parts[i].ptr, parts[i].len) == 1;
	if (!ok || EVP_MAC_final(c, out, &len, mac_size(alg)) != 1 || len != mac_size(alg))
		crypto_die("HMAC");
	EVP_MAC_CTX_free(c);
}

void hmac(enum mac_alg alg, struct bytes key, const struct bytes *parts, size_t n, uint8_t out[MAC_SIZE_MAX])
{
	mac(alg, key, parts, n, out);
}

void hmac_sha256(struct bytes key, const struct bytes *parts, size_t n, uint8_t out[SHA256_SIZE])
{
	mac(MAC_HS256, key, parts, n, out);
}

bool crypto_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0;
}

void crypto_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}

struct block_cipher {
	EVP_CIPHER_CTX *encrypt, *decrypt;
};

enum err_code block_cipher_new(const uint8_t key[16], struct block_cipher **ret, struct err *e)
{
	struct block_cipher *c CLEANUP(block_cipher_free_p) = calloc(1, sizeof *c);
	const EVP_CIPHER *aes = crypto_methods()->aes_block;

	if (!c)
		FAIL(e, NOMEM, "no memory for a cipher");
	c->encrypt = EVP_CIPHER_CTX_new();
	c->decrypt = EVP_CIPHER_CTX_new();
	if (!c->encrypt || !c->decrypt || EVP_EncryptInit_ex2(c->encrypt, aes, key, NULL, NULL) != 1 ||
	    EVP_DecryptInit_ex2(c->decrypt, aes, key, NULL, NULL) != 1 || EVP_CIPHER_CTX_set_padding(c->encrypt, 0) != 1 ||
	    EVP_CIPHER_CTX_set_padding(c->decrypt, 0) != 1)
		return CRYPTO_ERR(e, "AES-128");
	*ret = TAKE(c);
	return ERR_OK;
}

void block_cipher_free(struct block_cipher *c)
{
	if (!c)
		return;
	EVP_CIPHER_CTX_free(c->encrypt);
	EVP_CIPHER_CTX_free(c->decrypt);
	free(c);
}

void block_cipher_encrypt(struct block_cipher *c, const uint8_t in[16], uint8_t out[16])
{
	int n = 0;

	if (EVP_EncryptUpdate(c->encrypt, out, &n, in, 16) != 1 || n != 16)
		crypto_die("AES-128");
}

void block_cipher_decrypt(struct block_cipher *c, const uint8_t in[16], uint8_t out[16])
{
	int n = 0;

	if (EVP_DecryptUpdate(c->decrypt, out, &n, in, 16) != 1 || n != 16)
		crypto_die("AES-128");
}
