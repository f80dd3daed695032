/* PKCS #12 (RFC 7292): a private key and its certificates in one file, for programs that want it so. */
#ifndef CHANCERY_CRYPTO_PKCS12_H
#define CHANCERY_CRYPTO_PKCS12_H

#include "crypto/key.h"

/* der: the key's own certificate first, at most PKCS12_CERTS_MAX. name: what programs call it. Encrypted by AES-256 and PBKDF2, with a MAC of SHA-256. MALFORMED: a
 * certificate that is none, or not of the key. */
#define PKCS12_CERTS_MAX 10
enum err_code pkcs12_write(const struct key *k, const struct bytes *der, size_t n, const char *name, const char *password, struct buf *out,
    struct err *e) MUST_USE;

#endif
