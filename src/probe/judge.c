/* What is held against answers. Every failure tells what was seen. */
#include "base/clock.h"
#include "base/codec.h"
#include "probe/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define URN          "urn:ietf:params:acme:error:"
#define ELEMENTS_MAX 256
#define MEMBERS_MAX  64

/* The problem document's own words, for a failure's text. */
static const char *said(const struct http_client_answer *x, char out[120])
{
	size_t n = x->body.len < 119 ? x->body.len : 119;

	for (size_t i = 0; i < n; i++)
		out[i] = (char)(x->body.ptr[i] < ' ' || x->body.ptr[i] > '~' ? ' ' : x->body.ptr[i]);
	out[n] = 0;
	return out;
}

enum err_code want_status(const struct http_client_answer *x, int status, struct err *e)
{
	char text[120];

	if (x->status != status)
		FAIL(e, CONFIRM, "the status is %d instead of %d: %s", x->status, status, said(x, text));
	return ERR_OK;
}

enum err_code want_success(const struct http_client_answer *x, struct err *e)
{
	char text[120];

	if (x->status < 200 || x->status > 299)
		FAIL(e, CONFIRM, "the status is %d instead of a success: %s", x->status, said(x, text));
	return ERR_OK;
}

enum err_code want_problem(struct probe *p, const struct http_client_answer *x, int status, const char *type, struct err *e)
{
	struct bytes seen, kind = x->content_type, parameters;
	const char *text;

	if (status)
		TRY(want_status(x, status, e));
	if (x->status < 400 || x->status > 599)
		FAIL(e, CONFIRM, "the status is %d instead of an error's", x->status);
	(void)bytes_split(kind, ';', &kind, &parameters);
	if (!kind.ptr || !bytes_eq_str(kind, "application/problem+json"))
		FAIL(e, CONFIRM, "status %d without a problem document: the content type is %.*s", x->status, BYTES_FMT(x->content_type));
	TRY(want_member(p, x, "type", &seen, e));
	TRY(want_string(p, x, "type", &text, e));
	if (type && (strncmp(text, URN, strlen(URN)) != 0 || strcmp(text + strlen(URN), type) != 0))
		FAIL(e, CONFIRM, "the problem's type is %.100s instead of %s%s", text, URN, type);
	return ERR_OK;
}

/* --- fields --- */

struct bytes value_of(const struct http_client_answer *x, const char *name)
{
	for (size_t i = 0; i < x->n_fields; i++)
		if (x->fields[i].name.len == strlen(name) && strncasecmp((const char *)x->fields[i].name.ptr, name, strlen(name)) == 0)
			return x->fields[i].value;
	return BYTES_NONE;
}

enum err_code want_field(const struct http_client_answer *x, const char *name, struct bytes *ret, struct err *e)
{
	struct bytes value = value_of(x, name);

	if (!value.ptr)
		FAIL(e, CONFIRM, "the answer (%d) has no %s", x->status, name);
	if (ret)
		*ret = value;
	return ERR_OK;
}

/* Whether a comma-separated list has the word, without regard to case. */
static bool list_has(struct bytes list, const char *word)
{
	struct bytes head, rest = list;

	for (bool more = true; more;) {
		more = bytes_split(rest, ',', &head, &rest);
		if (!more)
			head = rest;
		while (head.len && head.ptr[0] == ' ')
			head = bytes_slice(head, 1, head.len);
		while (head.len && head.ptr[head.len - 1] == ' ')
			head.len--;
		if (head.len == strlen(word) && strncasecmp((const char *)head.ptr, word, head.len) == 0)
			return true;
	}
	return false;
}

enum err_code want_value(const struct http_client_answer *x, const char *name, const char *value, struct err *e)
{
	struct bytes first;

	TRY(want_field(x, name, &first, e));
	for (size_t i = 0; i < x->n_fields; i++)
		if (x->fields[i].name.len == strlen(name) && strncasecmp((const char *)x->fields[i].name.ptr, name, strlen(name)) == 0 &&
		    list_has(x->fields[i].value, value))
			return ERR_OK;
	FAIL(
	    e, CONFIRM, "%s is \"%.*s\" instead of \"%s\"", name, (int)(first.len < 100 ? first.len : 100), (const char *)first.ptr, value);
}

