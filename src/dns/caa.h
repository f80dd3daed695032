/* CAA (RFC 8659) with account and method binding (RFC 8657): tree climbing and the evaluation of one RRset, without a socket. */
#ifndef CHANCERY_DNS_CAA_H
#define CHANCERY_DNS_CAA_H

#include "base/err.h"

#define CAA_RECORDS_MAX 100

/* One record's rdata taken apart (RFC 8659 §4.1). */
struct caa_record {
	uint8_t flags;
	struct bytes tag, value; /* tag as sent: compared without case */
};
/* MALFORMED for rdata that is cut, or whose tag is empty or has a character that is no ASCII letter or digit. */
enum err_code caa_record_read(struct bytes rdata, struct caa_record *ret, struct err *e) MUST_USE;

/* The value of an issue or issuewild property (RFC 8659 §4.2): a domain, absent (ptr NULL) in one that names no issuer, and the
 * text of its parameters. */
struct caa_issue {
	struct bytes domain, parameters;
};
/* False for what is not of the grammar: it is then to be taken for one that names no issuer. */
bool caa_issue_read(struct bytes value, struct caa_issue *ret) MUST_USE;
/* The next parameter, "tag=value"; false at the end. Only on parameters that caa_issue_read() gave. */
bool caa_parameter_next(struct bytes *parameters, struct bytes *ret_tag, struct bytes *ret_value) MUST_USE;

/* For whom the question is asked. */
struct caa_request {
	bool wildcard;              /* a certificate for `*.name` */
	struct bytes issuer_domain; /* ours */
	struct bytes account_url;   /* for accounturi (RFC 8657 §3) */
	struct bytes method;        /* "http-01", for validationmethods (RFC 8657 §4) */
};

/* Whether this relevant RRset, found at `node`, lets us issue. CAA with a reason that quotes the record and says what to publish:
 * another issuer, another account or method, an issue value that names no issuer (";"), an unknown property with the critical
 * flag (bit 0 = 128, and bit 7 = 1 as careless zones have it), malformed rdata, more than CAA_RECORDS_MAX records. An RRset
 * without issue (and issuewild, for a wildcard) permits. */
enum err_code caa_permits(struct bytes node, const struct bytes *rdata, size_t n, const struct caa_request *r, struct err *e) MUST_USE;

/* Which property decides: "issuewild" for a wildcard where there is any (RFC 8659 §4.3), else "issue". */
const char *caa_deciding_tag(const struct bytes *rdata, size_t n, bool wildcard);

/* The next name up, BYTES_NONE behind the last label: CAA is never asked at the root (RFC 8659 §3). */
struct bytes caa_parent(struct bytes name);

#endif
