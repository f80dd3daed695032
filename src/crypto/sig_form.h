/* ECDSA signatures between r||s of fixed width (RFC 7518 §3.4) and Ecdsa-Sig-Value (RFC 3279 §2.2.3). Private to this room. */
#ifndef CHANCERY_CRYPTO_SIG_FORM_H
#define CHANCERY_CRYPTO_SIG_FORM_H

#include "base/bytes.h"

/* Of two INTEGERs of a P-384 signature at most: SEQUENCE head, and twice head, zero, 48 bytes. */
#define ECDSA_DER_MAX (3 + 2 * (2 + 1 + 48))

/* Gives the bytes written to der (room for ECDSA_DER_MAX); 0 when jose is not 2 * width bytes. */
size_t ecdsa_to_der(struct bytes jose, size_t width, uint8_t *der);
/* Writes 2 * width bytes; false when der is not the strict DER of two non-negative numbers that fit. out may be NULL: then
 * it only looks. */
bool ecdsa_from_der(struct bytes der, size_t width, uint8_t *out);

#endif
