/* The certificate that answers tls-alpn-01 (RFC 8737 §3, RFC 8738 §6). It is nobody's but the applicant's: nothing of it is believed but
 * what it must say. */
#ifndef CHANCERY_PKI_ALPN_CERT_H
#define CHANCERY_PKI_ALPN_CERT_H

#include "pki/name.h"

#define ALPN_DIGEST_SIZE 32 /* SHA-256 of the key authorization */

/* UNAUTHORIZED with what is wrong unless it has one subjectAltName with `name` and nothing else, and one acmeIdentifier that is critical
 * and holds the digest. The signature is not looked at. */
enum err_code alpn_cert_check(struct bytes der, const struct san *name, const uint8_t digest[ALPN_DIGEST_SIZE], struct err *e) MUST_USE;

#endif
