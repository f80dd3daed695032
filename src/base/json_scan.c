#include "base/json_scan.h"

#include <string.h>

void json_scan_space(struct json_scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

enum err_code json_scan_char(struct json_scan *s, char c, struct err *e)
{
	json_scan_space(s);
	if (s->p == s->end || *s->p != (uint8_t)c)
		FAIL(e, MALFORMED, "not valid JSON: '%c' is missing", c);
	s->p++;
	return ERR_OK;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at p. */
static int hex4(const uint8_t *p, const uint8_t *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int d = hex_digit(p[i]);
		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static bool is_high(int v)
{
	return v >= 0xd800 && v <= 0xdbff;
}

static bool is_low(int v)
{
	return v >= 0xdc00 && v <= 0xdfff;
}

/* Behind a backslash. Passes the escape; a surrogate must have its other half (RFC 8259 §8.2: else behaviour is unpredictable). */
static enum err_code scan_escape(struct json_scan *s, struct json_text *t, struct err *e)
{
	if (s->p == s->end)
		FAIL(e, MALFORMED, "not valid JSON: a string has no end");
	uint8_t c = *s->p++;
	if (c && strchr("\"\\/bfnrt", c))
		return ERR_OK;
	int v = c == 'u' ? hex4(s->p, s->end) : -1;
	if (v < 0)
		FAIL(e, MALFORMED, "not valid JSON: a string has an unknown escape");
	s->p += 4;
	t->nul = t->nul || v == 0;
	if (is_low(v))
		FAIL(e, MALFORMED, "not valid JSON: half a surrogate pair");
	if (!is_high(v))
		return ERR_OK;
	if (s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u' || !is_low(hex4(s->p + 2, s->end)))
		FAIL(e, MALFORMED, "not valid JSON: half a surrogate pair");
	s->p += 6;
	return ERR_OK;
}

/* The length of the UTF-8 sequence at p, 0 when it is none (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF). */
static size_t utf8_length(const uint8_t *p, const uint8_t *end)
{
	size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;

	if (*p < 0xc2 || *p > 0xf4 || (size_t)(end - p) < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

enum err_code json_scan_string(struct json_scan *s, struct json_text *ret, struct err *e)
{
	struct json_text t = { 0 };

	TRY(json_scan_char(s, '"', e));
	const uint8_t *from = s->p;
	for (;;) {
		while (s->p < s->end && *s->p >= ' ' && *s->p < 0x80 && *s->p != '"' && *s->p != '\\')
			s->p++;
		if (s->p == s->end)
			FAIL(e, MALFORMED, "not valid JSON: a string has no end");
		if (*s->p == '"')
			break;
		if (*s->p == '\\') {
			s->p++;
			t.escapes = true;
			TRY(scan_escape(s, &t, e));
			continue;
		}
		size_t n = *s->p >= 0x80 ? utf8_length(s->p, s->end) : 0;
		if (n == 0)
			FAIL(e, MALFORMED, "not valid JSON: a string has %s", *s->p < ' ' ? "a control character" : "bytes that are not UTF-8");
		s->p += n;
	}
	t.raw = (struct bytes){ from, (size_t)(s->p - from) };
	s->p++;
	*ret = t;
	return ERR_OK;
}

static size_t put_utf8(uint32_t c, uint8_t *out)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3f));
	out[0] = (uint8_t)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
	return n;
}

size_t json_unescape(struct bytes raw, uint8_t *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const uint8_t *p = raw.ptr, *end = raw.ptr + raw.len;
	size_t n = 0;

	while (p < end) {
		if (*p != '\\') {
			out[n++] = *p++;
			continue;
		}
		if (p[1] != 'u') {
			out[n++] = (uint8_t)to[strchr(from, p[1]) - from];
			p += 2;
			continue;
		}
		uint32_t c = (uint32_t)hex4(p + 2, end);
		p += 6;
		if (is_high((int)c)) {
			c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)hex4(p + 2, end) - 0xdc00);
			p += 6;
		}
		n += put_utf8(c, out + n);
	}
	return n;
}

static bool same_key(const struct json_text *a, const struct json_text *b)
{
	uint8_t plain_a[JSON_KEY_MAX], plain_b[JSON_KEY_MAX];

	if (!a->escapes && !b->escapes)
		return bytes_eq(a->raw, b->raw);
	size_t na = json_unescape(a->raw, plain_a), nb = json_unescape(b->raw, plain_b);
	return bytes_eq((struct bytes){ plain_a, na }, (struct bytes){ plain_b, nb });
}

enum err_code json_scan_key(struct json_scan *s, struct json_keys *keys, struct json_text *ret, bool *ret_more, struct err *e)
{
	struct json_text key;

	json_scan_space(s);
	if (s->p < s->end && *s->p == '}') {
		s->p++;
		*ret_more = false;
		return ERR_OK;
	}
	if (keys->n > 0)
		TRY(json_scan_char(s, ',', e));
	TRY(json_scan_string(s, &key, e));
	if (key.raw.len > JSON_KEY_MAX)
		FAIL(e, MALFORMED, "a member's name has %zu bytes, at most %d are allowed", key.raw.len, JSON_KEY_MAX);
	if (keys->n == JSON_MEMBERS_MAX)
		FAIL(e, MALFORMED, "an object has more than %d members", JSON_MEMBERS_MAX);
	for (size_t i = 0; i < keys->n; i++)
		if (same_key(&keys->v[i], &key))
			FAIL(e, MALFORMED, "an object has two members of the same name");
	keys->v[keys->n++] = key;
	TRY(json_scan_char(s, ':', e));
	*ret = key;
	*ret_more = true;
	return ERR_OK;
}

enum err_code json_scan_element(struct json_scan *s, bool first, bool *ret_more, struct err *e)
{
	json_scan_space(s);
	if (s->p < s->end && *s->p == ']') {
		s->p++;
		*ret_more = false;
		return ERR_OK;
	}
	if (!first)
		TRY(json_scan_char(s, ',', e));
	*ret_more = true;
	return ERR_OK;
}

static enum err_code scan_literal(struct json_scan *s, const char *word, struct err *e)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		FAIL(e, MALFORMED, "not valid JSON: a value that is neither string, number, object, array, true, false nor null");
	s->p += n;
	return ERR_OK;
}

