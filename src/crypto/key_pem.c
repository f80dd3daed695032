/* Private keys as PEM. Reading and writing a private key is rare, so libcrypto does it. */
#include "crypto/key_private.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

/* Far above an RSA key of 4096 bits with its text form before it. */
#define PEM_SIZE_MAX 65536

DEFINE_CLEANUP(BIO *, BIO_free_all);

/* Without a callback libcrypto would ask at the terminal. */
static int no_passphrase(char *out, int size, int writing, void *ctx)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

/* The text from the first private key on: what stands before it may be the "EC PARAMETERS" that OpenSSL's tools write. */
static struct bytes find_private_key(struct bytes pem)
{
	static const char *const armour[] = {
		"-----BEGIN PRIVATE KEY-----",
		"-----BEGIN EC PRIVATE KEY-----",
		"-----BEGIN RSA PRIVATE KEY-----",
	};
	struct bytes best = BYTES_NONE;

	if (!pem.ptr)
		return BYTES_NONE;
	for (size_t i = 0; i < sizeof armour / sizeof armour[0]; i++) {
		const uint8_t *at = memmem(pem.ptr, pem.len, armour[i], strlen(armour[i]));
		if (at && (!best.ptr || at < best.ptr))
			best = (struct bytes){ at, pem.len - (size_t)(at - pem.ptr) };
	}
	return best;
}

enum err_code key_private_from_pem(struct bytes pem, struct key **ret, struct err *e)
{
	EVP_PKEY *pkey CLEANUP(EVP_PKEY_free_p) = NULL;
	BIO *bio CLEANUP(BIO_free_all_p) = NULL;

	if (pem.len > PEM_SIZE_MAX)
		FAIL(e, MALFORMED, "a private key's PEM of more than %d bytes", PEM_SIZE_MAX);
	struct bytes text = find_private_key(pem);
	if (!text.ptr)
		FAIL(e, MALFORMED, "there is no PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY in PEM");
	bio = BIO_new_mem_buf(text.ptr, (int)text.len);
	if (!bio)
		return CRYPTO_ERR(e, "a private key cannot be read");
	pkey = PEM_read_bio_PrivateKey_ex(bio, NULL, no_passphrase, NULL, NULL, NULL);
	if (!pkey) {
		if (crypto_failed_for_memory())
			FAIL(e, NOMEM, "no memory for a key");
		FAIL(e, MALFORMED, "the private key cannot be read: damaged, encrypted or of a kind that is not known");
	}
	ERR_clear_error(); /* the decoders that were tried in vain */
	return key_adopt(&pkey, ret, e);
}

enum err_code key_private_to_pem(const struct key *k, struct buf *out, struct err *e)
{
	/* A memory BIO wipes what it gives back. */
	BIO *bio CLEANUP(BIO_free_all_p) = BIO_new(BIO_s_mem());
	char *text = NULL;

	if (!k->is_private || !out->secret)
		FAIL(e, BUG, "key_private_to_pem: a public key, or a buffer that is not a secret one");
	if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, k->pkey, NULL, NULL, 0, NULL, NULL) != 1)
		return CRYPTO_ERR(e, "a private key cannot be written");
	long len = BIO_get_mem_data(bio, &text);
	buf_add(out, (struct bytes){ (const uint8_t *)text, (size_t)len });
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no room for a private key's PEM");
	return ERR_OK;
}
