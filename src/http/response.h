/* A response as bytes. */
#ifndef CHANCERY_HTTP_RESPONSE_H
#define CHANCERY_HTTP_RESPONSE_H

#include "http/server.h"

#define HTTP_RESPONSE_HEAD_MAX 16384

struct http_framing {
	bool head;  /* answers HEAD: the length of the body, but not the body */
	bool close; /* the connection ends with it */
};

/* Adds the whole message to out. BUG for a response that must not be sent: a status outside 200..599, a field that is the
 * server's own, a name that is no token, a value that is not printable ASCII. Fields whose value is absent are left out. */
enum err_code response_write(struct buf *out, const struct http_response *res, struct http_framing framing, struct err *e) MUST_USE;

#endif
