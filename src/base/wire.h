/* The canonical, length-prefixed encoding of everything that goes between our processes or into the log:
 * big-endian integers, and byte strings behind a 32-bit length. One value has one encoding. docs/protocol/ is normative. */
#ifndef CHANCERY_BASE_WIRE_H
#define CHANCERY_BASE_WIRE_H

#include "base/err.h"

void wire_put_u8(struct buf *b, uint8_t v);
void wire_put_u16(struct buf *b, uint16_t v);
void wire_put_u32(struct buf *b, uint32_t v);
void wire_put_u64(struct buf *b, uint64_t v);
void wire_put_bytes(struct buf *b, struct bytes v); /* u32 length, then the bytes */
void wire_put_fixed(struct buf *b, struct bytes v); /* the bytes alone: the reader knows how many */

/* A reader never reads past its end: after the first short read `failed` stays set and everything reads as zero or
 * empty, so that a decoder reads all its fields and asks once, by wire_end(). */
struct wire {
	struct bytes rest;
	bool failed;
};
struct wire wire_of(struct bytes in);
uint8_t wire_u8(struct wire *w);
uint16_t wire_u16(struct wire *w);
uint32_t wire_u32(struct wire *w);
uint64_t wire_u64(struct wire *w);
struct bytes wire_bytes(struct wire *w, size_t max); /* a view into the input; longer than max fails */
struct bytes wire_fixed(struct wire *w, size_t n);
/* MALFORMED unless every field was there and nothing is left over. `what` names the structure. */
enum err_code wire_end(const struct wire *w, const char *what, struct err *e) MUST_USE;

#endif
