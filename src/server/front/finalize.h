/* Issuance as the front drives it: the evidence to the signer, the certificate to the store. */
#ifndef CHANCERY_SERVER_FRONT_FINALIZE_H
#define CHANCERY_SERVER_FRONT_FINALIZE_H

#include "server/front/front.h"

/* Asks the signer for the certificate of an order and stores it. The order's finalize request is given. On success *order is
 * what the store now holds. CLOSED, TIMEOUT or BUSY: the signer could not be asked or did not answer; it may have issued: asking again
 * with the same request brings the same certificate. */
enum err_code finalize_order(struct front *f, struct arena *a, struct store_order *order, struct bytes finalize, struct err *e) MUST_USE;
/* Drives on the orders that stayed in processing; a worker's job, begun when the signer has come (back). */
void finalize_processing(void *front);

#endif