/* `<TARGET>;rel="REL"` among the links of one field (RFC 8288 §3). */
static const char *link_in(struct arena *a, struct bytes field, const char *rel)
{
	const char *text = arena_str(a, field), *at = text;
	char quoted[64], plain[64];

	(void)snprintf(quoted, sizeof quoted, "rel=\"%s\"", rel);
	(void)snprintf(plain, sizeof plain, "rel=%s", rel);
	while (at && (at = strchr(at, '<')) != NULL) {
		const char *close = strchr(at, '>');
		if (!close)
			return NULL;
		const char *next = strchr(close, '<');
		struct bytes tail = { (const uint8_t *)close, next ? (size_t)(next - close) : strlen(close) };
		const char *parameters = arena_str(a, tail);
		if (parameters && (strstr(parameters, quoted) || strstr(parameters, plain)))
			return arena_str(a, (struct bytes){ (const uint8_t *)at + 1, (size_t)(close - at - 1) });
		at = close;
	}
	return NULL;
}

bool has_link(struct probe *p, const struct http_client_answer *x, const char *rel, const char **ret)
{
	for (size_t i = 0; i < x->n_fields; i++) {
		const char *target = bytes_eq_str(x->fields[i].name, "link") ? link_in(probe_arena(p), x->fields[i].value, rel) : NULL;
		if (target) {
			if (ret)
				*ret = target;
			return true;
		}
	}
	return false;
}

enum err_code want_link(struct probe *p, const struct http_client_answer *x, const char *rel, const char **ret, struct err *e)
{
	if (!has_link(p, x, rel, ret))
		FAIL(e, CONFIRM, "the answer (%d) has no Link with the relation \"%s\"", x->status, rel);
	return ERR_OK;
}

/* --- members --- */

static struct bytes step_into(struct arena *a, struct bytes json, const char *key, size_t len)
{
	struct json_member *m;
	size_t n;

	if (!json.len || json.ptr[0] != '{' || json_members(a, json, MEMBERS_MAX, &m, &n, NULL) != ERR_OK)
		return BYTES_NONE;
	for (size_t i = 0; i < n; i++)
		if (bytes_eq(m[i].key, (struct bytes){ (const uint8_t *)key, len }))
			return m[i].value;
	return BYTES_NONE;
}

static struct bytes step_to(struct arena *a, struct bytes json, size_t index)
{
	struct bytes *v;
	size_t n;

	if (!json.len || json.ptr[0] != '[' || json_elements(a, json, ELEMENTS_MAX, &v, &n, NULL) != ERR_OK || index >= n)
		return BYTES_NONE;
	return v[index];
}

static struct bytes trimmed(struct bytes v)
{
	while (v.len && strchr(" \t\r\n", v.ptr[0]))
		v = bytes_slice(v, 1, v.len);
	while (v.len && strchr(" \t\r\n", v.ptr[v.len - 1]))
		v.len--;
	return v;
}

struct bytes member_of(struct probe *p, struct bytes json, const char *path)
{
	struct bytes at = trimmed(json);

	if (!at.ptr || json_check(at, NULL) != ERR_OK)
		return BYTES_NONE;
	while (at.ptr && *path) {
		if (*path == '[') {
			char *end;
			at = step_to(probe_arena(p), at, strtoul(path + 1, &end, 10));
			path = *end == ']' ? end + 1 : end;
		} else {
			size_t len = strcspn(path, ".[");
			at = step_into(probe_arena(p), at, path, len);
			path += len;
		}
		if (*path == '.')
			path++;
	}
	return at;
}

enum err_code want_member(struct probe *p, const struct http_client_answer *x, const char *path, struct bytes *ret, struct err *e)
{
	struct bytes v = member_of(p, x->body, path);
	char text[120];

	if (!v.ptr)
		FAIL(e, CONFIRM, "the answer (%d) has no member \"%s\": %s", x->status, path, said(x, text));
	if (ret)
		*ret = v;
	return ERR_OK;
}

enum err_code want_string(struct probe *p, const struct http_client_answer *x, const char *path, const char **ret, struct err *e)
{
	struct bytes text, v;

