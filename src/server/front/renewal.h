/* Renewals (RFC 9773): which certificate is meant, and whether it is time. */
#ifndef CHANCERY_SERVER_FRONT_RENEWAL_H
#define CHANCERY_SERVER_FRONT_RENEWAL_H

#include "acme/ari.h"
#include "server/front/request.h"

/* The certificate of this name (§4.1), if its issuer is the one that it names. MALFORMED for what is no such name, NOT_FOUND. */
enum err_code renewal_certificate(struct front *f, struct arena *a, struct bytes id, struct store_certificate *ret, struct err *e) MUST_USE;

struct renewal {
	struct ari_window window;
	struct bytes explanation; /* URL; empty: none */
};
/* What is suggested at this time (§4.2). */
struct renewal renewal_of(const struct settings *s, const struct store_certificate *c, int64_t now_s);

/* Whether the order is a renewal that was suggested when it was made: such are spared the rate limits. */
bool renewal_is_due(struct front *f, struct arena *a, const struct store_order *order);

#endif
