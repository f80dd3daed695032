/* CAA (RFC 8659): tree climbing as a state machine over answers, without a socket, and the evaluation of one RRset. */
#ifndef CHANCERY_DNS_CAA_H
#define CHANCERY_DNS_CAA_H

#include "base/arena.h"
#include "base/err.h"

#define CAA_RECORDS_MAX 100

/* One record's rdata taken apart (RFC 8659 §4.1). */
struct caa_record {
	uint8_t flags;
	struct bytes tag, value; /* tag as sent: compared without case */
};
enum err_code caa_record_read(struct bytes rdata, struct caa_record *ret, struct err *e) MUST_USE;

/* Whether this relevant RRset lets issuer_domain issue for a name (wildcard: `*.name`). CAA with a reason that quotes the record
 * and says what to publish: another issuer, an issue value that is no issuer (";"), an unknown property with the critical flag
 * (bit 0 = 128, and bit 7 = 1 as careless zones have it), malformed rdata. An RRset without issue (and issuewild) permits. */
enum err_code caa_permits(struct arena *a, const struct bytes *rdata, size_t n, struct bytes name, bool wildcard, struct bytes issuer_domain, struct err *e) MUST_USE;

/* The next name up, BYTES_NONE behind the last label: CAA is never asked at the root (RFC 8659 §3). */
struct bytes caa_parent(struct bytes name);

#endif
