/* How long a certificate holds: what an order may ask for under a profile. One rule for the front, which tells an applicant at once, and
 * for the signer, which decides. */
#ifndef CHANCERY_PKI_VALIDITY_H
#define CHANCERY_PKI_VALIDITY_H

#include "pki/profile.h"

/* What newOrder asks for (RFC 8555 §7.4), each empty when it does not. */
struct validity_wish {
	bool has_before, has_after;
	int64_t before_s, after_s;
};
/* From the texts of newOrder, RFC 3339 or without ptr. MALFORMED, naming the member, for anything else. */
enum err_code validity_wish_read(struct bytes not_before, struct bytes not_after, struct validity_wish *ret, struct err *e) MUST_USE;

struct validity {
	int64_t not_before_s, not_after_s; /* both seconds count */
};
/* For an order made at order_ms and a certificate made at now_ms. MALFORMED says within which bounds a wish must lie. */
enum err_code profile_validity(const struct profile *p, int64_t order_ms, int64_t now_ms, const struct validity_wish *wish,
    struct validity *ret, struct err *e) MUST_USE;

#endif
