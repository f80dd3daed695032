/* The public handle of a key, and what the engine does with it. Private to this room. */
#ifndef CHANCERY_CLIENT_KEYS_H
#define CHANCERY_CLIENT_KEYS_H

#include "crypto/key.h"

#include <chancery/chancery.h>

/* Counted, so that a client may hold what its caller has freed; one thread at a time. */
struct chancery_key {
	unsigned refs;
	struct key *key;        /* private, or the public half of one that lives elsewhere */
	chancery_sign_fn *sign; /* NULL: key is private */
	void *context;
};

struct chancery_key *keys_ref(struct chancery_key *k);
/* Signs in either form. CRYPTO: the callback failed, or what it wrote is no signature by this key. */
enum err_code keys_sign(
    const struct chancery_key *k, enum sig_form form, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e) MUST_USE;

#endif
