/* A response as bytes. */
#ifndef CHANCERY_HTTP_RESPONSE_H
#define CHANCERY_HTTP_RESPONSE_H

#include "http/server.h"

#define HTTP_RESPONSE_HEAD_MAX 16384

struct http_framing {
	bool head;  /* answers HEAD: the length of the body, but not the body */
	bool close; /* the connection ends with it */
};

/* A time as HTTP writes it (IMF-fixdate, RFC 9110 §5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT". Empty for one before 1970. */
#define HTTP_DATE_SIZE 30
void http_date(int64_t unix_s, char out[HTTP_DATE_SIZE]);
/* Whether an If-None-Match field names this entity tag (quoted) or is "*" (RFC 9110 §13.1.2: weak comparison). */
bool http_etag_matches(struct bytes field, const char *etag);

/* Adds the whole message to out. BUG for a response that must not be sent: a status outside 200..599, a field that is the
 * server's own, a name that is no token, a value that is not printable ASCII. Fields whose value is absent are left out. */
enum err_code response_write(struct buf *out, const struct http_response *res, struct http_framing framing, struct err *e) MUST_USE;

#endif
