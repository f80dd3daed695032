/* What a kind of certificate is allowed to be. Filled from the configuration. */
#ifndef CHANCERY_PKI_PROFILE_H
#define CHANCERY_PKI_PROFILE_H

#include "crypto/key.h"

struct profile {
	struct bytes name;   /* "tls-server" */
	struct bytes doc;    /* for the directory's meta */
	uint32_t lifetime_s; /* of a certificate whose order asks for nothing: notAfter = notBefore + lifetime_s - 1 */
	uint32_t backdate_s; /* notBefore = now - backdate_s */
	uint32_t names_max;
	uint32_t authz_lifetime_s; /* how long control of a name, once shown, counts */
	uint32_t challenges;       /* bit: enum challenge_type of acme/identifier.h */
	uint32_t identifiers;      /* PROFILE_ bits: what may be in a certificate */
	uint32_t key_types;        /* bit: enum key_type of crypto/key.h */
	uint32_t rsa_bits_max;
};
enum { PROFILE_DNS = 1, PROFILE_WILDCARD = 2, PROFILE_IP = 4 };

/* BAD_CSR, naming what is allowed, unless the profile takes a certificate's key of this type and size. */
enum err_code profile_allows_key(const struct profile *p, const struct key *k, struct err *e) MUST_USE;

#endif
