#include "base/json.h"

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

/* How many bytes at p are one well-formed UTF-8 character beyond ASCII; 0: none. */
static size_t utf8_at(const uint8_t *p, size_t left)
{
	size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;

	if (*p < 0xc2 || *p > 0xf4 || left < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static bool is_plain(uint8_t c)
{
	return c >= ' ' && c < 127 && c != '"' && c != '\\';
}

/* One character that cannot stand as it is; returns how many bytes it takes. */
static size_t put_special(struct buf *b, const uint8_t *p, size_t left)
{
	if (*p == '"' || *p == '\\') {
		buf_add_fmt(b, "\\%c", *p);
		return 1;
	}
	if (*p < 0x80) {
		buf_add_fmt(b, "\\u%04x", *p);
		return 1;
	}
	size_t n = utf8_at(p, left);
	if (n)
		buf_add(b, (struct bytes){ p, n });
	else
		buf_add_str(b, "\xef\xbf\xbd"); /* U+FFFD */
	return n ? n : 1;
}

static void put_text(struct buf *b, struct bytes v)
{
	buf_add_u8(b, '"');
	for (size_t i = 0; i < v.len;) {
		size_t from = i;
		while (i < v.len && is_plain(v.ptr[i]))
			i++;
		buf_add(b, bytes_slice(v, from, i));
		if (i < v.len)
			i += put_special(b, v.ptr + i, v.len - i);
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

void json_put_null(struct json_out *w)
{
	json_put_raw(w, BYTES_LIT("null"));
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
