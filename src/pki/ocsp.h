/* OCSP (RFC 6960, RFC 5019): requests read, answers written, and the lint that reads what a responder's key is about to sign. Byte-exact: the
 * same input gives the same bytes. */
#ifndef CHANCERY_PKI_OCSP_H
#define CHANCERY_PKI_OCSP_H

#include "pki/cert.h"

#define OCSP_REQUEST_SIZE_MAX  8192  /* bytes of a request, whatever is in it */
#define OCSP_RESPONSE_SIZE_MAX 16384 /* 16 single answers, a nonce and a certificate of 4 KiB need less */
#define OCSP_IDS_MAX           16
#define OCSP_HASH_MAX          32
#define OCSP_SERIAL_MAX        20 /* octets of a serial number (RFC 5280 §4.1.2.2) */
#define OCSP_NONCE_MAX         32 /* that an answer repeats; RFC 9654 §2.1 wants at least that */
#define OCSP_LIFETIME_MIN_S    (8 * 3600)
#define OCSP_LIFETIME_MAX_S    (10 * 86400) /* both: Baseline Requirements §4.9.10 */

/* The AlgorithmIdentifiers of CertIDs, as they came: the answer repeats the very one. */
enum ocsp_hash { OCSP_SHA1, OCSP_SHA1_NULL, OCSP_SHA256, OCSP_SHA256_NULL, OCSP_HASH__MAX };

/* A CertID (RFC 6960 §4.1.1). Views. */
struct ocsp_id {
	enum ocsp_hash hash;
	struct bytes name_hash, key_hash; /* of the issuer; each as long as ocsp_hash_size() */
	struct bytes serial;              /* magnitude without leading zeros, 1 to OCSP_SERIAL_MAX octets */
};
size_t ocsp_hash_size(enum ocsp_hash h);
/* Whether the id says that this issuer has signed the certificate. */
bool ocsp_id_is_of(const struct ocsp_id *id, const struct issuer *i);

struct ocsp_request {
	struct ocsp_id ids[OCSP_IDS_MAX];
	size_t n_ids;       /* at least one */
	struct bytes nonce; /* 1 to 128 octets; ptr NULL: there is none */
};
/* MALFORMED for what is no DER OCSPRequest of version 1, is too large, has too many ids, a critical extension that is not known here, an
 * extension twice, or a nonce of a length that RFC 9654 §2.1 has refused. UNAUTHORIZED: an id's digest is neither SHA-1 nor SHA-256. A
 * signature is not looked at, as RFC 6960 §4.1.2 lets a responder. */
enum err_code ocsp_request_read(struct bytes der, struct ocsp_request *ret, struct err *e) MUST_USE;

/* RFC 6960 §4.2.1 */
enum ocsp_error { OCSP_MALFORMED_REQUEST = 1, OCSP_INTERNAL_ERROR = 2, OCSP_TRY_LATER = 3, OCSP_UNAUTHORIZED = 6 };
/* The whole OCSPResponse of an error, which nobody signs: 5 bytes. */
void ocsp_write_error(enum ocsp_error error, struct buf *out);

enum ocsp_status { OCSP_GOOD, OCSP_REVOKED, OCSP_UNKNOWN };
struct ocsp_single {
	struct ocsp_id id;
	enum ocsp_status status;
	int64_t revoked_s; /* with OCSP_REVOKED alone, as reason */
	uint8_t reason;    /* enum crl_reason */
};
struct ocsp_answer {
	const struct ocsp_single *singles;
	size_t n_singles; /* 1 to OCSP_IDS_MAX */
	int64_t produced_s, this_update_s, next_update_s;
	struct bytes nonce; /* 1 to OCSP_NONCE_MAX octets; empty: none */
};
/* Who signs: a key that an issuer has certified for that (cert_write_responder_tbs()). */
struct ocsp_responder {
	const struct issuer *issuer;
	const struct key *key;
	struct bytes certificate; /* DER */
	int64_t not_after_s;
};
/* The ResponseData. */
void ocsp_write_data(const struct ocsp_responder *by, const struct ocsp_answer *a, struct buf *out);
/* Writes, lints and signs: appends the whole OCSPResponse. BUG from the lint, NOMEM where `out` has no room for it. */
enum err_code ocsp_sign(const struct ocsp_responder *by, const struct ocsp_answer *a, struct buf *out, struct err *e) MUST_USE;

/* Reads the exact ResponseData that is about to be signed, with no code shared with the writer but the DER reader, and holds it against
 * the answer that was decided, RFC 6960 §4.2 and Baseline Requirements §4.9.10: every id names this issuer, by digests made here. BUG
 * with the rule that is broken: then nothing is signed. */
enum err_code lint_ocsp(struct bytes data, const struct ocsp_responder *by, const struct ocsp_answer *a, struct err *e) MUST_USE;

#endif