static size_t scan_digits(struct json_scan *s)
{
	const uint8_t *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return (size_t)(s->p - from);
}

static enum err_code scan_number(struct json_scan *s, struct err *e)
{
	if (*s->p == '-')
		s->p++;
	const uint8_t *from = s->p;
	size_t n = scan_digits(s);
	bool good = n > 0 && (n == 1 || *from != '0');
	if (good && s->p < s->end && *s->p == '.') {
		s->p++;
		good = scan_digits(s) > 0;
	}
	if (good && s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		good = scan_digits(s) > 0;
	}
	if (!good)
		FAIL(e, MALFORMED, "not valid JSON: a number that is none");
	return ERR_OK;
}

static enum err_code scan_object(struct json_scan *s, struct err *e)
{
	struct json_keys keys = { .n = 0 };
	struct json_text key;
	struct bytes value;
	bool more;

	s->p++;
	for (;;) {
		TRY(json_scan_key(s, &keys, &key, &more, e));
		if (!more)
			return ERR_OK;
		TRY(json_scan_value(s, &value, e));
	}
}

static enum err_code scan_array(struct json_scan *s, struct err *e)
{
	struct bytes value;
	bool more;

	s->p++;
	for (bool first = true;; first = false) {
		TRY(json_scan_element(s, first, &more, e));
		if (!more)
			return ERR_OK;
		TRY(json_scan_value(s, &value, e));
	}
}

static enum err_code scan_one(struct json_scan *s, struct err *e)
{
	struct json_text text;

	switch (*s->p) {
	case '{':
		return scan_object(s, e);
	case '[':
		return scan_array(s, e);
	case '"':
		return json_scan_string(s, &text, e);
	case 't':
		return scan_literal(s, "true", e);
	case 'f':
		return scan_literal(s, "false", e);
	case 'n':
		return scan_literal(s, "null", e);
	default:
		if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9'))
			return scan_number(s, e);
		return scan_literal(s, "null", e);
	}
}

enum err_code json_scan_value(struct json_scan *s, struct bytes *ret, struct err *e)
{
	json_scan_space(s);
	if (s->p == s->end)
		FAIL(e, MALFORMED, "not valid JSON: it ends where a value is due");
	if (s->depth == JSON_DEPTH_MAX)
		FAIL(e, MALFORMED, "JSON nested deeper than %d levels", JSON_DEPTH_MAX);
	const uint8_t *from = s->p;
	s->depth++;
	TRY(scan_one(s, e));
	s->depth--;
	*ret = (struct bytes){ from, (size_t)(s->p - from) };
	return ERR_OK;
}
