#include "pki/der.h"

#include "base/clock.h"

#include <string.h>

#define LENGTH_BYTES_MAX 4 /* of a long form length: nothing that is read here comes near 4 GiB */

/* ---- reader ---- */

struct der der_of(struct bytes in)
{
	return (struct der){ .rest = in };
}

bool der_more(const struct der *d)
{
	return !d->failed && d->rest.len > 0;
}

int der_peek(const struct der *d)
{
	return der_more(d) ? d->rest.ptr[0] : -1;
}

/* X.690 §10.1: the definite form in the fewest octets. False for anything else, or past the end. */
static bool read_length(struct bytes in, size_t *at, size_t *ret)
{
	if (*at >= in.len)
		return false;
	uint8_t first = in.ptr[(*at)++];
	if (first < 0x80) {
		*ret = first;
		return true;
	}
	size_t n = first & 0x7fu, v = 0;
	if (n == 0 || n > LENGTH_BYTES_MAX || in.len - *at < n || in.ptr[*at] == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | in.ptr[(*at)++];
	*ret = v;
	return v >= 0x80;
}

/* Takes the next element off the rest. Outputs may be NULL. */
static bool next(struct der *d, int *ret_tag, struct bytes *ret_element, struct bytes *ret_content)
{
	size_t at = 1, len = 0;

	if (!der_more(d)) {
		d->failed = true;
		return false;
	}
	int tag = d->rest.ptr[0];
	/* 0x1f announces a tag number of 31 or more in further octets: no structure that is read here has one. */
	if ((tag & 0x1f) == 0x1f || !read_length(d->rest, &at, &len) || d->rest.len - at < len) {
		d->failed = true;
		return false;
	}
	*ret_tag = tag;
	*ret_element = (struct bytes){ d->rest.ptr, at + len };
	*ret_content = (struct bytes){ d->rest.ptr + at, len };
	d->rest.ptr += at + len;
	d->rest.len -= at + len;
	return true;
}

struct bytes der_get(struct der *d, int tag)
{
	struct bytes element, content;
	int found;

	if (der_peek(d) != tag || !next(d, &found, &element, &content)) {
		d->failed = true;
		return BYTES_NONE;
	}
	return content;
}

struct bytes der_get_element(struct der *d)
{
	struct bytes element, content;
	int found;

	return next(d, &found, &element, &content) ? element : BYTES_NONE;
}

struct der der_enter(struct der *d, int tag)
{
	struct bytes content = der_get(d, tag);

	/* A child of what was not there has failed as well: its reader need not ask both. */
	return (struct der){ .rest = content, .failed = d->failed };
}

struct bytes der_get_unsigned(struct der *d)
{
	struct bytes v = der_get(d, DER_INTEGER);

	if (d->failed)
		return BYTES_NONE;
	/* X.690 §8.3.2: the first nine bits are not all alike; here the first is zero, as negatives are refused. */
	if (v.len == 0 || (v.ptr[0] & 0x80) || (v.len > 1 && v.ptr[0] == 0 && !(v.ptr[1] & 0x80))) {
		d->failed = true;
		return BYTES_NONE;
	}
	if (v.len > 1 && v.ptr[0] == 0)
		v = (struct bytes){ v.ptr + 1, v.len - 1 };
	return v;
}

bool der_get_bool(struct der *d)
{
	struct bytes v = der_get(d, DER_BOOLEAN);

	if (d->failed)
		return false;
	if (v.len != 1 || (v.ptr[0] != 0x00 && v.ptr[0] != 0xff)) { /* X.690 §11.1 */
		d->failed = true;
		return false;
	}
	return v.ptr[0] == 0xff;
}

struct bytes der_get_bits(struct der *d)
{
	struct bytes v = der_get(d, DER_BIT_STRING);

	if (d->failed)
		return BYTES_NONE;
	if (v.len == 0 || v.ptr[0] != 0) {
		d->failed = true;
		return BYTES_NONE;
	}
	return (struct bytes){ v.ptr + 1, v.len - 1 };
}

/* n decimal digits at *at; -1 when one of them is none. */
static int digits(struct bytes in, size_t *at, size_t n)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = in.ptr[(*at)++];
		if (c < '0' || c > '9')
			return -1;
		v = v * 10 + (c - '0');
	}
	return v;
}

