#include "base/codec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void hex_encode(struct bytes in, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < in.len; i++) {
		*out++ = digits[in.ptr[i] >> 4];
		*out++ = digits[in.ptr[i] & 15];
	}
	*out = 0;
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum err_code hex_decode(struct bytes in, uint8_t *out, size_t out_len, struct err *e)
{
	errno = 0;
	if (in.len != HEX_LEN(out_len))
		FAIL(e, MALFORMED, "%zu hexadecimal digits are due, not %zu", HEX_LEN(out_len), in.len);
	for (size_t i = 0; i < in.len; i++)
		if (hex_value(in.ptr[i]) < 0)
			FAIL(e, MALFORMED, "a character that is no hexadecimal digit");
	for (size_t i = 0; i < out_len; i++)
		out[i] = (uint8_t)((unsigned)hex_value(in.ptr[2 * i]) << 4 | (unsigned)hex_value(in.ptr[2 * i + 1]));
	return ERR_OK;
}

static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char std_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Values of base64url's characters, 255 for all others. */
#define N    255
#define NROW N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N
static const uint8_t url_values[256] = { NROW, NROW, N, N, N, N, N, N, N, N, N, N, N, N, N, 62, N, N, 52, 53, 54, 55, 56, 57, 58, 59, 60,
	61, N, N, N, N, N, N, N, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, N, N, N, N,
	63, N, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, N, N, N, N, N, NROW,
	NROW, NROW, NROW, NROW, NROW, NROW, NROW };
#undef NROW
#undef N

/* Writes the characters of n <= 3 bytes: n + 1 of them. */
static char *encode_group(const char *alphabet, const uint8_t *in, size_t n, char *out)
{
	uint32_t v = (uint32_t)in[0] << 16 | (n > 1 ? (uint32_t)in[1] << 8 : 0) | (n > 2 ? in[2] : 0);

	for (size_t i = 0; i <= n; i++)
		*out++ = alphabet[v >> (18 - 6 * i) & 63];
	return out;
}

static void encode_url(struct bytes in, char *out)
{
	for (size_t i = 0; i < in.len; i += 3)
		out = encode_group(url_alphabet, in.ptr + i, in.len - i < 3 ? in.len - i : 3, out);
}

void base64url_encode(struct bytes in, char *out)
{
	encode_url(in, out);
	out[BASE64URL_LEN(in.len)] = 0;
}

void base64url_add(struct buf *b, struct bytes in)
{
	uint8_t *p = buf_extend(b, BASE64URL_LEN(in.len));

	if (p)
		encode_url(in, (char *)p);
}

/* Whether base64url can have been made of whole bytes, in the one way there is. */
static enum err_code check_url(struct bytes in, struct err *e)
{
	static const uint8_t unused_bits[4] = { 0, 0x3f, 0x0f, 0x03 };

	errno = 0;
	if (in.len > 0 && !base64url_is(in))
		FAIL(e, MALFORMED, "a character that is not of the base64url alphabet (no padding, no white space)");
	if (in.len % 4 == 1)
		FAIL(e, MALFORMED, "base64url of a length that no bytes have");
	if (in.len % 4 != 0 && (url_values[in.ptr[in.len - 1]] & unused_bits[in.len % 4]))
		FAIL(e, MALFORMED, "base64url that is not canonical: its last bits are not zero");
	return ERR_OK;
}

/* Decodes what was checked into in.len * 3 / 4 bytes. */
static void decode_url(struct bytes in, uint8_t *out)
{
	const uint8_t *p = in.ptr;
	size_t left = in.len;

	for (; left >= 4; left -= 4, p += 4) {
		uint32_t v = (uint32_t)url_values[p[0]] << 18 | (uint32_t)url_values[p[1]] << 12 | (uint32_t)url_values[p[2]] << 6 |
			     url_values[p[3]];
		*out++ = (uint8_t)(v >> 16);
		*out++ = (uint8_t)(v >> 8);
		*out++ = (uint8_t)v;
	}
	if (left >= 2)
		*out++ = (uint8_t)(url_values[p[0]] << 2 | url_values[p[1]] >> 4);
	if (left == 3)
		*out++ = (uint8_t)((url_values[p[1]] & 15) << 4 | url_values[p[2]] >> 2);
}

enum err_code base64url_decode(struct arena *a, struct bytes in, struct bytes *ret, struct err *e)
{
	TRY(check_url(in, e));
	size_t n = in.len / 4 * 3 + in.len % 4 * 3 / 4;
	uint8_t *out = arena_alloc(a, n);
	if (!out)
		FAIL(e, NOMEM, "no memory for base64url of %zu characters", in.len);
	decode_url(in, out);
	*ret = (struct bytes){ out, n };
	return ERR_OK;
}

