/* Revocations for the signer's tests, built as a client and a front build them. */
#ifndef CHANCERY_SERVER_SIGNER_TEST_REVOKE_H
#define CHANCERY_SERVER_SIGNER_TEST_REVOKE_H

#include "pki/crl.h"
#include "server/signer/record_event.h"
#include "server/signer/test_world.h"

/* One as it should be; a test changes a field and sees what comes of it. */
struct revoke_recipe {
	struct key *key;     /* signs */
	struct key *account; /* kid, and the JWK that the front gives; NULL: the signing key's jwk in the header */
	struct bytes certificate;
	int reason; /* -1: none is given */
	const char *base, *path, *kid_suffix;
	const char *payload; /* NULL: the certificate and the reason */
	bool no_nonce, break_signature, no_jwk, also_jwk;
	struct recipe proof; /* its receipts */
	bool with_receipts;
};
/* By the account w->account, by the certificate's key, by w->other with fresh receipts for `names`. */
struct revoke_recipe revoke_by_account(struct world *w, struct bytes certificate);
struct revoke_recipe revoke_by_key(struct world *w, struct bytes certificate, struct key *k);
struct revoke_recipe revoke_by_names(struct world *w, struct bytes certificate, const char *const *names);
/* REVOKE's body. */
struct bytes revoke_body(struct world *w, const struct revoke_recipe *r);
enum err_code try_revoke(struct world *w, const struct revoke_recipe *r, struct revoked *ret, struct err *e);
/* Fails the test unless it is revoked. */
struct revoked must_revoke(struct world *w, const struct revoke_recipe *r);

/* Makes a list as soon as one may be made, fetches it as a front does, and verifies it by the issuer's key. Copied into w->a. */
struct bytes must_make_list(struct world *w);
/* The newest list as CRL_GET gives it, in parts. */
struct bytes fetch_list(struct world *w);
/* Whether the serial is in the list; then its time and reason. */
bool list_has(struct bytes der, struct bytes serial, int64_t *ret_time_s, uint8_t *ret_reason);

/* One turn of signer_crl(): whether it made any. */
enum err_code make_lists(struct signer *s, bool *ret_made, struct err *e) MUST_USE;
/* The first issuer's list of shard 0; false: there is none yet. */
bool newest_list(const struct signer *s, struct crl_new *ret);

#endif
