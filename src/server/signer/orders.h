/* Which orders have their certificate: one for an order id, ever (DESIGN §2). An order id carries its own time, and none is
 * taken that is older than an order may be; so only the ids of the last hours need to be known, and a whole hour is forgotten at
 * once. Rebuilt from the log at each start. */
#ifndef CHANCERY_SERVER_SIGNER_ORDERS_H
#define CHANCERY_SERVER_SIGNER_ORDERS_H

#include "server/signer/record.h"

/* Room for the longest order lifetime (8 h) and the clock's skew on both sides. */
#define ORDERS_HOURS    16
#define ORDERS_PER_HOUR (1u << 22) /* most orders of one hour: past it the signer is busy, it never forgets */

struct order_done {
	uint8_t order[ORDER_ID_SIZE];
	uint8_t csr_digest[SHA256_SIZE];
	uint32_t segment; /* where the RESULT is; 0: an empty place */
	uint64_t offset;
};

struct orders;
struct orders *orders_new(void) MUST_USE;
void orders_free(struct orders *o);
DEFINE_CLEANUP(struct orders *, orders_free);

/* NULL when the order has no certificate. Valid until the next call. */
const struct order_done *orders_find(const struct orders *o, const uint8_t order[ORDER_ID_SIZE]);
/* Makes room for n more orders of this id's hour: BUSY when the hour is full, NOMEM. Asked before anything is signed, so that
 * orders_add() cannot fail afterwards. */
enum err_code orders_reserve(struct orders *o, const uint8_t order[ORDER_ID_SIZE], size_t n, struct err *e) MUST_USE;
/* Room must be reserved. An id that is known already stays what it was. */
void orders_add(struct orders *o, const struct order_done *d);
size_t orders_count(const struct orders *o);

#endif
