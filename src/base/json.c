#include "base/json.h"

#include "base/json_scan.h"

#include <string.h>

#define UINT_MAX_JSON (UINT64_C(1) << 53) /* RFC 8259 §6: integers that every implementation reads alike */
#define DIGITS_MAX    16

static struct json_scan scan_of(struct bytes in)
{
	return (struct json_scan){ in.ptr, in.ptr + in.len, 0 };
}

static enum err_code text_value(struct arena *a, const struct json_text *t, struct bytes *ret, struct err *e)
{
	if (t->nul)
		FAIL(e, MALFORMED, "a string with U+0000");
	if (!t->escapes) {
		*ret = t->raw;
		return ERR_OK;
	}
	uint8_t *out = arena_alloc(a, t->raw.len);
	if (!out)
		FAIL(e, NOMEM, "no memory for a string");
	*ret = (struct bytes){ out, json_unescape(t->raw, out) };
	return ERR_OK;
}

static bool text_is(const struct json_text *t, const char *name)
{
	uint8_t plain[JSON_KEY_MAX];

	if (!t->escapes)
		return bytes_eq_str(t->raw, name);
	return bytes_eq_str((struct bytes){ plain, json_unescape(t->raw, plain) }, name);
}

/* Where a value's text has been scanned already. */
static enum err_code read_string(struct arena *a, struct bytes text, struct bytes *ret, struct err *e)
{
	struct json_scan s = scan_of(text);
	struct json_text t;

	TRY(json_scan_string(&s, &t, e));
	return text_value(a, &t, ret, e);
}