/* RFC 5280 §4.1.2.5.1: YYMMDDHHMMSSZ, years 1950 to 2049; §4.1.2.5.2: YYYYMMDDHHMMSSZ, and since dates before 2050 MUST be
 * UTCTime, only from then on. */
static bool read_time(struct bytes in, bool utc, int64_t *ret)
{
	size_t at = 0;
	struct civil c;

	if (in.len != (utc ? 13u : 15u) || in.ptr[in.len - 1] != 'Z')
		return false;
	c.year = digits(in, &at, utc ? 2 : 4);
	c.month = digits(in, &at, 2);
	c.day = digits(in, &at, 2);
	c.hour = digits(in, &at, 2);
	c.minute = digits(in, &at, 2);
	c.second = digits(in, &at, 2);
	if (c.year < 0 || c.month < 0 || c.day < 0 || c.hour < 0 || c.minute < 0 || c.second < 0)
		return false;
	if (utc)
		c.year += c.year >= 50 ? 1900 : 2000;
	else if (c.year < 2050)
		return false;
	return civil_to_unix(c, ret);
}

int64_t der_get_time(struct der *d)
{
	bool utc = der_peek(d) == DER_UTC_TIME;
	struct bytes v = der_get(d, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME);
	int64_t t = 0;

	if (d->failed || !read_time(v, utc, &t)) {
		d->failed = true;
		return 0;
	}
	return t;
}

enum err_code der_end(const struct der *d, enum err_code code, const char *what, struct err *e)
{
	if (d->failed)
		return err_set(e, code, __FILE__, __LINE__, "%s is not the DER structure that it should be", what);
	if (d->rest.len > 0)
		return err_set(e, code, __FILE__, __LINE__, "%s has %zu bytes more than its DER structure", what, d->rest.len);
	return ERR_OK;
}

/* ---- writer ---- */

struct der_mark der_open(struct buf *b, int tag)
{
	buf_add_u8(b, (uint8_t)tag);
	buf_add_u8(b, 0); /* the short length's place; der_close() makes room for a longer one */
	return (struct der_mark){ b->len };
}

/* The octets of a length; returns how many. */
static size_t length_octets(size_t len, uint8_t out[1 + sizeof(size_t)])
{
	size_t n = 0;

	if (len < 0x80) {
		out[0] = (uint8_t)len;
		return 1;
	}
	for (size_t v = len; v > 0; v >>= 8)
		n++;
	out[0] = (uint8_t)(0x80 | n);
	for (size_t i = 0; i < n; i++)
		out[1 + i] = (uint8_t)(len >> 8 * (n - 1 - i));
	return 1 + n;
}

void der_close(struct buf *b, struct der_mark m)
{
	uint8_t octets[1 + sizeof(size_t)];

	if (!buf_ok(b))
		return;
	size_t len = b->len - m.at, n = length_octets(len, octets);
	if (n > 1) {
		if (!buf_extend(b, n - 1))
			return;
		memmove(b->ptr + m.at + n - 1, b->ptr + m.at, len);
	}
	memcpy(b->ptr + m.at - 1, octets, n);
}

