/* Inside the JSON reader: the scanner that checks one value and moves behind it. */
#ifndef CHANCERY_BASE_JSON_SCAN_H
#define CHANCERY_BASE_JSON_SCAN_H

#include "base/json.h"

#define JSON_KEY_MAX 256

struct json_scan {
	const uint8_t *p, *end;
	unsigned depth;
};

/* A string between its quotes, checked. */
struct json_text {
	struct bytes raw;
	bool escapes, nul; /* has a backslash; has U+0000 */
};

/* One object's keys so far, to refuse a second one of the same name however it is written. */
struct json_keys {
	struct json_text v[JSON_MEMBERS_MAX];
	size_t n;
};

void json_scan_space(struct json_scan *s);
/* MALFORMED unless the next character is c, which is passed. */
enum err_code json_scan_char(struct json_scan *s, char c, struct err *e) MUST_USE;
enum err_code json_scan_string(struct json_scan *s, struct json_text *ret, struct err *e) MUST_USE;
/* Any value; *ret is its text. */
enum err_code json_scan_value(struct json_scan *s, struct bytes *ret, struct err *e) MUST_USE;
/* The key of an object's next member and the colon; *ret_more is false at the object's end, which is passed. */
enum err_code json_scan_key(struct json_scan *s, struct json_keys *keys, struct json_text *ret, bool *ret_more, struct err *e) MUST_USE;
/* Before an array's next element; *ret_more is false at the array's end, which is passed. */
enum err_code json_scan_element(struct json_scan *s, bool first, bool *ret_more, struct err *e) MUST_USE;
/* Writes the unescaped bytes: never more than raw.len. Returns how many. */
size_t json_unescape(struct bytes raw, uint8_t *out);

#endif
