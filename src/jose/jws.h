/* ACME's signed requests: flattened JWS JSON serialisation (RFC 7515 §7.2.2) under the rules of RFC 8555 §6.2. One reader for
 * front and signer, so that both see the same request in the same bytes. */
#ifndef CHANCERY_JOSE_JWS_H
#define CHANCERY_JOSE_JWS_H

#include "crypto/key.h"

/* Bytes of any signature that is read: more than an allowed key makes, so that it is the key that is refused. */
#define JWS_SIGNATURE_MAX 2048

/* A request parsed but not yet verified. All views live as long as the input and the arena. */
struct jws {
	struct bytes signing_input; /* protected || "." || payload, as sent: a view or arena memory */
	struct bytes payload;       /* decoded; empty (non-NULL) for POST-as-GET */
	struct bytes signature;     /* decoded */
	enum sig_alg alg;
	struct bytes nonce; /* base64url, as sent */
	struct bytes url;
	struct bytes kid; /* exactly one of kid and jwk has ptr != NULL */
	struct bytes jwk; /* the object's text */
};

/* Which members a request's protected header must or must not carry. */
enum jws_nonce { JWS_NONCE_REQUIRED, JWS_NONCE_FORBIDDEN };

/* MALFORMED: not the flattened serialisation, an unprotected header, both or neither of jwk and kid, no url, no nonce where
 * one is required (or one where none may be), a nonce that is no base64url (RFC 8555 §6.5.2), `crit`, `b64`, padding,
 * trailing bytes, duplicate keys, a signature of a size that the algorithm never has. Other members of the protected header
 * are ignored (RFC 7515 §4). BAD_SIGNATURE_ALGORITHM: none, a MAC, or anything outside sig.def. */
enum err_code jws_parse(struct arena *a, struct bytes json, enum jws_nonce nonce, struct jws *ret, struct err *e) MUST_USE;

/* BAD_SIGNATURE_ALGORITHM when the header's alg is not the key's; MALFORMED for a signature of the wrong shape; UNAUTHORIZED
 * when it does not verify. */
enum err_code jws_verify(const struct jws *j, const struct key *k, struct err *e) MUST_USE;

/* Signs by a callback, so that the key can live elsewhere. */
typedef enum err_code jws_sign_fn(void *ctx, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e);

/* What the protected header says; jwk (object text) or kid. nonce may be absent (inner JWS of key change, RFC 8555 §7.3.5). */
struct jws_header {
	enum sig_alg alg;
	struct bytes nonce, url, kid, jwk;
};
/* Writes the whole flattened JWS. payload with ptr == NULL or length 0 is POST-as-GET. */
enum err_code jws_write(
    const struct jws_header *h, struct bytes payload, jws_sign_fn *sign, void *ctx, struct buf *out, struct err *e) MUST_USE;

#endif
