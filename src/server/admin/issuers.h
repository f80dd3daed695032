/* The CA's issuers as ceremonies change them: offline, with the server stopped. */
#ifndef CHANCERY_SERVER_ADMIN_ISSUERS_H
#define CHANCERY_SERVER_ADMIN_ISSUERS_H

#include "base/arena.h"
#include "crypto/key.h"
#include "server/admin/key_text.h"
#include "server/messages.h"
#include "server/settings.h"

/* A key for a new issuer, in the signer's folder issuers.new/NAME, and its CSR (DER). CONFLICT when there is one of this name. */
struct issuer_request {
	const char *name;
	struct bytes country, organization, common_name; /* the first two may be empty */
	enum key_type key_type;
	struct bytes passphrase; /* empty: the key is not encrypted */
	struct bytes key_uri;    /* of a key in a token, which is there already; empty: one is made, in a file */
	struct token_access token;
};
enum err_code issuer_request(const struct settings *s, const struct issuer_request *r, struct buf *csr, struct err *e) MUST_USE;

/* Puts an issuer in place: with the key of issuer_request(), or one that is brought. Everything is held against each other first; the log has a record of
 * it before it is there. */
struct issuer_add {
	const char *name;
	struct bytes issuer_pem; /* its certificate and those above it, without the root */
	struct bytes root_pem;
	struct bytes key_pem; /* or a URI; empty: the one of issuer_request() */
	struct token_access token;
	struct bytes root_list; /* DER; empty: none */
	struct bytes passphrase;
	uint32_t uid; /* who */
};
enum err_code issuer_add(const struct settings *s, const struct issuer_add *r, struct err *e) MUST_USE;

/* A newer list of an issuer's root. */
enum err_code issuer_root_list(const struct settings *s, const char *name, struct bytes der, uint32_t uid, struct err *e) MUST_USE;

struct issuer_seen {
	char name[ISSUER_NAME_MAX + 1];
	struct bytes certificate; /* DER, in the arena */
};
/* All that are in place, by name; beside a running server. Returns how many through ret_n, at most ISSUERS_MAX. */
enum err_code issuers_seen(
    const struct settings *s, struct arena *a, struct issuer_seen v[ISSUERS_MAX], size_t *ret_n, struct err *e) MUST_USE;

#endif
