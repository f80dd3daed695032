/* The same requests as http_client_do(), for who may not wait: one at a time, driven by whoever polls one descriptor. No thread is started here, but
 * libcurl looks up hosts in one of its own. Belongs to one thread. */
#ifndef CHANCERY_HTTP_CLIENT_ASYNC_H
#define CHANCERY_HTTP_CLIENT_ASYNC_H

#include "http/client.h"

struct http_async;

/* IO: no descriptors are left. */
enum err_code http_async_new(struct http_async **ret, struct err *e) MUST_USE;
void http_async_free(struct http_async *h);
DEFINE_CLEANUP(struct http_async *, http_async_free);
/* Readable when http_async_step() has something to do; the same one for life. */
int http_async_fd(const struct http_async *h);

/* Begins a request, of which there may be none. Client, arena and what the request points to live until it is taken or dropped. */
enum err_code http_async_begin(
    struct http_async *h, struct http_client *c, struct arena *a, const struct http_client_request *r, struct err *e) MUST_USE;
/* Does what can be done now; whether the request is over (or there is none). */
bool http_async_step(struct http_async *h);
/* What came of one that is over, as http_client_do() has it. */
enum err_code http_async_take(struct http_async *h, struct http_client_answer *ret, struct err *e) MUST_USE;
/* Gives up the request, if there is one. */
void http_async_drop(struct http_async *h);
/* Closes the connections that are kept for the next request: before their client is freed, too. */
void http_async_disconnect(struct http_async *h);

/* Makes the descriptor readable at this time (monotonic) at the latest, until another time is set; HTTP_ASYNC_NEVER. */
#define HTTP_ASYNC_NEVER INT64_MAX
void http_async_alarm(struct http_async *h, int64_t at_ms);

#endif
