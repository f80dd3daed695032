/* The scanner under json.c: goes over a text once, refuses whatever RFC 8259 and json.h refuse, and stores nothing but
 * the keys of the objects that are open. Only the JSON files of this room include it. */
#ifndef CHANCERY_BASE_JSON_SCAN_H
#define CHANCERY_BASE_JSON_SCAN_H

#include "base/json.h"

struct json_scan {
	const uint8_t *p;      /* here; between two tokens it is never white space */
	const uint8_t *behind; /* where the last token ended, before white space */
	const uint8_t *start, *end;
	const char *what; /* names the text in errors */
	struct err *e;
	unsigned depth; /* objects and arrays that are open, at most JSON_DEPTH_MAX */
};

/* The content of one string, without its quotes, checked. */
struct json_text {
	struct bytes raw;
	size_t len; /* bytes once unescaped; less than raw.len exactly when there are escapes, for each of them shrinks */
};

/* One open object or array. It lies on the stack uninitialised, for most of it is hardly ever used. */
struct json_level {
	uint8_t close;
	size_t n;                                /* members or elements so far */
	struct json_text keys[JSON_MEMBERS_MAX]; /* of an object, escapes and all: compared by json_text_eq() */
	uint64_t hashes[JSON_MEMBERS_MAX];       /* of long keys, else 0 */
};

/* Starts at the first character that is not white space. */
struct json_scan json_scan_of(struct bytes in, const char *what, struct err *e);
/* MALFORMED: "what, byte 17: problem". */
enum err_code json_scan_fail(const struct json_scan *s, const char *problem) MUST_USE;
/* The character here, 0 at the end of the text: tells a value's kind before it is scanned. */
uint8_t json_scan_peek(const struct json_scan *s);
/* Any value, checked as a whole; *ret is its text. */
enum err_code json_scan_value(struct json_scan *s, struct bytes *ret) MUST_USE;
/* The caller has peeked the quotation mark. */
enum err_code json_scan_string(struct json_scan *s, struct json_text *ret) MUST_USE;
/* Goes into the object or array that the caller has peeked. */
enum err_code json_scan_enter(struct json_scan *s, struct json_level *l) MUST_USE;
/* To the next element of an array; at its end *ret_more is false and the scan stands behind it. */
enum err_code json_scan_element(struct json_scan *s, struct json_level *l, bool *ret_more) MUST_USE;
/* The same for an object, up to the member's value. Refuses a key that this object had already. */
enum err_code json_scan_key(struct json_scan *s, struct json_level *l, struct json_text *ret_key, bool *ret_more) MUST_USE;
/* Nothing may follow. */
enum err_code json_scan_end(const struct json_scan *s) MUST_USE;

/* Whether two strings are the same once unescaped. */
bool json_text_eq(struct json_text a, struct json_text b);
/* Writes exactly t.len bytes; false when U+0000 is among them. */
bool json_unescape(struct json_text t, uint8_t *out);
/* The first byte at or after p that cannot stand in a string unlooked-at: quotation mark, backslash, control character or
 * beyond ASCII. */
const uint8_t *json_skip_plain(const uint8_t *p, const uint8_t *end);

#endif
