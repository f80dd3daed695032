/* Whatever the reader accepts as a whole it accepts in its parts, a text has one reading, and no detail steers a terminal. */
#include "base/json.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sample {
	struct bytes protected, payload, jwk, list, any;
	struct json_bool agreed;
	struct json_uint status;
	struct json_strings contact;
};

static const struct json_field fields[] = {
	JSON_FIELD(struct sample, protected, "protected", JSON_STRING, true, 16),
	JSON_FIELD(struct sample, payload, "payload", JSON_STRING, false, 0),
	JSON_FIELD(struct sample, jwk, "jwk", JSON_OBJECT, false, 0),
	JSON_FIELD(struct sample, list, "list", JSON_ARRAY, false, 4),
	JSON_FIELD(struct sample, any, "any", JSON_ANY, false, 0),
	JSON_FIELD(struct sample, agreed, "agreed", JSON_BOOL, false, 0),
	JSON_FIELD(struct sample, status, "status", JSON_UINT, false, 0),
	JSON_FIELD(struct sample, contact, "contact", JSON_STRINGS, false, 3),
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void require_printable(const struct err *e)
{
	const uint8_t *p = (const uint8_t *)e->detail, *end = p + strlen(e->detail);
	uint32_t c = 0;

	require(p < end);
	for (size_t n; p < end; p += n) {
		n = utf8_get(p, end, &c);
		require(n > 0 && utf8_is_printable(c));
	}
}

/* The string's text is written and read again as the same. */
static void check_string(struct arena *a, struct bytes text)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(1 << 22);
	struct json_out w = json_out_to(&b);
	struct bytes plain, again;

	if (json_string(a, text, &plain, NULL) != ERR_OK)
		return; /* U+0000, or the arena is full */
	json_put_string(&w, plain);
	if (json_string(a, buf_bytes(&b), &again, NULL) == ERR_OK)
		require(bytes_eq(plain, again));
	require(json_check(buf_bytes(&b), NULL) == ERR_OK);
}

/* Takes an accepted value apart; the depth is bounded by the check before. */
static void check_parts(struct arena *a, struct bytes text)
{
	struct json_member *members;
	struct bytes *elements;
	enum err_code rc;
	size_t n = 0;

	require(json_check(text, NULL) == ERR_OK);
	if (text.ptr[0] == '"') {
		check_string(a, text);
	} else if (text.ptr[0] == '[') {
		rc = json_elements(a, text, SIZE_MAX, &elements, &n, NULL);
		require(rc == ERR_OK || rc == ERR_NOMEM);
		for (size_t i = 0; rc == ERR_OK && i < n && i < 64; i++)
			check_parts(a, elements[i]);
	} else if (text.ptr[0] == '{') {
		struct err e;
		rc = json_members(a, text, SIZE_MAX, &members, &n, &e);
		require(rc == ERR_OK || rc == ERR_NOMEM || strstr(e.detail, "U+0000"));
		for (size_t i = 0; rc == ERR_OK && i < n; i++) {
			require(members[i].key.ptr && !memchr(members[i].key.ptr, 0, members[i].key.len));
			check_parts(a, members[i].value);
		}
	}
}

static void check_sample(struct bytes in, const struct sample *v)
{
	require(json_check(in, NULL) == ERR_OK);
	require(v->protected.ptr && v->protected.len <= 16 && !memchr(v->protected.ptr, 0, v->protected.len));
	require(!v->jwk.ptr || (v->jwk.ptr[0] == '{' && v->jwk.ptr[v->jwk.len - 1] == '}'));
	require(!v->list.ptr || (v->list.ptr[0] == '[' && v->list.ptr[v->list.len - 1] == ']'));
	require(!v->any.ptr || json_check(v->any, NULL) == ERR_OK);
	require(!v->status.set || v->status.value <= UINT64_C(1) << 53);
	require(v->contact.n <= 3);
	for (size_t i = 0; i < v->contact.n; i++)
		require(v->contact.v[i].ptr != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(4096, 1 << 22);
	struct bytes in = { data, size };
	struct sample v;
	struct err e;

	require(a != NULL);
	if (json_check(in, &e) == ERR_OK) {
		while (size && strchr(" \t\r\n", *data)) {
			data++;
			size--;
		}
		check_parts(a, (struct bytes){ data, size });
	} else {
		require(e.code == ERR_MALFORMED);
		require_printable(&e);
	}
	arena_reset(a);
	if (json_read(a, in, "the JWS", fields, sizeof fields / sizeof *fields, &v, &e) == ERR_OK) {
		check_sample(in, &v);
	} else {
		require(e.code == ERR_MALFORMED || e.code == ERR_NOMEM);
		require_printable(&e);
	}
	return 0;
}
