/* Certificate revocation lists (RFC 5280 §5): whole ones, of what one issuer signed. To-be-signed bytes from a request, reading, and the
 * lint that reads what is about to be signed. Byte-exact: the same input gives the same bytes. */
#ifndef CHANCERY_PKI_CRL_H
#define CHANCERY_PKI_CRL_H

#include "pki/cert.h"

#define CRL_SIZE_MAX          (256u << 20)  /* five million entries and more; also the maximum of the buf that a list is written into */
#define CRL_UPDATE_MAX_S      (10 * 86400)  /* from thisUpdate to nextUpdate (Baseline Requirements §7.2) */
#define CRL_ROOT_UPDATE_MAX_S (366 * 86400) /* the same of a list of CA certificates */
#define CRL_URL_SIZE_MAX      1024
#define CRL_NUMBER_MAX        20 /* octets of a cRLNumber (RFC 5280 §5.2.3) */
#define CRL_SERIAL_MAX        20 /* octets of a serial number (RFC 5280 §4.1.2.2) */

enum crl_reason {
#define X(code, name, number, asked) CRL_##code = (number),
#include "pki/crl_reason.def"
#undef X
};
/* BAD_REVOCATION_REASON, naming those that are allowed, unless whoever revokes by ACME may give this reason. */
enum err_code crl_reason_check(uint64_t number, struct err *e) MUST_USE;
/* "keyCompromise"; NULL for a number that no entry has here. */
const char *crl_reason_name(uint64_t number);

struct crl_entry {
	uint8_t serial[SERIAL_SIZE];
	int64_t time_s; /* of the revocation, not later than thisUpdate */
	uint8_t reason; /* enum crl_reason */
};
/* Sorts by serial number, in place. Of entries for one number the earliest stays, of two that are as early the first by reason;
 * returns the new count. */
size_t crl_sort(struct crl_entry *v, size_t n);

struct crl_request {
	uint64_t number; /* never one that was used before, and always more (RFC 5280 §5.2.3) */
	int64_t this_update_s, next_update_s;
	bool of_root;     /* its entries are CA certificates' */
	struct bytes url; /* http, the very one of the certificates' cRLDistributionPoints; empty: a list without issuingDistributionPoint */
	/* Sorted (crl_sort). An entry stays until it has been in a list that was made after its certificate's end (RFC 5280 §3.3). */
	const struct crl_entry *entries;
	size_t n_entries;
};
/* The TBSCertList. */
void crl_write_tbs(const struct issuer *i, const struct crl_request *r, struct buf *out);
/* Writes, lints and signs: appends the whole CertificateList. BUG from the lint, NOMEM where `out` has no room for it. */
enum err_code crl_sign(const struct issuer *i, const struct crl_request *r, struct buf *out, struct err *e) MUST_USE;

/* A list taken apart; views into the input. */
struct crl {
	struct bytes tbs;         /* with its header, as signed */
	struct bytes issuer_name; /* with its header */
	struct bytes signature;
	enum sig_alg alg;
	int64_t this_update_s, next_update_s;
	struct bytes number;           /* big-endian, without leading zeros */
	struct bytes authority_key_id; /* ptr NULL when absent */
	struct bytes url;              /* ptr NULL without an issuingDistributionPoint, or where that has none */
	bool only_user_certs;
	struct bytes entries; /* for crl_next(); empty when nothing is revoked */
	size_t n_entries;
};
/* MALFORMED for what is no DER list of version 2 with nextUpdate and cRLNumber, or is not whole (delta, indirect, some reasons only), has
 * a critical extension that is not known here (RFC 5280 §5.2: such a list MUST NOT be used), an extension twice, or an algorithm
 * that is not in sig.def. Every entry is looked at; their order is the lint's business. */
enum err_code crl_parse(struct bytes der, struct crl *ret, struct err *e) MUST_USE;
/* MALFORMED unless the list is this issuer's by name, key id and algorithm; UNAUTHORIZED when the signature is not its key's. */
enum err_code crl_verify(const struct crl *c, const struct issuer *i, struct err *e) MUST_USE;

struct crl_view {
	struct bytes serial; /* the INTEGER's content, 1 to CRL_SERIAL_MAX octets and perhaps a leading zero */
	int64_t time_s;
	uint8_t reason; /* 0 when there is no reasonCode */
};
/* Takes the next entry off *rest, which begins as struct crl's `entries`; false at the end. */
bool crl_next(struct bytes *rest, struct crl_view *ret);

/* Reads the exact TBS bytes that are about to be signed, with no code shared with the writer but the DER reader, and holds them
 * against request, RFC 5280 §5 and Baseline Requirements §7.2. BUG with the rule that is broken: then nothing is signed. */
enum err_code lint_crl(struct bytes tbs, const struct issuer *i, const struct crl_request *r, struct err *e) MUST_USE;

#endif
