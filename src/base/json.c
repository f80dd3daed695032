#include "base/json_scan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define UINT_MAX_JSON (UINT64_C(1) << 53) /* RFC 8259 §6: beyond it, readers that use doubles differ */
#define FIELDS_MAX    64                  /* one bit each in `seen` */

/* What json_read() works on. */
struct reader {
	struct json_scan scan;
	struct arena *arena;
	const char *what;
	struct err *e;
};

/* What a field may hold, for people, and in which units its limit counts. */
static const struct {
	const char *noun, *unit;
} kinds[] = {
	[JSON_STRING] = { "a string", "bytes" },
	[JSON_BOOL] = { "true or false", NULL },
	[JSON_UINT] = { "an integer from 0 to 9007199254740992", NULL },
	[JSON_OBJECT] = { "an object", NULL },
	[JSON_ARRAY] = { "an array", "elements" },
	[JSON_STRINGS] = { "an array", "strings" },
	[JSON_ANY] = { "a JSON value", NULL },
};

static size_t field_max(const struct json_field *f)
{
	if (f->max && kinds[f->kind].unit)
		return f->max;
	return f->kind == JSON_STRINGS ? JSON_ARRAY_MAX : SIZE_MAX;
}

/* Says what is allowed there, limit and all, whatever was wrong. */
static enum err_code refuse(const struct reader *r, const struct json_field *f, const char *problem)
{
	size_t max = field_max(f);

	errno = 0;
	if (max == SIZE_MAX)
		FAIL(r->e, MALFORMED, "%s: \"%s\" %s %s", r->what, f->name, problem, kinds[f->kind].noun);
	FAIL(r->e, MALFORMED, "%s: \"%s\" %s %s of at most %zu %s", r->what, f->name, problem, kinds[f->kind].noun, max,
	    kinds[f->kind].unit);
}

/* The value of a string: a view where it has no escapes. */
static enum err_code text_value(struct arena *a, struct json_text t, const char *what, struct bytes *ret, struct err *e)
{
	if (t.len == t.raw.len) {
		*ret = t.raw;
		return ERR_OK;
	}
	uint8_t *out = arena_alloc(a, t.len);
	if (!out)
		FAIL(e, NOMEM, "%s: no memory for a string of %zu bytes", what, t.len);
	if (!json_unescape(t, out)) {
		errno = 0;
		FAIL(e, MALFORMED, "%s: a string must not contain U+0000", what);
	}
	*ret = (struct bytes){ out, t.len };
	return ERR_OK;
}

static enum err_code read_string(struct reader *r, const struct json_field *f, size_t max, struct bytes *ret)
{
	struct json_text t;
	char what[160];

	if (json_scan_peek(&r->scan) != '"')
		return refuse(r, f, "must be");
	TRY(json_scan_string(&r->scan, &t));
	if (t.len > max)
		return refuse(r, f, "must be");
	if (t.len == t.raw.len) { /* spares the common case the printing */
		*ret = t.raw;
		return ERR_OK;
	}
	(void)snprintf(what, sizeof what, "%s: \"%s\"", r->what, f->name);
	return text_value(r->arena, t, what, ret, r->e);
}

static enum err_code read_bool(struct reader *r, const struct json_field *f, struct json_bool *ret)
{
	uint8_t c = json_scan_peek(&r->scan);
	struct bytes text;

	if (c != 't' && c != 'f')
		return refuse(r, f, "must be");
	TRY(json_scan_value(&r->scan, &text));
	*ret = (struct json_bool){ true, c == 't' };
	return ERR_OK;
}

static enum err_code read_uint(struct reader *r, const struct json_field *f, struct json_uint *ret)
{
	struct bytes text;
	uint64_t v = 0;

	TRY(json_scan_value(&r->scan, &text));
	/* The scan has refused leading zeros: one number has one text, and a 17th digit is past 2^53. */
	bool good = text.len <= 16;
	for (size_t i = 0; good && i < text.len; i++) {
		good = text.ptr[i] >= '0' && text.ptr[i] <= '9';
		v = v * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	if (!good || v > UINT_MAX_JSON)
		return refuse(r, f, "must be");
	*ret = (struct json_uint){ true, v };
	return ERR_OK;
}

static enum err_code read_object(struct reader *r, const struct json_field *f, struct bytes *ret)
{
	if (json_scan_peek(&r->scan) != '{')
		return refuse(r, f, "must be");
	return json_scan_value(&r->scan, ret);
}

/* Goes over the array here; stops within it at the first element past max, and *ret_n is max + 1. */
static enum err_code count_elements(struct json_scan *s, size_t max, size_t *ret_n)
{
	struct json_level l;
	struct bytes text;
	bool more;

