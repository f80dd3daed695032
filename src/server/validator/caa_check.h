/* The CAA question for one name (RFC 8659 §3): up the tree to the first name that has records, and what they say. A question
 * that is not answered is never taken for permission. */
#ifndef CHANCERY_SERVER_VALIDATOR_CAA_CHECK_H
#define CHANCERY_SERVER_VALIDATOR_CAA_CHECK_H

#include "dns/caa.h"
#include "server/receipt.h"
#include "server/validator/policy.h"

struct caa_check;

struct caa_result {
	struct err why; /* code OK: permitted */
	enum caa_outcome outcome;
	struct bytes node; /* where the records are; empty: nowhere */
	uint8_t rrset[32]; /* rrset_digest() of them; zero when none */
	uint32_t ttl_s;
	enum dnssec_status dnssec; /* the weakest of the answers */
};
/* Called once, later, from the loop, unless cancelled. */
typedef void caa_done(void *ctx, const struct caa_result *result);

/* name and what is in the request must live as long as the check. */
enum err_code caa_check_start(struct policy *p, struct bytes name, const struct caa_request *r, caa_done *done, void *ctx,
    struct caa_check **ret, struct err *e) MUST_USE;
void caa_check_cancel(struct caa_check *c);
/* For one whose time is up: DNS, with the name that is being asked. */
void caa_check_late(const struct caa_check *c, struct err *e);

#endif
