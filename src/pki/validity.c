#include "pki/validity.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>

#define FORWARD_MAX_S (48 * 3600) /* notBefore lies within 48 hours of the signing (Baseline Requirements §7.1.2.7) */

static enum err_code read_time(struct bytes text, const char *member, bool *ret_has, int64_t *ret_s, struct err *e)
{
	if (!text.ptr)
		return ERR_OK;
	if (rfc3339_parse(text, ret_s, NULL) != ERR_OK) {
		errno = 0;
		FAIL(e, MALFORMED, "\"%s\" is not an RFC 3339 time like 2026-11-23T08:00:00Z", member);
	}
	*ret_has = true;
	return ERR_OK;
}

enum err_code validity_wish_read(struct bytes not_before, struct bytes not_after, struct validity_wish *ret, struct err *e)
{
	struct validity_wish w = { 0 };

	TRY(read_time(not_before, "notBefore", &w.has_before, &w.before_s, e));
	TRY(read_time(not_after, "notAfter", &w.has_after, &w.after_s, e));
	*ret = w;
	return ERR_OK;
}

enum err_code profile_validity(
    const struct profile *p, int64_t order_ms, int64_t now_ms, const struct validity_wish *wish, struct validity *ret, struct err *e)
{
	int64_t now_s = now_ms / 1000, from_s = order_ms < now_ms ? order_ms / 1000 : now_s;
	int64_t begin = wish->has_before ? wish->before_s : now_s - p->backdate_s;
	int64_t end = wish->has_after ? wish->after_s : begin + p->lifetime_s - 1;

	errno = 0;
	/* Measured from the order: what was asked for then is not wrong a little later. */
	if (begin < from_s - p->backdate_s || begin > now_s + FORWARD_MAX_S)
		FAIL(e, MALFORMED, "notBefore must lie between %" PRIu32 " s before the order and 48 h from now", p->backdate_s);
	if (end <= now_s || end <= begin)
		FAIL(e, MALFORMED, "notAfter is over already");
	if (end > begin + p->lifetime_s - 1)
		FAIL(e, MALFORMED, "notAfter must lie within %" PRIu32 " s of notBefore", p->lifetime_s);
	*ret = (struct validity){ begin, end };
	return ERR_OK;
}