	TRY(json_scan_enter(s, &l));
	for (;;) {
		TRY(json_scan_element(s, &l, &more));
		if (!more || l.n > max)
			break;
		TRY(json_scan_value(s, &text));
	}
	*ret_n = l.n;
	return ERR_OK;
}

static enum err_code read_array(struct reader *r, const struct json_field *f, struct bytes *ret)
{
	const uint8_t *from = r->scan.p;
	size_t n;

	if (json_scan_peek(&r->scan) != '[')
		return refuse(r, f, "must be");
	TRY(count_elements(&r->scan, field_max(f), &n));
	if (n > field_max(f))
		return refuse(r, f, "must be");
	*ret = (struct bytes){ from, (size_t)(r->scan.behind - from) };
	return ERR_OK;
}

static enum err_code read_strings(struct reader *r, const struct json_field *f, struct json_strings *ret)
{
	struct json_scan ahead = r->scan;
	struct json_strings out = { .set = true };
	struct json_level l;
	bool more;

	if (json_scan_peek(&ahead) != '[')
		return refuse(r, f, "must be");
	TRY(count_elements(&ahead, field_max(f), &out.n));
	if (out.n > field_max(f))
		return refuse(r, f, "must be");
	out.v = arena_array(r->arena, out.n, sizeof *out.v);
	if (!out.v)
		FAIL(r->e, NOMEM, "%s: no memory for \"%s\"", r->what, f->name);
	TRY(json_scan_enter(&r->scan, &l));
	for (size_t i = 0; i < out.n; i++) {
		TRY(json_scan_element(&r->scan, &l, &more));
		TRY(read_string(r, f, SIZE_MAX, &out.v[i]));
	}
	TRY(json_scan_element(&r->scan, &l, &more)); /* the end, as counted */
	*ret = out;
	return ERR_OK;
}

static enum err_code read_field(struct reader *r, const struct json_field *f, void *at)
{
	switch (f->kind) {
	case JSON_STRING:
		return read_string(r, f, field_max(f), at);
	case JSON_BOOL:
		return read_bool(r, f, at);
	case JSON_UINT:
		return read_uint(r, f, at);
	case JSON_OBJECT:
		return read_object(r, f, at);
	case JSON_ARRAY:
		return read_array(r, f, at);
	case JSON_STRINGS:
		return read_strings(r, f, at);
	case JSON_ANY:
		break;
	}
	return json_scan_value(&r->scan, at);
}

static void set_absent(const struct json_field *f, void *at)
{
	switch (f->kind) {
	case JSON_BOOL:
		*(struct json_bool *)at = (struct json_bool){ 0 };
		return;
	case JSON_UINT:
		*(struct json_uint *)at = (struct json_uint){ 0 };
		return;
	case JSON_STRINGS:
		*(struct json_strings *)at = (struct json_strings){ 0 };
		return;
	case JSON_STRING:
	case JSON_OBJECT:
	case JSON_ARRAY:
	case JSON_ANY:
		break;
	}
	*(struct bytes *)at = BYTES_NONE;
}

static bool is_named(struct json_text key, const char *name)
{
	struct bytes b = bytes_str(name);

	return json_text_eq(key, (struct json_text){ b, b.len });
}

static enum err_code read_members(struct reader *r, const struct json_field *fields, size_t n_fields, void *out, uint64_t *ret_seen)
{
	struct json_level l;
	struct json_text key;
	struct bytes skipped;
	bool more;

	TRY(json_scan_enter(&r->scan, &l));
	for (;;) {
		size_t i = 0;
		TRY(json_scan_key(&r->scan, &l, &key, &more));
		if (!more)
			return json_scan_end(&r->scan);
		while (i < n_fields && !is_named(key, fields[i].name))
			i++;
		if (i == n_fields) {
			TRY(json_scan_value(&r->scan, &skipped));
			continue;
		}
		TRY(read_field(r, &fields[i], (uint8_t *)out + fields[i].offset));
		*ret_seen |= UINT64_C(1) << i;
	}
}

enum err_code json_read(
    struct arena *a, struct bytes in, const char *what, const struct json_field *fields, size_t n_fields, void *out, struct err *e)
{
	struct reader r = { json_scan_of(in, what, e), a, what, e };
	uint64_t seen = 0;

