/* The request head and the chunked body, as pure functions over bytes: no I/O, no memory of their own, fuzzed.
 * Strict: everything that RFC 9110 and RFC 9112 let a server refuse is refused, since what two implementations read
 * differently is what request smuggling lives on. */
#ifndef CHANCERY_HTTP_PARSE_H
#define CHANCERY_HTTP_PARSE_H

#include "http/server.h"

#define HTTP_HEAD_FIELDS_MAX 64
#define HTTP_METHOD_MAX      32

/* Why a request is refused. Not a struct err: these are HTTP's own statuses (417, 501, 505 …), which no ACME error has. */
struct http_fault {
	int status;
	const char *detail; /* static, safe to show */
};

struct http_head {
	enum http_method method;
	struct bytes method_name;
	struct bytes path, query; /* query.ptr NULL without '?' */
	struct bytes host;
	struct bytes content_type, user_agent, origin, accept, if_none_match; /* ptr NULL when absent; visible ASCII, space and tab only */
	bool http10;
	bool close;         /* the client asked for it */
	bool encoded_slash; /* the path has a %2F: to be refused by whoever would read it as a slash */
	bool expect_continue;
	bool has_length, chunked; /* never both */
	uint64_t content_length;
};

enum http_progress { HTTP_MORE, HTTP_DONE, HTTP_BAD };

/* Looks for the end of the header section in what has come so far; takes up where it stopped, so that a slow sender costs
 * no more than a fast one. Start with zeroes. A line that does not end in CRLF is HTTP_BAD at once (RFC 9112 §2.2). */
struct http_scan {
	size_t at;   /* the next byte to look at */
	size_t line; /* where its line begins */
};
enum http_progress http_scan(struct http_scan *s, struct bytes in, size_t *ret_len, struct http_fault *ret_fault) MUST_USE;

/* head: everything up to and with the empty line. Views in *ret point into it. False: *ret_fault says why. */
bool http_head_parse(struct bytes head, struct http_head *ret, struct http_fault *ret_fault) MUST_USE;

/* The chunked coding (RFC 9112 §7.1), without extensions and trailers. Start with zeroes. */
enum http_chunk_state { CHUNK_SIZE, CHUNK_SIZE_LF, CHUNK_DATA, CHUNK_DATA_CR, CHUNK_DATA_LF, CHUNK_LAST_CR, CHUNK_LAST_LF };
struct http_chunked {
	enum http_chunk_state state;
	unsigned digits;
	uint64_t left; /* of this chunk */
};
/* Takes from the front of *in, adds data to out; 413 when out's maximum is passed. *in keeps what follows the body. */
enum http_progress http_chunked_take(struct http_chunked *d, struct bytes *in, struct buf *out, struct http_fault *ret_fault) MUST_USE;

#endif
