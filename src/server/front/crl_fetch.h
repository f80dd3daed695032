/* A revocation list from the signer: it is larger than a message, so it comes in parts. */
#ifndef CHANCERY_SERVER_FRONT_CRL_FETCH_H
#define CHANCERY_SERVER_FRONT_CRL_FETCH_H

#include "server/front/peer.h"

/* The newest list of the issuer, whole. Blocks: for a worker. BUSY when the signer makes new ones faster than they are fetched. */
enum err_code crl_fetch(
    struct peer *signer, const struct crl_new *wanted, struct buf *ret_der, uint64_t *ret_number, struct err *e) MUST_USE;

#endif