	TRY(want_member(p, x, path, &text, e));
	if (json_string(probe_arena(p), text, &v, NULL) != ERR_OK)
		FAIL(e, CONFIRM, "\"%s\" is no string: %.*s", path, (int)(text.len < 80 ? text.len : 80), (const char *)text.ptr);
	const char *copy = arena_str(probe_arena(p), v);
	if (!copy)
		FAIL(e, NOMEM, "no memory for an answer");
	*ret = copy;
	return ERR_OK;
}

enum err_code want_text(struct probe *p, const struct http_client_answer *x, const char *path, const char *text, struct err *e)
{
	const char *seen;

	TRY(want_string(p, x, path, &seen, e));
	if (strcmp(seen, text) != 0)
		FAIL(e, CONFIRM, "\"%s\" is \"%.120s\" instead of \"%.100s\"", path, seen, text);
	return ERR_OK;
}

enum err_code want_elements(
    struct probe *p, const struct http_client_answer *x, const char *path, struct bytes **ret_v, size_t *ret_n, struct err *e)
{
	struct bytes v;

	TRY(want_member(p, x, path, &v, e));
	if (!v.len || v.ptr[0] != '[' || json_elements(probe_arena(p), v, ELEMENTS_MAX, ret_v, ret_n, NULL) != ERR_OK)
		FAIL(e, CONFIRM, "\"%s\" is no array: %.*s", path, (int)(v.len < 80 ? v.len : 80), (const char *)v.ptr);
	return ERR_OK;
}

/* --- kinds --- */

static bool is_string(struct probe *p, struct bytes v, struct bytes *ret)
{
	return json_string(probe_arena(p), v, ret, NULL) == ERR_OK;
}

static bool is_url(struct probe *p, struct bytes v)
{
	struct bytes s;

	return is_string(p, v, &s) && bytes_starts_with(s, BYTES_LIT("https://")) && s.len > 8;
}

static bool are_urls(struct probe *p, struct bytes v)
{
	struct bytes *u;
	size_t n;
	bool good = v.ptr[0] == '[' && json_elements(probe_arena(p), v, ELEMENTS_MAX, &u, &n, NULL) == ERR_OK && n > 0;

	for (size_t i = 0; good && i < n; i++)
		good = is_url(p, u[i]);
	return good;
}

static bool is_uint(struct bytes v)
{
	bool good = v.len > 0;

	for (size_t i = 0; i < v.len; i++)
		good = good && v.ptr[i] >= '0' && v.ptr[i] <= '9';
	return good;
}

static bool is_one_of(struct bytes s, const char *list)
{
	struct bytes head, rest = bytes_str(list);

	while (bytes_split(rest, '|', &head, &rest))
		if (bytes_eq(head, s))
			return true;
	return bytes_eq(rest, s);
}

static bool is_kind(struct probe *p, struct bytes v, const char *kind)
{
	struct bytes s = BYTES_NONE;
	bool string = is_string(p, v, &s);
	int64_t t;

	if (strcmp(kind, "array") == 0 || strcmp(kind, "object") == 0)
		return v.ptr[0] == (kind[0] == 'a' ? '[' : '{');
	if (strcmp(kind, "bool") == 0)
		return bytes_eq_str(v, "true") || bytes_eq_str(v, "false");
	if (strcmp(kind, "uint") == 0)
		return is_uint(v);
	if (strcmp(kind, "url") == 0)
		return is_url(p, v);
	if (strcmp(kind, "urls") == 0)
		return are_urls(p, v);
	if (strcmp(kind, "string") == 0)
		return string;
	if (strcmp(kind, "uri") == 0)
		return string && s.len > 0 && memchr(s.ptr, ':', s.len) && !memchr(s.ptr, ' ', s.len);
	if (strcmp(kind, "time") == 0)
		return string && rfc3339_parse(s, &t, NULL) == ERR_OK;
	if (strcmp(kind, "base64url") == 0)
		return string && base64url_is(s);
	return string && is_one_of(s, kind);
}

enum err_code want_kind(struct probe *p, const struct http_client_answer *x, const char *path, const char *kind, struct err *e)
{
	struct bytes v;

	TRY(want_member(p, x, path, &v, e));
	if (!is_kind(p, v, kind))
		FAIL(e, CONFIRM, "\"%s\" is %.*s, which is not: %s", path, (int)(v.len < 100 ? v.len : 100), (const char *)v.ptr, kind);
	return ERR_OK;
}
