#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_CAPACITY 256

void close_p(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

struct bytes bytes_str(const char *s)
{
	return s ? (struct bytes){ (const uint8_t *)s, strlen(s) } : BYTES_NONE;
}

bool bytes_eq(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool bytes_eq_str(struct bytes a, const char *s)
{
	return bytes_eq(a, bytes_str(s));
}

int bytes_cmp(struct bytes a, struct bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.ptr, b.ptr, n) : 0;

	return c ? c : (a.len > b.len) - (a.len < b.len);
}

bool bytes_starts_with(struct bytes a, struct bytes prefix)
{
	return a.len >= prefix.len && bytes_eq(bytes_slice(a, 0, prefix.len), prefix);
}

bool bytes_ends_with(struct bytes a, struct bytes suffix)
{
	return a.len >= suffix.len && bytes_eq(bytes_slice(a, a.len - suffix.len, a.len), suffix);
}

struct bytes bytes_slice(struct bytes a, size_t from, size_t to)
{
	to = to < a.len ? to : a.len;
	from = from < to ? from : to;
	return (struct bytes){ a.ptr ? a.ptr + from : NULL, to - from };
}

bool bytes_split(struct bytes a, uint8_t sep, struct bytes *ret_head, struct bytes *ret_tail)
{
	const uint8_t *p = a.len ? memchr(a.ptr, sep, a.len) : NULL;

	if (!p)
		return false;
	size_t at = (size_t)(p - a.ptr);
	*ret_head = bytes_slice(a, 0, at);
	*ret_tail = bytes_slice(a, at + 1, a.len);
	return true;
}

struct buf buf_new(size_t max)
{
	return (struct buf){ .max = max };
}

struct buf buf_new_secret(size_t max)
{
	return (struct buf){ .max = max, .secret = true };
}

static void give_back(uint8_t *p, size_t n, bool secret)
{
	if (p && secret)
		explicit_bzero(p, n);
	free(p);
}

void buf_free(struct buf *b)
{
	give_back(b->ptr, b->cap, b->secret);
	*b = (struct buf){ .max = b->max, .secret = b->secret };
}

void buf_reset(struct buf *b)
{
	if (b->ptr && b->secret)
		explicit_bzero(b->ptr, b->cap);
	b->len = 0;
	b->failed = false;
}

bool buf_ok(const struct buf *b)
{
	return !b->failed;
}

struct bytes buf_bytes(const struct buf *b)
{
	return (struct bytes){ b->ptr ? b->ptr : (const uint8_t *)"", b->len };
}

/* Not realloc: it might leave a secret behind in memory that we no longer own. need <= max. */
static bool grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : FIRST_CAPACITY;

	while (cap < need)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	cap = cap < b->max ? cap : b->max;
	uint8_t *p = malloc(cap ? cap : 1);
	if (!p)
		return false;
	if (b->len)
		memcpy(p, b->ptr, b->len);
	give_back(b->ptr, b->cap, b->secret);
	b->ptr = p;
	b->cap = cap;
	return true;
}

uint8_t *buf_extend(struct buf *b, size_t n)
{
	if (b->failed || n > b->max - b->len || ((b->len + n > b->cap || !b->ptr) && !grow(b, b->len + n))) {
		b->failed = true;
		return NULL;
	}
	uint8_t *p = b->ptr + b->len;
	b->len += n;
	return p;
}

void buf_fit(struct buf *b)
{
	uint8_t *p = b->secret || b->len == 0 || b->len == b->cap ? NULL : realloc(b->ptr, b->len);

	if (!p)
		return;
	b->ptr = p;
	b->cap = b->len;
}

void buf_add(struct buf *b, struct bytes in)
{
	uint8_t *p = in.len ? buf_extend(b, in.len) : NULL;

	if (p)
		memcpy(p, in.ptr, in.len);
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, bytes_str(s));
}

void buf_add_u8(struct buf *b, uint8_t c)
{
	buf_add(b, (struct bytes){ &c, 1 });
}

/* Through memory of its own, for vsnprintf writes a NUL that the buffer may have no room for. */
static PRINTF(3, 0) void add_formatted(struct buf *b, size_t n, const char *fmt, va_list ap)
{
	char *p = n <= b->max - b->len ? malloc(n + 1) : NULL;

	if (!p) {
		b->failed = true;
		return;
	}
	(void)vsnprintf(p, n + 1, fmt, ap);
	buf_add(b, (struct bytes){ (const uint8_t *)p, n });
	give_back((uint8_t *)p, n, b->secret);
}

void buf_add_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	size_t room = (b->cap < b->max ? b->cap : b->max) - b->len;

	if (b->failed)
		return;
	va_start(ap, fmt);
	va_copy(again, ap);
	/* Right behind the content, where it nearly always fits. */
	int n = vsnprintf(room ? (char *)b->ptr + b->len : NULL, room, fmt, ap);
	if (n < 0)
		b->failed = true;
	else if ((size_t)n < room)
		b->len += (size_t)n;
	else
		add_formatted(b, (size_t)n, fmt, again);
	va_end(again);
	va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
	if (n < b->len)
		memmove(b->ptr, b->ptr + n, b->len - n);
	b->len = n < b->len ? b->len - n : 0;
}
