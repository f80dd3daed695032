#include "base/wire.h"

#include <errno.h>

static void put_integer(struct buf *b, uint64_t v, unsigned n)
{
	uint8_t raw[8];

	for (unsigned i = 0; i < n; i++)
		raw[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
	buf_add(b, (struct bytes){ raw, n });
}

void wire_put_u8(struct buf *b, uint8_t v)
{
	buf_add_u8(b, v);
}

void wire_put_u16(struct buf *b, uint16_t v)
{
	put_integer(b, v, 2);
}

void wire_put_u32(struct buf *b, uint32_t v)
{
	put_integer(b, v, 4);
}

void wire_put_u64(struct buf *b, uint64_t v)
{
	put_integer(b, v, 8);
}

void wire_put_bytes(struct buf *b, struct bytes v)
{
	if (v.len > UINT32_MAX) {
		b->failed = true;
		return;
	}
	wire_put_u32(b, (uint32_t)v.len);
	buf_add(b, v);
}

void wire_put_fixed(struct buf *b, struct bytes v)
{
	buf_add(b, v);
}

struct wire wire_of(struct bytes in)
{
	return (struct wire){ .rest = in };
}

struct bytes wire_fixed(struct wire *w, size_t n)
{
	if (w->failed || n > w->rest.len) {
		w->failed = true;
		return (struct bytes){ (const uint8_t *)"", 0 };
	}
	struct bytes v = { w->rest.ptr, n };
	if (!v.ptr)
		v.ptr = (const uint8_t *)"";
	w->rest = bytes_slice(w->rest, n, w->rest.len);
	return v;
}

static uint64_t get_integer(struct wire *w, size_t n)
{
	struct bytes raw = wire_fixed(w, n);
	uint64_t v = 0;

	for (size_t i = 0; i < raw.len; i++)
		v = v << 8 | raw.ptr[i];
	return v;
}

uint8_t wire_u8(struct wire *w)
{
	return (uint8_t)get_integer(w, 1);
}

uint16_t wire_u16(struct wire *w)
{
	return (uint16_t)get_integer(w, 2);
}

uint32_t wire_u32(struct wire *w)
{
	return (uint32_t)get_integer(w, 4);
}

uint64_t wire_u64(struct wire *w)
{
	return get_integer(w, 8);
}

struct bytes wire_bytes(struct wire *w, size_t max)
{
	size_t n = wire_u32(w);

	if (n > max)
		w->failed = true;
	return wire_fixed(w, n);
}

enum err_code wire_end(const struct wire *w, const char *what, struct err *e)
{
	errno = 0;
	if (w->failed)
		FAIL(e, MALFORMED, "%s is cut short or has a field that is too long", what);
	if (w->rest.len)
		FAIL(e, MALFORMED, "%s has %zu bytes too many at its end", what, w->rest.len);
	return ERR_OK;
}
