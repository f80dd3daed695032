/* The columns that hold several fields, in wire form (base/wire.h). Readers take whatever bytes there are: STORE when they are
 * not what the writer makes. */
#ifndef CHANCERY_SERVER_STORE_ENCODE_H
#define CHANCERY_SERVER_STORE_ENCODE_H

#include "base/wire.h"
#include "server/store/store.h"

#define ENCODE_TEXT_MAX 65536 /* one token, problem or name */

/* For each: u8 type, u8 1 for a wildcard, bytes value. Their number is known elsewhere. */
void encode_identifiers(const struct identifier *v, size_t n, struct buf *out);
enum err_code decode_identifiers(struct bytes in, struct identifier *v, size_t n, struct err *e) MUST_USE;

/* u8 number; for each: u8 type, u8 state, bytes token, u64 validated_s, bytes problem. */
void encode_challenges(const struct store_challenge *v, size_t n, struct buf *out);
enum err_code decode_challenges(struct bytes in, struct store_challenge v[STORE_CHALLENGES_MAX], size_t *ret_n, struct err *e) MUST_USE;

#endif