enum err_code base64url_decode_fixed(struct bytes in, uint8_t *out, size_t out_len, struct err *e)
{
	errno = 0;
	if (in.len != BASE64URL_LEN(out_len))
		FAIL(e, MALFORMED, "%zu characters of base64url are due, not %zu", BASE64URL_LEN(out_len), in.len);
	TRY(check_url(in, e));
	decode_url(in, out);
	return ERR_OK;
}

bool base64url_is(struct bytes in)
{
	for (size_t i = 0; i < in.len; i++)
		if (url_values[in.ptr[i]] == 255)
			return false;
	return in.len > 0;
}

void pem_add(struct buf *b, const char *label, struct bytes der)
{
	buf_add_fmt(b, "-----BEGIN %s-----\n", label);
	for (size_t i = 0; i < der.len; i += 3) {
		size_t n = der.len - i < 3 ? der.len - i : 3;
		char group[4] = "====";
		encode_group(std_alphabet, der.ptr + i, n, group);
		if (n < 3)
			memset(group + n + 1, '=', 3 - n);
		buf_add(b, (struct bytes){ (const uint8_t *)group, 4 });
		if (i % 48 == 45 || i + n == der.len)
			buf_add_u8(b, '\n');
	}
	buf_add_fmt(b, "-----END %s-----\n", label);
}

static bool is_line_end(uint8_t c)
{
	return c == '\n' || c == '\r';
}

static bool is_white(uint8_t c)
{
	return is_line_end(c) || c == ' ' || c == '\t';
}

/* Where a line begins with `what`, or NULL. RFC 7468 §3: armour stands on lines of its own. */
static const uint8_t *find_line(struct bytes in, const char *what)
{
	size_t at = 0;

	while (at < in.len) {
		const uint8_t *p = memmem(in.ptr + at, in.len - at, what, strlen(what));
		if (!p || p == in.ptr || is_line_end(p[-1]))
			return p;
		at = (size_t)(p - in.ptr) + 1;
	}
	return NULL;
}

/* RFC 7468 §3, stricttextualmsg but for the lengths of the lines: no headers, padding at the very end, and the bits that no
 * byte uses are zero (RFC 4648 §3.5), so that one DER has one text. out has room for in.len bytes. */
static enum err_code decode_pem_body(struct bytes in, uint8_t *out, size_t *ret_len, struct err *e)
{
	uint32_t bits = 0;
	size_t n = 0, characters = 0, padding = 0;

	if (in.len == 0 || !is_white(in.ptr[0]))
		FAIL(e, MALFORMED, "a PEM block with something behind its label");
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.ptr[i];
		if (is_white(c))
			continue;
		uint8_t v = c == '+' ? 62 : c == '/' ? 63 : c == '-' || c == '_' ? 255 : url_values[c];
		if ((v == 255 && c != '=') || (c != '=' && padding))
			FAIL(e, MALFORMED, "a PEM block with a character that is not base64");
		padding += c == '=';
		bits = bits << 6 | (c == '=' ? 0u : v);
		if (++characters % 4 != 0)
			continue;
		for (int shift = 16; shift >= 0; shift -= 8)
			out[n++] = (uint8_t)(bits >> shift);
		bits &= 0xffffff;
	}
	if (n == 0 || characters % 4 != 0 || padding > 2)
		FAIL(e, MALFORMED, "a PEM block whose base64 is cut");
	if (bits & ((1u << 8 * padding) - 1))
		FAIL(e, MALFORMED, "a PEM block whose base64 is not canonical: its last bits are not zero");
	*ret_len = n - padding;
	return ERR_OK;
}

enum err_code pem_next(struct arena *a, struct bytes *text, const char *label, struct bytes *ret_der, struct err *e)
{
	char begin[80], end[80];
	size_t len = 0;

	errno = 0;
	(void)snprintf(begin, sizeof begin, "-----BEGIN %s-----", label);
	(void)snprintf(end, sizeof end, "-----END %s-----", label);
	const uint8_t *from = find_line(*text, begin);
	if (!from)
		FAIL(e, NOT_FOUND, "no PEM block \"%s\"", label);
	struct bytes rest = bytes_slice(*text, (size_t)(from - text->ptr) + strlen(begin), text->len);
	const uint8_t *to = find_line(rest, end);
	if (!to)
		FAIL(e, MALFORMED, "a PEM block \"%s\" without its end", label);
	struct bytes body = { rest.ptr, (size_t)(to - rest.ptr) };
	uint8_t *out = arena_alloc(a, body.len);
	if (!out)
		FAIL(e, NOMEM, "no memory for a PEM block of %zu bytes", body.len);
	TRY(decode_pem_body(body, out, &len, e));
	*ret_der = (struct bytes){ out, len };
	*text = bytes_slice(rest, body.len + strlen(end), rest.len);
	return ERR_OK;
}

void random_bytes(void *out, size_t n)
{
	uint8_t *p = out;

	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort(); /* without randomness there is no key, nonce or token that one could trust */
		p += got;
		n -= (size_t)got;
	}
}
