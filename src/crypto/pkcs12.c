#include "crypto/pkcs12.h"

#include "crypto/key_impl.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#define ITERATIONS 100000 /* of PBKDF2, and of the MAC */

static void certs_free(STACK_OF(X509) * *v)
{
	sk_X509_pop_free(*v, X509_free);
}

static void x509_free(X509 **x)
{
	X509_free(*x);
}

static void pkcs12_free(PKCS12 **p)
{
	PKCS12_free(*p);
}

static X509 *read_cert(struct bytes der)
{
	const unsigned char *p = der.ptr;

	return d2i_X509(NULL, &p, (long)der.len);
}

enum err_code pkcs12_write(
    const struct key *k, const struct bytes *der, size_t n, const char *name, const char *password, struct buf *out, struct err *e)
{
	CLEANUP(x509_free) X509 *leaf = n > 0 ? read_cert(der[0]) : NULL;
	CLEANUP(certs_free) STACK_OF(X509) *chain = sk_X509_new_null();

	if (!chain)
		FAIL(e, NOMEM, "no memory for PKCS #12");
	for (size_t i = 1; i < n; i++) {
		X509 *x = read_cert(der[i]);
		if (!x || sk_X509_push(chain, x) == 0) {
			X509_free(x);
			FAIL(e, MALFORMED, "a certificate of the chain is none");
		}
	}
	ERR_clear_error();
	if (!leaf || !k->is_private || X509_check_private_key(leaf, k->pkey) != 1)
		FAIL(e, MALFORMED, "the certificate is not of the key");
	CLEANUP(pkcs12_free)
	PKCS12 *p = PKCS12_create(password, name, k->pkey, leaf, chain, NID_aes_256_cbc, NID_aes_256_cbc, ITERATIONS, -1, 0);
	if (!p || PKCS12_set_mac(p, password, -1, NULL, 0, ITERATIONS, EVP_sha256()) != 1)
		FAIL(e, CRYPTO, "PKCS #12 could not be made");
	int len = i2d_PKCS12(p, NULL);
	uint8_t *room = len > 0 ? buf_extend(out, (size_t)len) : NULL;
	if (!room || i2d_PKCS12(p, &room) != len)
		FAIL(e, NOMEM, "no memory for PKCS #12");
	return ERR_OK;
}
