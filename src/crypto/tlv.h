/* The few pieces of DER (X.690) that keys and signatures need, with definite lengths up to 65535. The whole of DER lives in
 * src/pki, which stands on this room. Private to this room. */
#ifndef CHANCERY_CRYPTO_TLV_H
#define CHANCERY_CRYPTO_TLV_H

#include "base/bytes.h"

#define TLV_INTEGER    0x02
#define TLV_BIT_STRING 0x03
#define TLV_SEQUENCE   0x30

/* Bytes of tag and length before `len` bytes of content (len <= 65535). */
size_t tlv_head_size(size_t len);
/* Writes them; gives the place behind. */
uint8_t *tlv_put_head(uint8_t *out, uint8_t tag, size_t len);
/* Bytes of a whole INTEGER for an unsigned big-endian number; leading zeros do not count. */
size_t tlv_uint_size(struct bytes magnitude);
uint8_t *tlv_put_uint(uint8_t *out, struct bytes magnitude);

/* Takes one element with this tag off *in. False, with both untouched, when it is not there in its only DER form. */
bool tlv_take(struct bytes *in, uint8_t tag, struct bytes *ret_content);
/* Takes a non-negative INTEGER off *in: its magnitude without leading zeros; zero is one zero byte. */
bool tlv_take_uint(struct bytes *in, struct bytes *ret_magnitude);

#endif
