/* The addresses of one host, both families asked at once, judged by the address policy. */
#ifndef CHANCERY_SERVER_VALIDATOR_LOOKUP_H
#define CHANCERY_SERVER_VALIDATOR_LOOKUP_H

#include "server/receipt.h"
#include "server/validator/policy.h"

struct lookup;

struct lookup_address {
	bool found;
	bool relaxed;
	enum dnssec_status dnssec;
	struct ip_address address;
};
struct lookup_answer {
	struct lookup_address v6, v4; /* the first of each family that may be connected to; at least one when `why` is OK */
	struct err why;               /* DNS, or REJECTED_IDENTIFIER when there are addresses and none is allowed */
};
/* Called once, later, from the loop, unless cancelled. */
typedef void lookup_done(void *ctx, const struct lookup_answer *answer);

/* host must live as long as the lookup. */
enum err_code lookup_start(struct policy *p, struct bytes host, lookup_done *done, void *ctx, struct lookup **ret, struct err *e) MUST_USE;
void lookup_cancel(struct lookup *l);
/* The same of a host that is written as an address: it is judged, and nothing is asked, so DNSSEC is OFF. */
void lookup_literal(const struct policy *p, struct bytes host, struct lookup_answer *ret);
/* As receipts have it. BOGUS never gets here: it is a failed question. */
enum dnssec_status dnssec_of(enum resolver_security s);
enum dnssec_status dnssec_weaker(enum dnssec_status a, enum dnssec_status b);

#endif
