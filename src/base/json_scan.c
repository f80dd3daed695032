#include "base/json_scan.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>

#define NAME_SHOWN_MAX   48
#define KEY_SHORT_MAX    32
#define IN_EVERY_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

enum err_code json_scan_fail(const struct json_scan *s, const char *problem)
{
	errno = 0;
	FAIL(s->e, MALFORMED, "%s, byte %zu: %s", s->what, (size_t)(s->p - s->start), problem);
}

/* Behind each token, once. */
static void skip_space(struct json_scan *s)
{
	s->behind = s->p;
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

struct json_scan json_scan_of(struct bytes in, const char *what, struct err *e)
{
	if (!in.ptr)
		in = BYTES_LIT("");
	struct json_scan s = { .p = in.ptr, .start = in.ptr, .end = in.ptr + in.len, .what = what, .e = e };
	skip_space(&s);
	return s;
}

uint8_t json_scan_peek(const struct json_scan *s)
{
	return s->p < s->end ? *s->p : 0;
}

enum err_code json_scan_end(const struct json_scan *s)
{
	return s->p == s->end ? ERR_OK : json_scan_fail(s, "something follows the value");
}

/* ---- strings ---- */

const uint8_t *json_skip_plain(const uint8_t *p, const uint8_t *end)
{
	uint64_t w;

	/* Eight at a time: a byte that becomes 0 by the exclusive or, or is below 0x20, borrows its top bit. A borrow can also
	 * reach the bytes above it, which costs a closer look and no more. */
	for (; end - p >= 8; p += 8) {
		memcpy(&w, p, 8);
		uint64_t stop = w | (w - IN_EVERY_BYTE(0x20)) | ((w ^ IN_EVERY_BYTE('"')) - IN_EVERY_BYTE(1)) |
				((w ^ IN_EVERY_BYTE('\\')) - IN_EVERY_BYTE(1));
		if (stop & IN_EVERY_BYTE(0x80))
			break;
	}
	while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

static int hex4(const uint8_t *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		int c = p[i] | 0x20;
		if (p[i] >= '0' && p[i] <= '9')
			v = v << 4 | (p[i] - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (c - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* The length of the escape at p, which is a backslash, or 0 when it is none. A surrogate without its other half names no
 * character: RFC 8259 §8.2 leaves to each reader what it makes of one, and we must not differ from our peers. */
static size_t read_escape(const uint8_t *p, const uint8_t *end, uint32_t *ret_c)
{
	static const uint8_t simple[128] = {
		['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'
	};

	if (end - p < 2)
		return 0;
	if (p[1] < 128 && simple[p[1]]) {
		*ret_c = simple[p[1]];
		return 2;
	}
	int high = p[1] == 'u' && end - p >= 6 ? hex4(p + 2) : -1;
	if (high < 0 || (high >= 0xdc00 && high <= 0xdfff))
		return 0;
	*ret_c = (uint32_t)high;
	if (high < 0xd800 || high > 0xdbff)
		return 6;
	int low = end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8) : -1;
	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	*ret_c = 0x10000 + (((uint32_t)high & 0x3ff) << 10) + ((uint32_t)low & 0x3ff);
	return 12;
}

/* What stands at s->p where json_skip_plain() stopped; *len grows by its unescaped length. */
static enum err_code scan_special(struct json_scan *s, size_t *len)
{
	uint8_t out[4];
	uint32_t c;
	size_t n;

	if (s->p == s->end)
		return json_scan_fail(s, "a string without its closing quotation mark");
	if (*s->p < 0x20)
		return json_scan_fail(s, "a control character in a string");
	if (*s->p == '\\') {
		n = read_escape(s->p, s->end, &c);
		if (n == 0)
			return json_scan_fail(s, "an escape that names no character");
		*len += utf8_put(c, out);
	} else {
		n = utf8_get(s->p, s->end, NULL);
		if (n == 0)
			return json_scan_fail(s, "not UTF-8");
		*len += n;
	}
	s->p += n;
	return ERR_OK;
}

enum err_code json_scan_string(struct json_scan *s, struct json_text *ret)
{
	const uint8_t *from = ++s->p;
	size_t len = 0;

	for (;;) {
		const uint8_t *q = json_skip_plain(s->p, s->end);
		len += (size_t)(q - s->p);
		s->p = q;
		if (q < s->end && *q == '"')
			break;
		TRY(scan_special(s, &len));
	}
	*ret = (struct json_text){ { from, (size_t)(s->p - from) }, len };
	s->p++;
	skip_space(s);
	return ERR_OK;
}

bool json_unescape(struct json_text t, uint8_t *out)
{
	const uint8_t *p = t.raw.ptr, *end = t.raw.ptr + t.raw.len;
	uint32_t c = 0;
	bool nul = false;

	while (p < end) {
		const uint8_t *q = memchr(p, '\\', (size_t)(end - p));
		size_t n = (size_t)((q ? q : end) - p);
		memcpy(out, p, n);
		out += n;
		p += n;
		if (p < end) {
			p += read_escape(p, end, &c);
			out += utf8_put(c, out);
			nul = nul || c == 0;
		}
	}
	return !nul;
}

static uint32_t next_character(const uint8_t **p, const uint8_t *end)
{
	uint32_t c = 0;

	*p += **p == '\\' ? read_escape(*p, end, &c) : utf8_get(*p, end, &c);
	return c;
}

bool json_text_eq(struct json_text a, struct json_text b)
{
	const uint8_t *pa = a.raw.ptr, *pb = b.raw.ptr;

	if (a.len != b.len)
		return false;
	if (a.raw.len == a.len && b.raw.len == b.len)
		return bytes_eq(a.raw, b.raw);
	/* Equal lengths once unescaped: the ends are reached together unless a character differs before. */
	while (pa < a.raw.ptr + a.raw.len && pb < b.raw.ptr + b.raw.len)
		if (next_character(&pa, a.raw.ptr + a.raw.len) != next_character(&pb, b.raw.ptr + b.raw.len))
			return false;
	return true;
}

/* 64 long keys that differ in their last character would cost 2,016 comparisons of their whole length, so long ones are told
 * apart by a hash (FNV-1a over characters). It starts from where the text lies in memory, which a peer does not know: it cannot
 * prepare collisions. */
static uint64_t key_hash(const struct json_scan *s, struct json_text key)
{
	const uint8_t *p = key.raw.ptr, *end = p + key.raw.len;
	uint64_t hash = UINT64_C(14695981039346656037) ^ (uintptr_t)s->start;

	if (key.len <= KEY_SHORT_MAX)
		return 0;
	while (p < end)
		hash = (hash ^ next_character(&p, end)) * UINT64_C(1099511628211);
	return hash;
}

/* ---- numbers and words ---- */

static size_t skip_digits(struct json_scan *s)
{
	const uint8_t *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return (size_t)(s->p - from);
}

/* RFC 8259 §6. A digit after a leading zero is left over and refused by whoever looks for the next mark. */
static enum err_code scan_number(struct json_scan *s)
{
	bool good = true;

	if (*s->p == '-')
		s->p++;
	if (json_scan_peek(s) == '0')
		s->p++;
	else
		good = skip_digits(s) > 0;
	if (good && json_scan_peek(s) == '.') {
		s->p++;
		good = skip_digits(s) > 0;
	}
	if (good && (json_scan_peek(s) == 'e' || json_scan_peek(s) == 'E')) {
		s->p++;
		if (json_scan_peek(s) == '+' || json_scan_peek(s) == '-')
			s->p++;
		good = skip_digits(s) > 0;
	}
	if (!good)
		return json_scan_fail(s, "a number lacks a digit");
	skip_space(s);
	return ERR_OK;
}

static enum err_code scan_word(struct json_scan *s, struct bytes word)
{
	if (!bytes_starts_with((struct bytes){ s->p, (size_t)(s->end - s->p) }, word))
		return json_scan_fail(s, "neither a string, a number, an object, an array, true, false nor null");
	s->p += word.len;
	skip_space(s);
	return ERR_OK;
}

/* ---- objects and arrays ---- */

enum err_code json_scan_enter(struct json_scan *s, struct json_level *l)
{
	if (s->depth == JSON_DEPTH_MAX)
		return json_scan_fail(s, "objects and arrays nested too deep");
	s->depth++;
	l->close = *s->p == '{' ? '}' : ']';
	l->n = 0;
	s->p++;
	skip_space(s);
	return ERR_OK;
}

/* To the next member or element: over the comma, or out of the level. */
static enum err_code next(struct json_scan *s, struct json_level *l, bool *ret_more)
{
	uint8_t c = json_scan_peek(s);

	*ret_more = c != l->close;
	if (c == l->close) {
		s->depth--;
	} else if (l->n++ == 0) {
		return ERR_OK;
	} else if (c != ',') {
		return json_scan_fail(s, l->close == '}' ? "',' or '}' is due" : "',' or ']' is due");
	}
	s->p++;
	skip_space(s);
	return ERR_OK;
}

enum err_code json_scan_element(struct json_scan *s, struct json_level *l, bool *ret_more)
{
	return next(s, l, ret_more);
}

/* The name as it is written, shortened: err_set() makes a character that is cut there printable. */
static enum err_code fail_twice(const struct json_scan *s, struct bytes name)
{
	bool whole = name.len <= NAME_SHOWN_MAX;
	struct bytes shown = bytes_slice(name, 0, NAME_SHOWN_MAX);

	errno = 0;
	FAIL(s->e, MALFORMED, "%s: an object with two members \"%.*s%s\"", s->what, BYTES_FMT(shown), whole ? "" : "...");
}

enum err_code json_scan_key(struct json_scan *s, struct json_level *l, struct json_text *ret_key, bool *ret_more)
{
	struct json_text key;

	TRY(next(s, l, ret_more));
	if (!*ret_more)
		return ERR_OK;
	if (json_scan_peek(s) != '"')
		return json_scan_fail(s, "a member's name is due");
	if (l->n > JSON_MEMBERS_MAX)
		return json_scan_fail(s, "an object with too many members");
	TRY(json_scan_string(s, &key));
	uint64_t hash = key_hash(s, key);
	for (size_t i = 0; i < l->n - 1; i++)
		if (l->hashes[i] == hash && json_text_eq(l->keys[i], key))
			return fail_twice(s, key.raw);
	l->keys[l->n - 1] = key;
	l->hashes[l->n - 1] = hash;
	if (json_scan_peek(s) != ':')
		return json_scan_fail(s, "':' is due");
	s->p++;
	skip_space(s);
	*ret_key = key;
	return ERR_OK;
}

static enum err_code scan_value(struct json_scan *s);

/* Recursion ends at JSON_DEPTH_MAX, which json_scan_enter() keeps. */
static enum err_code scan_level(struct json_scan *s)
{
	struct json_level l;
	struct json_text key;
	bool more;

	TRY(json_scan_enter(s, &l));
	for (;;) {
		TRY(l.close == '}' ? json_scan_key(s, &l, &key, &more) : json_scan_element(s, &l, &more));
		if (!more)
			return ERR_OK;
		TRY(scan_value(s));
	}
}

static enum err_code scan_value(struct json_scan *s)
{
	struct json_text text;
	uint8_t c = json_scan_peek(s);

	if (c == '"')
		return json_scan_string(s, &text);
	if (c == '{' || c == '[')
		return scan_level(s);
	if (c == '-' || (c >= '0' && c <= '9'))
		return scan_number(s);
	return scan_word(s, c == 't' ? BYTES_LIT("true") : c == 'f' ? BYTES_LIT("false") : BYTES_LIT("null"));
}

enum err_code json_scan_value(struct json_scan *s, struct bytes *ret)
{
	const uint8_t *from = s->p;

	TRY(scan_value(s));
	*ret = (struct bytes){ from, (size_t)(s->behind - from) };
	return ERR_OK;
}
