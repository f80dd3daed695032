/* Hex and base64url (RFC 4648 §5, no padding, canonical only), and random bytes. */
#ifndef CHANCERY_BASE_CODEC_H
#define CHANCERY_BASE_CODEC_H

#include "base/arena.h"
#include "base/err.h"

/* Characters that n bytes take, without a NUL. */
#define HEX_LEN(n)       ((n)*2)
#define BASE64URL_LEN(n) (((size_t)(n)*4 + 2) / 3)

void hex_encode(struct bytes in, char *out); /* lower case; writes HEX_LEN(in.len) characters and a NUL */
enum err_code hex_decode(struct bytes in, uint8_t *out, size_t out_len, struct err *e) MUST_USE; /* exactly out_len */

void base64url_encode(struct bytes in, char *out); /* writes BASE64URL_LEN(in.len) characters and a NUL */
void base64url_add(struct buf *b, struct bytes in);
/* Refuses padding, white space, other alphabets and non-zero trailing bits (RFC 7515 §2, RFC 4648 §3.5). */
enum err_code base64url_decode(struct arena *a, struct bytes in, struct bytes *ret, struct err *e) MUST_USE;
/* The same into a fixed place: exactly out_len bytes or MALFORMED. */
enum err_code base64url_decode_fixed(struct bytes in, uint8_t *out, size_t out_len, struct err *e) MUST_USE;
/* Whether every character is of the base64url alphabet and there is at least one (a challenge token, RFC 8555 §8). */
bool base64url_is(struct bytes in);

/* Standard base64 with padding, for PEM: lines of 64 characters between the label's armour. */
void pem_add(struct buf *b, const char *label, struct bytes der);
/* The DER of the next block with this label at or after *text, which then points behind it. NOT_FOUND when none. */
enum err_code pem_next(struct arena *a, struct bytes *text, const char *label, struct bytes *ret_der, struct err *e) MUST_USE;

/* From the kernel's generator; ends the program when the kernel has none to give. */
void random_bytes(void *out, size_t n);

#endif
