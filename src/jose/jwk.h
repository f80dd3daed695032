/* JSON Web Keys (RFC 7517, 7518 §6, 8037) and their thumbprints (RFC 7638). Public keys only. */
#ifndef CHANCERY_JOSE_JWK_H
#define CHANCERY_JOSE_JWK_H

#include "crypto/key.h"

#define THUMBPRINT_SIZE 32
#define JWK_SIZE_MAX    1500

/* From a JWK object's text. Parameters that the type does not name are ignored (`alg`, `use`, `kid`); a private part (`d`) is
 * refused: a client that sends it has given its key away. BAD_PUBLIC_KEY for a key that is not allowed, MALFORMED for what is
 * no JWK. */
enum err_code jwk_parse(struct arena *a, struct bytes json, struct key **ret, struct err *e) MUST_USE;
/* The canonical form of RFC 7638 §3: required members alone, sorted, no white space. */
void jwk_write(const struct key *k, struct buf *out);
void jwk_thumbprint(const struct key *k, uint8_t out[THUMBPRINT_SIZE]);
/* token || "." || base64url(thumbprint) (RFC 8555 §8.1). */
void key_authorization(struct bytes token, const uint8_t thumbprint[THUMBPRINT_SIZE], struct buf *out);

#endif
