/* Making CA certificates: what a root's ceremony and `init` have in common. */
#ifndef CHANCERY_SERVER_CA_MAKE_H
#define CHANCERY_SERVER_CA_MAKE_H

#include "base/arena.h"
#include "pki/cert.h"
#include "pki/crl.h"

#define CA_NAME_MAX    40                    /* with what is added, 64 are allowed (RFC 5280, ub-common-name) */
#define CA_YEAR_S      (365 * 86400 + 21600) /* 365.25 days */
#define CA_RSA_BITS    3072
#define CA_PERMIT_MAX  32
#define CA_BACKDATE_S  3600
#define ROOT_YEARS     20
#define ISSUER_YEARS   5
#define ROOT_LIST_DAYS 365 /* until the root's next list (Baseline Requirements §4.9.7: at least every twelve months) */

/* A self-signed root certificate (DER) for the key. */
/* Two capital letters, or empty; else CONFIG. */
enum err_code ca_check_country(struct bytes country, struct err *e) MUST_USE;

struct ca_root_wish {
	struct bytes country, organization, common_name;
	int64_t not_before_s, years;
};
enum err_code ca_make_root(const struct key *k, const struct ca_root_wish *w, struct buf *out, struct err *e) MUST_USE;

/* An intermediate's certificate (DER), signed by the root. */
struct ca_issuer_wish {
	struct bytes subject, spki;
	uint32_t purposes; /* CERT_SERVER_AUTH or CERT_CLIENT_AUTH */
	int64_t not_before_s, not_after_s;
	struct bytes publish_url; /* under which the root's list and certificate are served; empty: not named */
	const struct name_constraint *permitted;
	size_t n_permitted;
};
enum err_code ca_make_issuer(
    struct arena *a, const struct issuer *root, const struct ca_issuer_wish *w, struct buf *out, struct err *e) MUST_USE;

/* The root's own list (DER): of the intermediates that are revoked. */
enum err_code ca_make_root_list(const struct issuer *root, uint64_t number, int64_t now_s, int64_t days, struct crl_entry *entries,
    size_t n, struct buf *out, struct err *e) MUST_USE;

/* "example.org" or "10.0.0.0/8" as a subtree; CONFIG for what is neither. */
enum err_code ca_constraint_read(struct arena *a, const char *text, struct name_constraint *ret, struct err *e) MUST_USE;

#endif
