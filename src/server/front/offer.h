/* By which challenges control of an identifier may be shown, and the authorizations that offer them. */
#ifndef CHANCERY_SERVER_FRONT_OFFER_H
#define CHANCERY_SERVER_FRONT_OFFER_H

#include "server/front/request.h"

/* The profile of this name, without a name the first; INVALID_PROFILE with those that there are. */
enum err_code profile_find(const struct settings *s, struct bytes name, const struct profile **ret, struct err *e) MUST_USE;

/* The challenge types that cover the identifier, that the profile allows and that are not off, a bit each (1u << type). */
uint32_t challenges_offered(const struct profile *p, uint32_t off, const struct identifier *id);

/* Fills pending authorizations for the n identifiers: ids, challenges, tokens. Account, order and expires_s are like *as. BUSY when
 * there are no tokens in stock. */
enum err_code authzs_make(struct acme_request *r, const struct profile *p, const struct store_authz *as, const struct identifier *ids,
    size_t n, struct store_authz *out, struct err *e) MUST_USE;

#endif
