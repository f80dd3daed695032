/* Chains beside the usual one (RFC 8555 §7.4.2): the same certificate, up to another root. */
#ifndef CHANCERY_SERVER_FRONT_CHAINS_H
#define CHANCERY_SERVER_FRONT_CHAINS_H

#include "base/arena.h"
#include "server/messages.h"
#include "server/settings.h"

#define CHAINS_MAX 4

/* The configured chains that serve a certificate whose usual chain this is (wire: DER certificates): their first certificate is for the
 * same issuer, by name and key. PEM as configured, in the configuration's order, at most CHAINS_MAX. Returns how many. */
size_t chains_for(struct arena *a, const struct settings *s, struct bytes chain, struct bytes ret[CHAINS_MAX]);
/* Raises an event for each configured chain that serves none of the issuers. */
void chains_tell_useless(const struct settings *s, const struct hello_ok *h);

#endif
