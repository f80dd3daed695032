/* Key rollover (RFC 8555 §7.3.5): a request by the account's present key around one by its new key. Front and signer read it by the
 * same code, so that both see the same two keys in it. */
#ifndef CHANCERY_SERVER_KEY_CHANGE_H
#define CHANCERY_SERVER_KEY_CHANGE_H

#include "jose/jwk.h"
#include "jose/jws.h"

struct key_change {
	struct key
	    *key; /* the new one, the caller's to free; its inner JWS verifies by it. Whether it is a good one, and whether some account
	                 * has it already (also this one), is not looked at */
	uint8_t thumbprint[THUMBPRINT_SIZE];
};

/* outer: the request, parsed (with kid) and verified by the present key. MALFORMED for an inner JWS that is not what §7.3.5 wants:
 * its form, its url, account and oldKey of its payload. UNAUTHORIZED when the new key has not signed
 * it; BAD_PUBLIC_KEY, BAD_SIGNATURE_ALGORITHM. */
enum err_code key_change_read(
    struct arena *a, const struct jws *outer, const struct key *present, struct key_change *ret, struct err *e) MUST_USE;

#endif