	errno = 0;
	if (n_fields > FIELDS_MAX)
		FAIL(e, BUG, "%s: a table of %zu fields", what, n_fields);
	if (json_scan_peek(&r.scan) != '{')
		FAIL(e, MALFORMED, "%s must be a JSON object", what);
	for (size_t i = 0; i < n_fields; i++)
		set_absent(&fields[i], (uint8_t *)out + fields[i].offset);
	TRY(read_members(&r, fields, n_fields, out, &seen));
	for (size_t i = 0; i < n_fields; i++)
		if (fields[i].required && !(seen >> i & 1))
			return refuse(&r, &fields[i], "is missing; it must be");
	return ERR_OK;
}

enum err_code json_elements(struct arena *a, struct bytes array, size_t max, struct bytes **ret_v, size_t *ret_n, struct err *e)
{
	struct json_scan s = json_scan_of(array, "the array", e), ahead = s;
	struct json_level l;
	size_t n;
	bool more;

	errno = 0;
	if (json_scan_peek(&s) != '[')
		return json_scan_fail(&s, "an array is due");
	TRY(count_elements(&ahead, max, &n));
	if (n > max)
		FAIL(e, MALFORMED, "an array has more than %zu elements", max);
	TRY(json_scan_end(&ahead));
	struct bytes *v = arena_array(a, n, sizeof *v);
	if (!v)
		FAIL(e, NOMEM, "no memory for an array of %zu elements", n);
	TRY(json_scan_enter(&s, &l));
	for (size_t i = 0; i < n; i++) {
		TRY(json_scan_element(&s, &l, &more));
		TRY(json_scan_value(&s, &v[i]));
	}
	*ret_v = v;
	*ret_n = n;
	return ERR_OK;
}

/* All members into v, which has room for max of them. */
static enum err_code split_members(struct arena *a, struct json_scan *s, size_t max, struct json_member *v, size_t *ret_n)
{
	struct json_level l;
	struct json_text key;
	bool more;

	TRY(json_scan_enter(s, &l));
	for (size_t i = 0;; i++) {
		TRY(json_scan_key(s, &l, &key, &more));
		if (!more) {
			*ret_n = i;
			return json_scan_end(s);
		}
		if (i == max)
			FAIL(s->e, MALFORMED, "an object has more than %zu members", max);
		TRY(text_value(a, key, "a member's name", &v[i].key, s->e));
		TRY(json_scan_value(s, &v[i].value));
	}
}

enum err_code json_members(struct arena *a, struct bytes object, size_t max, struct json_member **ret_v, size_t *ret_n, struct err *e)
{
	struct json_scan s = json_scan_of(object, "the object", e);
	size_t n;

	errno = 0;
	if (json_scan_peek(&s) != '{')
		return json_scan_fail(&s, "an object is due");
	max = max < JSON_MEMBERS_MAX ? max : JSON_MEMBERS_MAX;
	struct json_member *v = arena_array(a, max, sizeof *v);
	if (!v)
		FAIL(e, NOMEM, "no memory for the members of an object");
	TRY(split_members(a, &s, max, v, &n));
	*ret_v = v;
	*ret_n = n;
	return ERR_OK;
}

struct bytes json_find(struct arena *a, struct bytes object, const char *path)
{
	struct bytes at = object, rest = bytes_str(path);

	while (at.ptr && rest.ptr) {
		struct bytes name = rest, found = BYTES_NONE;
		struct json_member *v = NULL;
		size_t n = 0;
		rest = BYTES_NONE;
		(void)bytes_split(name, '.', &name, &rest);
		if (at.len == 0 || at.ptr[0] != '{' || json_members(a, at, JSON_MEMBERS_MAX, &v, &n, NULL) != ERR_OK)
			return BYTES_NONE;
		for (size_t i = 0; i < n; i++)
			if (bytes_eq(v[i].key, name))
				found = v[i].value;
		at = found;
	}
	return at;
}

enum err_code json_string(struct arena *a, struct bytes text, struct bytes *ret, struct err *e)
{
	struct json_scan s = json_scan_of(text, "the string", e);
	struct json_text t;

	if (json_scan_peek(&s) != '"')
		return json_scan_fail(&s, "a string is due");
	TRY(json_scan_string(&s, &t));
	TRY(json_scan_end(&s));
	return text_value(a, t, "the string", ret, e);
}

enum err_code json_check(struct bytes in, struct err *e)
{
	struct json_scan s = json_scan_of(in, "the JSON text", e);
	struct bytes value;

	TRY(json_scan_value(&s, &value));
	return json_scan_end(&s);
}
