/* A strict JSON reader (RFC 8259) driven by field tables, and a writer.
 * Refused: duplicate keys (also in what is skipped), trailing bytes, invalid UTF-8 and lone surrogates, unescaped
 * control characters, depth over JSON_DEPTH_MAX, more than JSON_MEMBERS_MAX members of one object. U+0000 in a string
 * is refused where a value is wanted. Members that the table does not name are checked and skipped (RFC 8555 §6). */
#ifndef CHANCERY_BASE_JSON_H
#define CHANCERY_BASE_JSON_H

#include "base/arena.h"
#include "base/err.h"

#define JSON_DEPTH_MAX   16
#define JSON_MEMBERS_MAX 64
#define JSON_ARRAY_MAX   1024

enum json_kind {
	JSON_STRING,  /* struct bytes: unescaped UTF-8 without U+0000; ptr NULL when absent */
	JSON_BOOL,    /* struct json_bool */
	JSON_UINT,    /* struct json_uint: an integer 0 .. 2^53, without fraction or exponent */
	JSON_OBJECT,  /* struct bytes: the object's own text, checked; ptr NULL when absent */
	JSON_ARRAY,   /* struct bytes: the array's own text, checked */
	JSON_STRINGS, /* struct json_strings: an array of strings */
	JSON_ANY,     /* struct bytes: the value's own text, checked */
};

struct json_bool {
	bool set, value;
};
struct json_uint {
	bool set;
	uint64_t value;
};
struct json_strings {
	bool set;
	struct bytes *v;
	size_t n;
};

struct json_field {
	const char *name;
	enum json_kind kind;
	bool required;
	size_t offset; /* of the member in the structure that json_read() fills */
	/* Most bytes of a string or elements of an array. 0: JSON_ARRAY_MAX for JSON_STRINGS, else the input's own size. */
	size_t max;
};
#define JSON_FIELD(T, member, name, kind, required, max)               \
	{                                                              \
		(name), (kind), (required), offsetof(T, member), (max) \
	}

/* Reads one object and nothing else. `what` names it in the error ("the protected header"). Views point into `in`, or
 * into the arena for strings with escapes. MALFORMED with the member's name and what is allowed there; then *out may be
 * partly filled and must not be used. Fields that the object lacks are set to absent. A member whose value is null is an
 * error, but for JSON_ANY. */
enum err_code json_read(struct arena *a, struct bytes in, const char *what, const struct json_field *fields, size_t n_fields, void *out,
    struct err *e) MUST_USE;

/* Splits a checked array (from JSON_ARRAY) into its elements' texts, at most max of them. */
enum err_code json_elements(struct arena *a, struct bytes array, size_t max, struct bytes **ret_v, size_t *ret_n, struct err *e) MUST_USE;
/* Splits a checked object (from JSON_OBJECT) into its keys (unescaped) and its values' texts. */
struct json_member {
	struct bytes key, value;
};
enum err_code json_members(
    struct arena *a, struct bytes object, size_t max, struct json_member **ret_v, size_t *ret_n, struct err *e) MUST_USE;
/* The text of the value at a path of names with dots between, "limits.keys", through the objects on the way; ptr NULL: there is none. For
 * objects of at most JSON_MEMBERS_MAX members. */
struct bytes json_find(struct arena *a, struct bytes object, const char *path);
/* The unescaped content of one string's text (with its quotes). */
enum err_code json_string(struct arena *a, struct bytes text, struct bytes *ret, struct err *e) MUST_USE;
/* MALFORMED unless the whole input is one valid JSON value under the rules above. */
enum err_code json_check(struct bytes in, struct err *e) MUST_USE;

/* The writer puts commas where they belong. Strings are escaped; bytes that are no UTF-8 become U+FFFD. Output is
 * compact, ready to be sent. `w->out->failed` tells overflow. */
struct json_out {
	struct buf *out;
	bool comma;
};
struct json_out json_out_to(struct buf *b);
void json_put_object(struct json_out *w);
void json_end_object(struct json_out *w);
void json_put_array(struct json_out *w);
void json_end_array(struct json_out *w);
void json_put_key(struct json_out *w, const char *key);
void json_put_string(struct json_out *w, struct bytes v);
void json_put_uint(struct json_out *w, uint64_t v);
void json_put_int(struct json_out *w, int64_t v);
void json_put_bool(struct json_out *w, bool v);
void json_put_raw(struct json_out *w, struct bytes text); /* text that is JSON already */
/* The common pairs. */
void json_put_member(struct json_out *w, const char *key, struct bytes v);
void json_put_member_str(struct json_out *w, const char *key, const char *v);
void json_put_member_uint(struct json_out *w, const char *key, uint64_t v);
void json_put_member_bool(struct json_out *w, const char *key, bool v);
void json_put_member_strs(struct json_out *w, const char *key, const char *const *v, size_t n);

#endif
