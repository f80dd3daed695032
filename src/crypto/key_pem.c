/* Private keys as PEM. Reading and writing a private key is rare, so libcrypto does it. */
#include "crypto/key_private.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>

/* Far above an RSA key of 4096 bits with its text form before it. */
#define PEM_SIZE_MAX 65536

DEFINE_CLEANUP(BIO *, BIO_free_all);
DEFINE_CLEANUP(PKCS8_PRIV_KEY_INFO *, PKCS8_PRIV_KEY_INFO_free);
DEFINE_CLEANUP(X509_SIG *, X509_SIG_free);

/* Without a callback libcrypto would ask at the terminal. */
struct passphrase {
	struct bytes text;
	bool asked;
};
static int give_passphrase(char *out, int size, int writing, void *ctx)
{
	struct passphrase *p = ctx;

	(void)writing;
	p->asked = true;
	if (p->text.len == 0 || p->text.len > (size_t)size)
		return -1;
	memcpy(out, p->text.ptr, p->text.len);
	return (int)p->text.len;
}

/* The text from the first private key on: what stands before it may be the "EC PARAMETERS" that OpenSSL's tools write. */
static struct bytes find_private_key(struct bytes pem)
{
	static const char *const armour[] = {
		"-----BEGIN PRIVATE KEY-----",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----",
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
	return key_private_from_pem_with(pem, BYTES_LIT(""), ret, e);
}

enum err_code key_private_from_pem_with(struct bytes pem, struct bytes passphrase, struct key **ret, struct err *e)
{
	struct passphrase given = { .text = passphrase };
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
	pkey = PEM_read_bio_PrivateKey_ex(bio, NULL, give_passphrase, &given, NULL, NULL);
	if (!pkey) {
		if (crypto_failed_for_memory())
			FAIL(e, NOMEM, "no memory for a key");
		if (given.asked && passphrase.len == 0)
			FAIL(e, UNAUTHORIZED, "the private key is encrypted, and there is no passphrase for it");
		if (given.asked)
			FAIL(e, UNAUTHORIZED, "the passphrase does not open the private key");
		FAIL(e, MALFORMED, "the private key cannot be read: damaged or of a kind that is not known");
	}
	ERR_clear_error(); /* the decoders that were tried in vain */
	return key_adopt(&pkey, ret, e);
}

enum err_code key_private_to_pem(const struct key *k, struct buf *out, struct err *e)
{
	return key_private_to_pem_with(k, BYTES_LIT(""), out, e);
}

/* scrypt with N = 2^14, r = 8, p = 4: what libcrypto reads without being told more; 16 MiB and a tenth of a second for each guess. */
#define SCRYPT_N (UINT64_C(1) << 14)
static bool write_encrypted(BIO *bio, const struct key *k, struct bytes passphrase)
{
	PKCS8_PRIV_KEY_INFO *plain CLEANUP(PKCS8_PRIV_KEY_INFO_free_p) = EVP_PKEY2PKCS8(k->pkey);
	X509_ALGOR *pbe = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 0, NULL, SCRYPT_N, 8, 4);
	X509_SIG *sealed CLEANUP(X509_SIG_free_p) = NULL;

	if (plain && pbe)
		sealed = PKCS8_set0_pbe((const char *)passphrase.ptr, (int)passphrase.len, plain, pbe);
	if (!sealed)
		X509_ALGOR_free(pbe); /* else it is the sealed one's */
	return sealed && PEM_write_bio_PKCS8(bio, sealed) == 1;
}

enum err_code key_private_to_pem_with(const struct key *k, struct bytes passphrase, struct buf *out, struct err *e)
{
	/* A memory BIO wipes what it gives back. */
	BIO *bio CLEANUP(BIO_free_all_p) = BIO_new(BIO_s_mem());
	char *text = NULL;

	if (!k->is_private || !out->secret)
		FAIL(e, BUG, "key_private_to_pem: a public key, or a buffer that is not a secret one");
	if (passphrase.len > KEY_PASSPHRASE_MAX)
		FAIL(e, CONFIG, "a passphrase has at most %d bytes", KEY_PASSPHRASE_MAX);
	bool written = bio && (passphrase.len > 0 ? write_encrypted(bio, k, passphrase)
						  : PEM_write_bio_PKCS8PrivateKey(bio, k->pkey, NULL, NULL, 0, NULL, NULL) == 1);
	if (!written)
		return CRYPTO_ERR(e, "a private key cannot be written");
	long len = BIO_get_mem_data(bio, &text);
	buf_add(out, (struct bytes){ (const uint8_t *)text, (size_t)len });
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no room for a private key's PEM");
	return ERR_OK;
}
