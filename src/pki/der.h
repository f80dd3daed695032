/* DER (X.690): a bounded reader that refuses whatever is not DER (indefinite or non-minimal lengths, high tag numbers), and a
 * writer. Nothing here allocates but through the buf. */
#ifndef CHANCERY_PKI_DER_H
#define CHANCERY_PKI_DER_H

#include "base/err.h"

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_UTF8_STRING = 0x0c,
	DER_PRINTABLE_STRING = 0x13,
	DER_IA5_STRING = 0x16,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};
#define DER_CONTEXT(n)             (0x80 | (n)) /* [n] IMPLICIT of a primitive */
#define DER_CONTEXT_CONSTRUCTED(n) (0xa0 | (n))

/* Reader: like struct wire, a failure sticks and is asked for once. */
struct der {
	struct bytes rest;
	bool failed;
};
struct der der_of(struct bytes in);
bool der_more(const struct der *d);
/* The tag of the next element, or -1 at the end. */
int der_peek(const struct der *d);
/* The next element's content; fails unless its tag is `tag`. */
struct bytes der_get(struct der *d, int tag);
/* The next element with header, whatever its tag. */
struct bytes der_get_element(struct der *d);
/* Enters the next element (SEQUENCE, SET, explicit tag) and returns a reader of its content; failure of the child must be
 * looked at on the child. */
struct der der_enter(struct der *d, int tag);
/* Non-negative INTEGER as big-endian magnitude without leading zeros (zero is one 0x00 byte); negatives fail. */
struct bytes der_get_unsigned(struct der *d);
bool der_get_bool(struct der *d); /* 0x00 or 0xff and nothing else */
/* BIT STRING of whole bytes. */
struct bytes der_get_bits(struct der *d);
/* UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 allows them (Z, seconds, no fraction; UTCTime before 2050). */
int64_t der_get_time(struct der *d);
enum err_code der_end(const struct der *d, enum err_code code, const char *what, struct err *e) MUST_USE;

/* Writer: constructed elements are opened and closed; the length is put in when it is closed. */
struct der_mark {
	size_t at;
};
struct der_mark der_open(struct buf *b, int tag);
void der_close(struct buf *b, struct der_mark m);
void der_put(struct buf *b, int tag, struct bytes content);
void der_put_hex(struct buf *b, const char *hex); /* a constant element from its hex */
void der_put_oid(struct buf *b, const char *content_hex);
/* From its dotted form, arcs of at most 32 bits; what is none makes the buf fail. */
void der_put_oid_text(struct buf *b, struct bytes dotted);
void der_put_unsigned(struct buf *b, struct bytes big_endian); /* strips leading zeros, adds one where the top bit needs it */
void der_put_u64(struct buf *b, uint64_t v);
void der_put_bool(struct buf *b, bool v);
void der_put_bits(struct buf *b, struct bytes content); /* whole bytes, zero unused bits */
void der_put_time(struct buf *b, int64_t unix_s);       /* UTCTime before 2050, then GeneralizedTime */

#endif