static bool read_uint(struct bytes text, uint64_t *ret)
{
	uint64_t v = 0;

	if (text.len == 0 || text.len > DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	*ret = v;
	return v <= UINT_MAX_JSON;
}

static enum err_code read_strings(struct arena *a, struct bytes text, size_t max, struct json_strings *ret, struct err *e)
{
	struct json_strings strings = { .set = true };
	struct bytes *texts;

	TRY(json_elements(a, text, max, &texts, &strings.n, e));
	strings.v = arena_array(a, strings.n, sizeof *strings.v);
	if (!strings.v)
		FAIL(e, NOMEM, "no memory for strings");
	for (size_t i = 0; i < strings.n; i++) {
		if (texts[i].ptr[0] != '"')
			FAIL(e, MALFORMED, "an element is not a string");
		TRY(read_string(a, texts[i], &strings.v[i], e));
	}
	*ret = strings;
	return ERR_OK;
}

static const char *kind_words(enum json_kind kind)
{
	switch (kind) {
	case JSON_STRING:
		return "a string";
	case JSON_BOOL:
		return "true or false";
	case JSON_UINT:
		return "an integer from 0 to 2^53";
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRINGS:
		return "an array of strings";
	case JSON_ANY:
		break;
	}
	return "a value";
}

/* Whether the value's first character fits the kind. */
static bool kind_fits(enum json_kind kind, uint8_t first)
{
	switch (kind) {
	case JSON_STRING:
		return first == '"';
	case JSON_BOOL:
		return first == 't' || first == 'f';
	case JSON_UINT:
		return first >= '0' && first <= '9';
	case JSON_OBJECT:
		return first == '{';
	case JSON_ARRAY:
	case JSON_STRINGS:
		return first == '[';
	case JSON_ANY:
		break;
	}
	return true;
}

static enum err_code store_value(struct arena *a, struct bytes text, const struct json_field *f, void *at, struct err *e)
{
	struct json_uint *number = at;

	switch (f->kind) {
	case JSON_STRING:
		TRY(read_string(a, text, at, e));
		if (f->max && ((struct bytes *)at)->len > f->max)
			FAIL(e, MALFORMED, "it has %zu bytes, at most %zu are allowed", ((struct bytes *)at)->len, f->max);
		return ERR_OK;
	case JSON_BOOL:
		*(struct json_bool *)at = (struct json_bool){ true, text.ptr[0] == 't' };
		return ERR_OK;
	case JSON_UINT:
		number->set = true;
		if (!read_uint(text, &number->value))
			FAIL(e, MALFORMED, "it must be %s", kind_words(f->kind));
		return ERR_OK;
	case JSON_STRINGS:
		return read_strings(a, text, f->max ? f->max : JSON_ARRAY_MAX, at, e);
	case JSON_OBJECT:
	case JSON_ARRAY:
	case JSON_ANY:
		break;
	}
	*(struct bytes *)at = text;
	return ERR_OK;
}

static enum err_code read_member(struct arena *a, struct bytes text, const char *what, const struct json_field *f, void *out, struct err *e)
{
	struct err why = { 0 };

	if (!kind_fits(f->kind, text.ptr[0]))
		FAIL(e, MALFORMED, "%s: \"%s\" must be %s", what, f->name, kind_words(f->kind));
	enum err_code rc = store_value(a, text, f, (char *)out + f->offset, &why);
	if (rc != ERR_OK)
		return err_set(e, rc, __FILE__, __LINE__, "%s: \"%s\": %s", what, f->name, why.detail);
	return ERR_OK;
}

static enum err_code read_members(struct arena *a, struct json_scan *s, const char *what, const struct json_field *fields, size_t n_fields,
    void *out, uint64_t *ret_seen, struct err *e)
{
	struct json_keys keys = { .n = 0 };
	struct json_text key;
	struct bytes value;
	bool more;

	for (;;) {
		TRY(json_scan_key(s, &keys, &key, &more, e));
		if (!more)
			return ERR_OK;
		TRY(json_scan_value(s, &value, e));
		for (size_t i = 0; i < n_fields; i++)
			if (text_is(&key, fields[i].name)) {
				TRY(read_member(a, value, what, &fields[i], out, e));
				*ret_seen |= UINT64_C(1) << i;
				break;
			}
	}
}

static enum err_code scan_end(struct json_scan *s, struct err *e)
{
	json_scan_space(s);
	if (s->p != s->end)
		FAIL(e, MALFORMED, "not valid JSON: something follows behind its end");
	return ERR_OK;
}

enum err_code json_read(struct arena *a, struct bytes in, const char *what, const struct json_field *fields, size_t n_fields, void *out,
    struct err *e)
{
	struct json_scan s = scan_of(in);
	struct err why = { 0 };
	uint64_t seen = 0;

	json_scan_space(&s);
	if (s.p == s.end || *s.p != '{')
		FAIL(e, MALFORMED, "%s must be a JSON object", what);
	s.p++;
	s.depth = 1;
	enum err_code rc = read_members(a, &s, what, fields, n_fields, out, &seen, &why);
	if (rc == ERR_OK)
		rc = scan_end(&s, &why);
	if (rc != ERR_OK) {
		bool named = strncmp(why.detail, what, strlen(what)) == 0;
		return err_set(e, rc, __FILE__, __LINE__, "%s%s%s", named ? "" : what, named ? "" : ": ", why.detail);
	}
	for (size_t i = 0; i < n_fields; i++)
		if (fields[i].required && !(seen >> i & 1))
			FAIL(e, MALFORMED, "%s: \"%s\" is missing; it must be %s", what, fields[i].name, kind_words(fields[i].kind));
	return ERR_OK;
}

enum err_code json_elements(struct arena *a, struct bytes array, size_t max, struct bytes **ret_v, size_t *ret_n, struct err *e)
{
	struct json_scan s = scan_of(array);
	size_t n = 0, cap = 8;
	struct bytes *v = arena_array(a, cap, sizeof *v);
	bool more;

	TRY(json_scan_char(&s, '[', e));
	s.depth = 1;
	for (;;) {
		TRY(json_scan_element(&s, n == 0, &more, e));
		if (!more)
			break;
		if (n == max)
			FAIL(e, MALFORMED, "more than %zu elements", max);
		if (n == cap) {
			struct bytes *wider = arena_array(a, cap * 2, sizeof *v);
			if (wider)
				memcpy(wider, v, n * sizeof *v);
			v = wider;
			cap *= 2;
		}
		if (!v)
			FAIL(e, NOMEM, "no memory for an array");
		TRY(json_scan_value(&s, &v[n++], e));
	}
	TRY(scan_end(&s, e));
	if (!v)
		FAIL(e, NOMEM, "no memory for an array");
	*ret_v = v;
	*ret_n = n;
	return ERR_OK;
}

enum err_code json_members(struct arena *a, struct bytes object, size_t max, struct json_member **ret_v, size_t *ret_n, struct err *e)
{
	struct json_scan s = scan_of(object);
	struct json_keys keys = { .n = 0 };
	struct json_member *v = arena_array(a, JSON_MEMBERS_MAX, sizeof *v);
	struct json_text key;
	size_t n = 0;
	bool more;

	if (!v)
		FAIL(e, NOMEM, "no memory for an object");
	TRY(json_scan_char(&s, '{', e));
	s.depth = 1;
	for (;;) {
		TRY(json_scan_key(&s, &keys, &key, &more, e));
		if (!more)
			break;
		if (n == max)
			FAIL(e, MALFORMED, "more than %zu members", max);
		TRY(text_value(a, &key, &v[n].key, e));
		TRY(json_scan_value(&s, &v[n].value, e));
		n++;
	}
	TRY(scan_end(&s, e));
	*ret_v = v;
	*ret_n = n;
	return ERR_OK;
}

enum err_code json_string(struct arena *a, struct bytes text, struct bytes *ret, struct err *e)
{
	if (text.len == 0 || text.ptr[0] != '"')
		FAIL(e, MALFORMED, "not a JSON string");
	return read_string(a, text, ret, e);
}

enum err_code json_check(struct bytes in, struct err *e)
{
	struct json_scan s = scan_of(in);
	struct bytes value;

	TRY(json_scan_value(&s, &value, e));
	return scan_end(&s, e);
}
