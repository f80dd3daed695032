/* What the keys sign, and what not: whoever has taken over the process that speaks to the network can ask for signatures, but for no other than these. */
#ifndef CHANCERY_AGENT_KEYS_SIGN_RULES_H
#define CHANCERY_AGENT_KEYS_SIGN_RULES_H

#include "crypto/key.h"
#include "pki/name.h"

/* What an account's key may be used for beyond looking, making accounts and ordering. */
enum sign_may {
	SIGN_MAY_UPDATE = 1,     /* other contacts */
	SIGN_MAY_DEACTIVATE = 2, /* end the account, or an authorization */
	SIGN_MAY_ROLL_OVER = 4,  /* another key */
	SIGN_MAY_REVOKE = 8,
};

struct sign_rules {
	unsigned may;
	struct san *names; /* sorted; of orders and requests for a certificate */
	size_t n_names;
	bool must_staple;
};

/* A signed request of ACME (RFC 8555 §6.2): header "." payload, both base64url. UNAUTHORIZED with what it would do; MALFORMED: it is none. */
enum err_code sign_rules_request(const struct sign_rules *r, struct bytes message, struct err *e) MUST_USE;
/* A CertificationRequestInfo: exactly the one for this key and these names. UNAUTHORIZED. */
enum err_code sign_rules_csr(const struct sign_rules *r, const struct key *k, struct bytes message, struct err *e) MUST_USE;

#endif
