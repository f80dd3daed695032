/* External account binding (RFC 8555 §7.3.4): what a newAccount request carries to show that whoever has the account's key also
 * has a key that this CA gave out. A JWS in the flattened form, MACed with that key, over the account's JWK. */
#ifndef CHANCERY_JOSE_EAB_H
#define CHANCERY_JOSE_EAB_H

#include "crypto/digest.h"
#include "crypto/key.h"

#define EAB_KID_LEN_MAX 128
#define EAB_SECRET_MIN  32 /* bytes: HS256's least (RFC 7518 §3.2) */
#define EAB_SECRET_MAX  64

/* Parsed, nothing of it proven. Views as those of struct jws. */
struct eab {
	struct bytes signing_input;
	struct bytes payload; /* an account's JWK, if it is what it should be */
	struct bytes mac;
	enum mac_alg alg;
	struct bytes kid, url;
};

/* MALFORMED for another form than the flattened one, a nonce, a jwk, no kid or url, crit, b64, a MAC of the wrong size;
 * BAD_SIGNATURE_ALGORITHM for what is no MAC of mac.def. */
enum err_code eab_parse(struct arena *a, struct bytes json, struct eab *ret, struct err *e) MUST_USE;
/* Whether it was made for this newAccount request: its url, and the key that has signed it (by its members, not by its text).
 * MALFORMED. */
enum err_code eab_check(struct arena *a, const struct eab *b, struct bytes outer_url, const struct key *account, struct err *e) MUST_USE;
/* Whether the secret's holder made it, in constant time. UNAUTHORIZED; BAD_SIGNATURE_ALGORITHM for a MAC that wants a longer key
 * (RFC 7518 §3.2). */
enum err_code eab_verify(const struct eab *b, struct bytes secret, struct err *e) MUST_USE;

/* The whole object, for a client. */
enum err_code eab_write(enum mac_alg alg, struct bytes kid, struct bytes url, const struct key *account, struct bytes secret,
    struct buf *out, struct err *e) MUST_USE;

#endif
