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

/* A signature that is wanted. */
struct keys_signature {
	const struct chancery_key *key;
	struct bytes message;
	uint8_t given[CHANCERY_SIGNATURE_MAX]; /* by the callback */
	size_t given_len;
};
/* Calls the callback of a key that lives elsewhere; arg: the keys_signature. Returns what it returns. */
int keys_ask(void *arg);
/* The signature in either form: what the callback gave, or else made here. CRYPTO: what it gave is no signature by this key. */
enum err_code keys_take(const struct keys_signature *g, enum sig_form form, uint8_t *sig, size_t *ret_len, struct err *e) MUST_USE;

#endif
