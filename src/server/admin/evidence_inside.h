/* What the two halves of evidence.h share. */
#ifndef CHANCERY_SERVER_ADMIN_EVIDENCE_INSIDE_H
#define CHANCERY_SERVER_ADMIN_EVIDENCE_INSIDE_H

#include "server/admin/evidence.h"

#define EVIDENCE_ISSUERS_MAX   256
#define EVIDENCE_ROLLOVERS_MAX 4096
#define RECEIPT_LATE_MS        INT64_C(5000) /* two processes, two looks at the clock */

/* The records that matter for one certificate, copied out of the log; sequence 0: there is none. */
struct known_issuer {
	struct bytes name, pem;
};
struct gathering {
	struct arena *a;
	const uint8_t *wanted;
	struct record intent, result, voided, revoked;
	struct known_issuer issuers[EVIDENCE_ISSUERS_MAX];
	size_t n_issuers;
	struct record rollovers[EVIDENCE_ROLLOVERS_MAX]; /* before the intent */
	size_t n_rollovers;
};

/* evidence_check.c: v's records are read; fills in checks and issuer. */
enum err_code evidence_check(const struct gathering *g, const struct settings *s, struct evidence *v, struct err *e) MUST_USE;

#endif
