/* What a client asks to have certified: read, normalised, and held against a profile. */
#ifndef CHANCERY_SERVER_FRONT_IDENTIFIERS_H
#define CHANCERY_SERVER_FRONT_IDENTIFIERS_H

#include "server/front/request.h"

/* One identifier object. When it is refused, *sub says so for it alone (RFC 8555 §6.7.1); when it is no identifier at all, sub stays
 * empty. */
enum err_code identifier_read(struct acme_request *r, const struct profile *p, struct bytes text, struct identifier *ret,
    struct err_sub *sub, struct err *e) MUST_USE;
/* newOrder's array: sorted, without duplicates, in the arena. Of several, all that are refused are named in e's subproblems. */
enum err_code identifiers_read(
    struct acme_request *r, const struct profile *p, struct bytes array, struct identifier **ret, size_t *ret_n, struct err *e) MUST_USE;

#endif
