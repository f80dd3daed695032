/* Spans and bounded growable buffers. A length always travels with its pointer. */
#ifndef CHANCERY_BASE_BYTES_H
#define CHANCERY_BASE_BYTES_H

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A read-only view; owns nothing. ptr == NULL means absent, which is not the same as empty. */
struct bytes {
	const uint8_t *ptr;
	size_t len;
};

#define BYTES_LIT(s)   ((struct bytes){ (const uint8_t *)("" s ""), sizeof(s) - 1 })
#define BYTES_NONE     ((struct bytes){ NULL, 0 })
#define BYTES_ARRAY(a) ((struct bytes){ (const uint8_t *)(a), sizeof(a) })
/* For printf: "%.*s", BYTES_FMT(b). Only for bytes already known to be printable. */
#define BYTES_FMT(b) (int)(b).len, (const char *)(b).ptr

/* Views a NUL-terminated string without its NUL; NULL gives BYTES_NONE. */
struct bytes bytes_str(const char *s);
/* Equality; not constant-time: secrets are compared by crypto_equal(). */
bool bytes_eq(struct bytes a, struct bytes b);
bool bytes_eq_str(struct bytes a, const char *s);
/* As memcmp on the common prefix, the shorter one first. */
int bytes_cmp(struct bytes a, struct bytes b);
bool bytes_starts_with(struct bytes a, struct bytes prefix);
bool bytes_ends_with(struct bytes a, struct bytes suffix);
/* The part from `from` up to, not including, `to`; clamped to a's length. */
struct bytes bytes_slice(struct bytes a, size_t from, size_t to);
/* Splits at the first `sep`: *ret_head is before it, *ret_tail after. False and outputs untouched when absent. */
bool bytes_split(struct bytes a, uint8_t sep, struct bytes *ret_head, struct bytes *ret_tail);

/* A growable buffer with a maximum fixed at birth. Bytes past the maximum, or without memory, are not added and
 * `failed` stays set: a writer adds freely and the owner looks at the flag once, by buf_ok(). */
struct buf {
	uint8_t *ptr;
	size_t len, cap, max;
	bool failed;
	bool secret; /* wiped when grown and freed */
};

/* A buffer that will hold at most `max` bytes; allocates nothing yet. */
struct buf buf_new(size_t max);
/* The same for secrets: its old memory is wiped before it is given back. */
struct buf buf_new_secret(size_t max);
void buf_free(struct buf *b);
/* For CLEANUP() on a struct buf. */
static inline void buf_free_p(struct buf *b)
{
	buf_free(b);
}
/* Forgets the content and the failure, keeps the memory. */
void buf_reset(struct buf *b);
bool buf_ok(const struct buf *b);
struct bytes buf_bytes(const struct buf *b);
void buf_add(struct buf *b, struct bytes in);
void buf_add_str(struct buf *b, const char *s);
void buf_add_u8(struct buf *b, uint8_t c);
void buf_add_fmt(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* Room for exactly n more bytes at the end, for a caller that fills it: then len has grown by n. NULL on failure. */
uint8_t *buf_extend(struct buf *b, size_t n);
/* Gives back the memory behind the content, of one that stays for long and is no secret. */
void buf_fit(struct buf *b);
/* Drops the first n bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);

#endif
