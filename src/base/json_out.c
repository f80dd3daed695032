#include "base/json_scan.h"
#include "base/utf8.h"

#include <inttypes.h>

struct json_out json_out_to(struct buf *b)
{
	return (struct json_out){ .out = b };
}

static void put_comma(struct json_out *w)
{
	if (w->comma)
		buf_add_u8(w->out, ',');
	w->comma = true;
}

static void open_level(struct json_out *w, uint8_t c)
{
	put_comma(w);
	buf_add_u8(w->out, c);
	w->comma = false;
}

static void close_level(struct json_out *w, uint8_t c)
{
	buf_add_u8(w->out, c);
	w->comma = true;
}

void json_put_object(struct json_out *w)
{
	open_level(w, '{');
}

void json_end_object(struct json_out *w)
{
	close_level(w, '}');
}

void json_put_array(struct json_out *w)
{
	open_level(w, '[');
}

void json_end_array(struct json_out *w)
{
	close_level(w, ']');
}

/* UTF-16, as JSON writes it (RFC 8259 §7). */
static void put_escape(struct buf *b, uint32_t c)
{
	if (c < 0x10000)
		buf_add_fmt(b, "\\u%04x", c);
	else
		buf_add_fmt(b, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + (c & 0x3ff));
}

/* One character that cannot stand as it is, or is beyond ASCII; returns behind it. What is not printable is escaped although
 * JSON would allow most of it, for problem documents and logs end up on terminals. */
static const uint8_t *put_special(struct buf *b, const uint8_t *p, const uint8_t *end)
{
	static const uint8_t letters[128] = {
		['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'
	};
	uint32_t c = 0;
	size_t n = utf8_get(p, end, &c);

	if (n == 0)
		buf_add_str(b, "\xef\xbf\xbd"); /* U+FFFD */
	else if (n == 1 && letters[c])
		buf_add(b, (struct bytes){ (const uint8_t[]){ '\\', letters[c] }, 2 });
	else if (utf8_is_printable(c))
		buf_add(b, (struct bytes){ p, n });
	else
		put_escape(b, c);
	return p + (n ? n : 1);
}

static void put_text(struct buf *b, struct bytes v)
{
	if (!v.ptr)
		v = BYTES_LIT("");
	const uint8_t *p = v.ptr, *end = v.ptr + v.len;
	buf_add_u8(b, '"');
	while (p < end) {
		const uint8_t *q = json_skip_plain(p, end);
		buf_add(b, (struct bytes){ p, (size_t)(q - p) });
		p = q < end ? put_special(b, q, end) : q;
	}
	buf_add_u8(b, '"');
}

void json_put_key(struct json_out *w, const char *key)
{
	put_comma(w);
	put_text(w->out, bytes_str(key));
	buf_add_u8(w->out, ':');
	w->comma = false;
}

void json_put_string(struct json_out *w, struct bytes v)
{
	put_comma(w);
	put_text(w->out, v);
}

void json_put_uint(struct json_out *w, uint64_t v)
{
	put_comma(w);
	buf_add_fmt(w->out, "%" PRIu64, v);
}

void json_put_int(struct json_out *w, int64_t v)
{
	put_comma(w);
	buf_add_fmt(w->out, "%" PRId64, v);
}

void json_put_bool(struct json_out *w, bool v)
{
	json_put_raw(w, v ? BYTES_LIT("true") : BYTES_LIT("false"));
}

void json_put_raw(struct json_out *w, struct bytes text)
{
	put_comma(w);
	buf_add(w->out, text);
}

void json_put_member(struct json_out *w, const char *key, struct bytes v)
{
	json_put_key(w, key);
	json_put_string(w, v);
}

void json_put_member_str(struct json_out *w, const char *key, const char *v)
{
	json_put_member(w, key, bytes_str(v));
}

void json_put_member_uint(struct json_out *w, const char *key, uint64_t v)
{
	json_put_key(w, key);
	json_put_uint(w, v);
}

void json_put_member_bool(struct json_out *w, const char *key, bool v)
{
	json_put_key(w, key);
	json_put_bool(w, v);
}

void json_put_member_strs(struct json_out *w, const char *key, const char *const *v, size_t n)
{
	json_put_key(w, key);
	json_put_array(w);
	for (size_t i = 0; i < n; i++)
		json_put_string(w, bytes_str(v[i]));
	json_end_array(w);
}