void der_put(struct buf *b, int tag, struct bytes content)
{
	uint8_t octets[1 + sizeof(size_t)];

	buf_add_u8(b, (uint8_t)tag);
	buf_add(b, (struct bytes){ octets, length_octets(content.len, octets) });
	buf_add(b, content);
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

void der_put_hex(struct buf *b, const char *hex)
{
	for (; *hex; hex += 2) {
		int high = nibble(hex[0]), low = high < 0 ? -1 : nibble(hex[1]);
		if (low < 0) {
			b->failed = true; /* a constant of ours is wrong: nothing must come of it */
			return;
		}
		buf_add_u8(b, (uint8_t)(high << 4 | low));
	}
}

void der_put_oid(struct buf *b, const char *content_hex)
{
	struct der_mark m = der_open(b, DER_OID);

	der_put_hex(b, content_hex);
	der_close(b, m);
}

/* X.690 §8.19.2: base 128, the high bit set in all octets but the last. */
static void put_arc(struct buf *b, uint64_t v)
{
	unsigned shift = 63;

	while (shift >= 7 && v >> shift == 0)
		shift -= 7;
	for (; shift > 0; shift -= 7)
		buf_add_u8(b, (uint8_t)(0x80 | (v >> shift & 0x7f)));
	buf_add_u8(b, (uint8_t)(v & 0x7f));
}

void der_put_oid_text(struct buf *b, struct bytes dotted)
{
	struct der_mark m = der_open(b, DER_OID);
	uint64_t first = 0, v = 0;
	size_t arcs = 0, digits = 0;

	for (size_t i = 0; i <= dotted.len; i++) {
		uint8_t c = i < dotted.len ? dotted.ptr[i] : '.';
		if (c >= '0' && c <= '9' && digits < 10) {
			v = v * 10 + (uint64_t)(c - '0');
			digits++;
			continue;
		}
		if (c != '.' || digits == 0 || v > UINT32_MAX || (arcs == 0 && v > 2) || (arcs == 1 && first < 2 && v > 39))
			b->failed = true;
		if (arcs == 0)
			first = v;
		else
			put_arc(b, arcs == 1 ? 40 * first + v : v); /* the first two share a number (§8.19.4) */
		arcs++;
		v = digits = 0;
	}
	if (arcs < 2)
		b->failed = true;
	der_close(b, m);
}

void der_put_unsigned(struct buf *b, struct bytes v)
{
	while (v.len > 0 && v.ptr[0] == 0) {
		v.ptr++;
		v.len--;
	}
	struct der_mark m = der_open(b, DER_INTEGER);
	if (v.len == 0 || (v.ptr[0] & 0x80))
		buf_add_u8(b, 0);
	buf_add(b, v);
	der_close(b, m);
}

void der_put_u64(struct buf *b, uint64_t v)
{
	uint8_t be[8];

	for (size_t i = 0; i < sizeof be; i++)
		be[i] = (uint8_t)(v >> 8 * (7 - i));
	der_put_unsigned(b, BYTES_ARRAY(be));
}

void der_put_bool(struct buf *b, bool v)
{
	uint8_t octet = v ? 0xff : 0x00;

	der_put(b, DER_BOOLEAN, (struct bytes){ &octet, 1 });
}

void der_put_bits(struct buf *b, struct bytes content)
{
	struct der_mark m = der_open(b, DER_BIT_STRING);

	buf_add_u8(b, 0);
	buf_add(b, content);
	der_close(b, m);
}

static void put_two(uint8_t *text, size_t *n, int v)
{
	text[(*n)++] = (uint8_t)('0' + v / 10);
	text[(*n)++] = (uint8_t)('0' + v % 10);
}

/* Without a format: a revocation list has a time for each entry, and is made for each revocation. */
void der_put_time(struct buf *b, int64_t unix_s)
{
	struct civil c = civil_from_unix(unix_s);

	/* RFC 5280 §4.1.2.5: neither form says a year before 1950 or after 9999. */
	if (c.year < 1950 || c.year > 9999) {
		b->failed = true;
		return;
	}
	bool utc = c.year < 2050;
	uint8_t text[15];
	size_t n = 0;
	if (!utc)
		put_two(text, &n, c.year / 100);
	const int two[] = { c.year % 100, c.month, c.day, c.hour, c.minute, c.second };
	for (size_t i = 0; i < sizeof two / sizeof *two; i++)
		put_two(text, &n, two[i]);
	text[n++] = 'Z';
	der_put(b, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, (struct bytes){ text, n });
}
