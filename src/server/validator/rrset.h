/* What a receipt says of the records that it rests on: their digest. */
#ifndef CHANCERY_SERVER_VALIDATOR_RRSET_H
#define CHANCERY_SERVER_VALIDATOR_RRSET_H

#include "base/bytes.h"

#define RRSET_RECORDS_MAX 100

/* SHA-256 over the rdata in ascending order, each behind its length of 32 bits: the order of an answer means nothing. Sorts.
 * At most RRSET_RECORDS_MAX of them: whoever takes an answer has refused more. */
void rrset_digest(struct bytes *rdata, size_t n, uint8_t out[32]);

#endif
