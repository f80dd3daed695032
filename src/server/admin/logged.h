/* What the log holds of one certificate, taken apart: the order as its client asked for it, the account, the certificate. Nothing here looks
 * at signatures: the signer did before it logged, and the log's chain vouches for it since. */
#ifndef CHANCERY_SERVER_ADMIN_LOGGED_H
#define CHANCERY_SERVER_ADMIN_LOGGED_H

#include "server/signer/record.h"
#include "server/store/mirror.h"

struct logged {
	struct store_certificate certificate; /* chain empty */
	struct bytes issuer_key_id;
	struct store_order order;     /* valid, of this certificate */
	struct store_authz *authz;    /* one for each identifier: over, with the challenge that the receipt is of */
	struct store_account account; /* valid, with the key that asked; what only the database knows is empty */
	bool replaces;
	uint8_t replaced[STORE_SERIAL];
};
/* i: a client's INTENT; certificate: its RESULT's. All memory is the arena's or a view into both. MALFORMED: a record that the signer would not
 * have written. */
enum err_code logged_read(struct arena *a, const struct intent *i, struct bytes certificate, int64_t order_lifetime_s, struct logged *ret,
    struct err *e) MUST_USE;

#endif
