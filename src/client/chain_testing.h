/* Chains for tests: a CA's certificates as it would send them. */
#ifndef CHANCERY_CLIENT_CHAIN_TESTING_H
#define CHANCERY_CLIENT_CHAIN_TESTING_H

#include "base/arena.h"
#include "crypto/key.h"
#include "pki/name.h"

/* What they are made in and when: a day before now they begin. */
struct chain_testing {
	struct arena *a;
	int64_t now_s;
};

/* A root (cn is issuer), or what a signer of that name vouches for. DER. */
struct bytes chain_testing_ca(
    const struct chain_testing *t, const char *cn, const char *issuer, const struct key *key, const struct key *signer);
/* A leaf, from an hour before now on. Names are sorted (san_sort()). DER. */
struct bytes chain_testing_leaf(const struct chain_testing *t, struct bytes ca, struct key *ca_key, const struct san *names, size_t n_names,
    const struct key *key, int64_t not_after_s);
struct bytes chain_testing_pem(const struct chain_testing *t, const struct bytes *der, size_t n);

#endif
