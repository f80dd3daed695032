/* The database beside what the signer's log says, for `chancery-ca reconcile`, which reads the log and tells each record here. It is a
 * connection of its own with temporary tables that lie in a file: memory stays the same however long the log is. One thread. */
#ifndef CHANCERY_SERVER_STORE_MIRROR_H
#define CHANCERY_SERVER_STORE_MIRROR_H

#include "server/store/store.h"

enum difference {
#define X(code, name, alarm, what) DIFFERENCE_##code,
#include "server/store/difference.def"
#undef X
	DIFFERENCE__MAX
};
struct difference_row {
	const char *name, *what;
	bool alarm; /* what repair leaves as it is, for somebody to look at */
};
extern const struct difference_row difference_rows[DIFFERENCE__MAX];

struct mirror;
enum mirror_mode {
	MIRROR_COMPARE, /* beside a running server too: one snapshot of the database, taken now */
	MIRROR_REPAIR,  /* nobody else may have the database open; it is made, or brought to the newest schema, if need be */
};
/* The database "store.db" in the folder. NOT_FOUND when there is none to compare; CONFIG when it is of another version. */
enum err_code mirror_open(const char *folder, enum mirror_mode mode, struct mirror **ret, struct err *e) MUST_USE;
void mirror_close(struct mirror *m);
DEFINE_CLEANUP(struct mirror *, mirror_close);
/* Forgets what was told of the log, for another comparison. */
enum err_code mirror_reset(struct mirror *m, struct err *e) MUST_USE;

/* --- what the log says, in its order; times are those of the records --- */

/* Whether this chain, as it is stored, begins with an issuer that has this key identifier. */
typedef bool mirror_fits(struct bytes chain, struct bytes issuer_key_id);
struct mirror_certificate {
	struct store_certificate certificate; /* chain: empty when nobody knows it any more; revocation and replacement are not looked at */
	mirror_fits *fits;
	struct bytes issuer_key_id; /* its authorityKeyIdentifier */
	struct bytes new_order;     /* the signed request */
	const uint8_t *replaced;    /* the serial that the order replaces; NULL: none */
};
enum err_code mirror_certificate(struct mirror *m, const struct mirror_certificate *c, int64_t time_ms, struct err *e) MUST_USE;
/* The CA's own, which is in no table: its TLS server's and the like. */
enum err_code mirror_own(struct mirror *m, const uint8_t serial[STORE_SERIAL], int64_t time_ms, struct err *e) MUST_USE;
enum err_code mirror_void(struct mirror *m, const uint8_t serial[STORE_SERIAL], int64_t time_ms, struct err *e) MUST_USE;
struct mirror_revocation {
	const uint8_t *serial;
	int64_t revoked_s;
	uint8_t reason;
};
enum err_code mirror_revoked(struct mirror *m, const struct mirror_revocation *r, int64_t time_ms, struct err *e) MUST_USE;
/* There is an account of this id; whoever names one in the calls below need not say so before. */
enum err_code mirror_account(struct mirror *m, const uint8_t id[STORE_ACCOUNT_ID], int64_t time_ms, struct err *e) MUST_USE;
enum err_code mirror_rollover(struct mirror *m, const uint8_t id[STORE_ACCOUNT_ID], const uint8_t old[STORE_ACCOUNT_ID],
    const uint8_t fresh[STORE_ACCOUNT_ID], int64_t time_ms, struct err *e) MUST_USE;
enum err_code mirror_deactivated(struct mirror *m, const uint8_t id[STORE_ACCOUNT_ID], int64_t time_ms, struct err *e) MUST_USE;
enum err_code mirror_bound(struct mirror *m, const uint8_t id[STORE_ACCOUNT_ID], struct bytes kid, int64_t time_ms, struct err *e) MUST_USE;

/* --- the comparison, when the log is at its end --- */

struct mirror_scope {
	int64_t until_ms; /* what was logged from then on is not asked of the database: it may be on its way still */
	int64_t kept_s;   /* what ended before that may be missing: the database is rid of it by the settings. 0: nothing may */
};
/* Each difference. id: serial, order id or account id, by its size. A failure ends it. */
typedef enum err_code mirror_visit(void *ctx, enum difference d, struct bytes id, struct err *e);
enum err_code mirror_differences(
    struct mirror *m, const struct mirror_scope *scope, mirror_visit *visit, void *ctx, struct err *e) MUST_USE;
struct mirror_counts {
	uint64_t logged_certificates, logged_own, logged_void, logged_revoked, logged_accounts;
	uint64_t certificates, orders, accounts; /* in the database */
};
enum err_code mirror_counts(struct mirror *m, struct mirror_counts *ret, struct err *e) MUST_USE;

/* --- repair: after a comparison the log is read once more, and each of its certificates and accounts put back --- */

enum err_code mirror_begin(struct mirror *m, struct err *e) MUST_USE;
enum err_code mirror_commit(struct mirror *m, struct err *e) MUST_USE;
/* What of this is missing or wrong gets right; the rest, also what the log cannot know, stays. authz: as many as the order has identifiers; they
 * are stored when the order itself was missing. Nothing for a certificate whose end lies before kept_s. */
struct mirror_issued {
	struct store_certificate certificate;
	struct store_order order;
	struct store_authz *authz;
	mirror_fits *fits;
	struct bytes issuer_key_id;
};
enum err_code mirror_put_issued(struct mirror *m, const struct mirror_issued *v, int64_t kept_s, struct err *e) MUST_USE;
/* jwk: a key that it had, canonical. It is taken when it is the account's newest by the log, or when there is no account yet. */
enum err_code mirror_put_account(struct mirror *m, const struct store_account *v, struct err *e) MUST_USE;
/* At the end: states, bindings, key histories, revocations, replacements. */
enum err_code mirror_put_rest(struct mirror *m, struct err *e) MUST_USE;

#endif
