#include "server/admin/tar.h"

#include <stdio.h>
#include <string.h>

/* Fields of the head: where, and how many bytes. */
enum {
	NAME = 0,
	MODE = 100,
	UID = 108,
	GID = 116,
	SIZE = 124,
	MTIME = 136,
	SUM = 148,
	TYPE = 156,
	MAGIC = 257,
	UNAME = 265,
	GNAME = 297,
	PREFIX = 345,
	SHORT = 8,
	LONG = 12,
	OWNER = 32,
};
#define OCTAL_MAX ((UINT64_C(1) << 33) - 1) /* what eleven digits hold */

static void put_octal(uint8_t *out, size_t width, uint64_t v)
{
	for (size_t i = width - 1; i-- > 0; v >>= 3)
		out[i] = (uint8_t)('0' + (v & 7));
	out[width - 1] = 0;
}

static void put_size(uint8_t *out, uint64_t v)
{
	if (v <= OCTAL_MAX) {
		put_octal(out, LONG, v);
		return;
	}
	memset(out, 0, LONG);
	out[0] = 0x80;
	for (size_t i = LONG; i-- > 4; v >>= 8)
		out[i] = (uint8_t)v;
}

/* Of all bytes, those of the sum itself taken as spaces. */
static unsigned sum(const uint8_t in[TAR_BLOCK])
{
	unsigned n = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++)
		n += i >= SUM && i < SUM + SHORT ? ' ' : in[i];
	return n;
}

void tar_head_write(const struct tar_entry *t, uint8_t out[TAR_BLOCK])
{
	memset(out, 0, TAR_BLOCK);
	memcpy(out + NAME, t->path, strnlen(t->path, TAR_PATH_MAX));
	put_octal(out + MODE, SHORT, t->mode & 07777);
	put_octal(out + UID, SHORT, 0);
	put_octal(out + GID, SHORT, 0);
	put_size(out + SIZE, t->size);
	put_octal(out + MTIME, LONG, t->time_s > 0 ? (uint64_t)t->time_s & OCTAL_MAX : 0);
	out[TYPE] = '0';
	memcpy(out + MAGIC,
	    "ustar\0"
	    "00",
	    8);
	memcpy(out + UNAME, t->owner, strnlen(t->owner, OWNER - 1));
	memcpy(out + GNAME, t->owner, strnlen(t->owner, OWNER - 1));
	put_octal(out + SUM, SHORT - 1, sum(out));
	out[SUM + SHORT - 1] = ' ';
}

/* Digits, then a NUL or space. */
static bool get_octal(const uint8_t *in, size_t width, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < width && in[i] >= '0' && in[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(in[i] - '0');
	if (i == 0 || i == width || (in[i] != 0 && in[i] != ' '))
		return false;
	*ret = v;
	return true;
}

static bool get_size(const uint8_t *in, uint64_t *ret)
{
	uint64_t v = 0;

	if (in[0] != 0x80)
		return get_octal(in, LONG, ret);
	if (in[1] || in[2] || in[3] || in[4] & 0x80)
		return false;
	for (size_t i = 4; i < LONG; i++)
		v = v << 8 | in[i];
	*ret = v;
	return true;
}

/* A text that ends within its field. */
static bool get_text(const uint8_t *in, size_t width, char *out)
{
	size_t n = strnlen((const char *)in, width);

	if (n == width)
		return false;
	memcpy(out, in, n + 1);
	return true;
}

enum err_code tar_head_read(const uint8_t in[TAR_BLOCK], struct tar_entry *ret, struct err *e)
{
	static const uint8_t zeros[TAR_BLOCK];
	struct tar_entry t = { .size = 0 };
	uint64_t mode, time_s, stored;

	if (memcmp(in, zeros, sizeof zeros) == 0)
		FAIL(e, NOT_FOUND, "the archive ends");
	if (memcmp(in + MAGIC, "ustar", 5) != 0 || !get_octal(in + SUM, SHORT, &stored) || stored != sum(in))
		FAIL(e, MALFORMED, "this is no tar archive, or it is damaged");
	if (in[TYPE] != '0' || in[PREFIX] != 0 || !get_text(in + NAME, TAR_PATH_MAX + 1, t.path) || !get_text(in + UNAME, OWNER, t.owner) ||
	    !get_octal(in + MODE, SHORT, &mode) || !get_octal(in + MTIME, LONG, &time_s) || !get_size(in + SIZE, &t.size))
		FAIL(e, MALFORMED, "the archive has something that chancery-ca does not write");
	t.mode = (uint32_t)mode;
	t.time_s = (int64_t)time_s;
	*ret = t;
	return ERR_OK;
}

size_t tar_padding(uint64_t size)
{
	return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}
