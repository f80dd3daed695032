/* CAA looked at again before a certificate is made: an answer counts for eight hours (RFC 8659 §5.2 leaves it to the CA; Baseline Requirements
 * §3.2.2.8), an authorization for days. */
#ifndef CHANCERY_SERVER_FRONT_RECHECK_H
#define CHANCERY_SERVER_FRONT_RECHECK_H

#include "server/front/request.h"

/* How it ended. code OK: every name has a receipt that is new enough, in the store. CAA: some name's records forbid it by now, as subs say;
 * DNS and the like: they could not be had. BUSY: the validator is away. On a worker; answers the request. */
typedef void recheck_done(struct acme_request *r, const struct err *e);

/* Whether one of the order's names needs it at this time. */
bool recheck_is_due(const struct store_order *order, int64_t now_ms);
/* Asks the validator for all that are due, a few at a time, while the request is parked; no thread waits. Copies r, without its key. BUSY
 * when very many are under way: then the request stays the caller's. */
enum err_code recheck_begin(struct acme_request *r, const struct store_order *order, recheck_done *done, struct err *e) MUST_USE;

#endif
