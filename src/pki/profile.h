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
	uint32_t key_usage;    /* PROFILE_ bits of keyUsage */
	uint32_t purposes;     /* PROFILE_ bits of extKeyUsage */
	uint32_t contents;     /* PROFILE_ bits: what else a certificate has, where there is something to put there */
	struct bytes *issuers; /* names of those that may sign; none: every one that can */
	size_t n_issuers;
	struct bytes *policies; /* certificatePolicies: object identifiers in dotted form; none: no such extension */
	size_t n_policies;
};
#define PROFILE_POLICIES_MAX 8
enum { PROFILE_DNS = 1, PROFILE_WILDCARD = 2, PROFILE_IP = 4 };
enum { PROFILE_DIGITAL_SIGNATURE = 1, PROFILE_KEY_ENCIPHERMENT = 2 }; /* keyEncipherment: with RSA keys alone */
enum { PROFILE_SERVER_AUTH = 1, PROFILE_CLIENT_AUTH = 2 };
enum {
	PROFILE_COMMON_NAME = 1, /* the first dNSName that is not too long, as the subject */
	PROFILE_MUST_STAPLE = 2, /* TLS feature status_request (RFC 7633) */
	PROFILE_CRL = 4,         /* cRLDistributionPoints */
	PROFILE_OCSP = 8,        /* authorityInfoAccess: OCSP */
	PROFILE_CA_ISSUERS = 16, /* authorityInfoAccess: caIssuers */
};
#define COMMON_NAME_MAX 64 /* RFC 5280, ub-common-name */

/* BAD_CSR, naming what is allowed, unless the profile takes a certificate's key of this type and size. */
enum err_code profile_allows_key(const struct profile *p, const struct key *k, struct err *e) MUST_USE;

#endif
