/* One request of the client's HTTP, between libcurl's settings and the answer: what both ways of driving it share. Private to this room. */
#ifndef CHANCERY_HTTP_CLIENT_IMPL_H
#define CHANCERY_HTTP_CLIENT_IMPL_H

#include "http/client.h"

#include <curl/curl.h>
#include <signal.h>

struct http_client {
	CURL *curl;
	char *ca_file, *ca_pem, *user_agent;
	char reason[CURL_ERROR_SIZE];
};

/* A request in flight and what it gathers. libcurl knows its address: it stays where it is until it is closed. */
struct http_exchange {
	struct http_client *client;
	struct arena *arena;
	struct curl_slist *headers;
	struct buf body;
	struct http_client_answer answer;
	bool too_large, nomem;
};

/* Puts the request into the client's easy handle. Closed also when it failed. */
enum err_code http_exchange_open(
    struct http_client *c, struct arena *a, const struct http_client_request *r, struct http_exchange *x, struct err *e) MUST_USE;
/* What came of it; rc is libcurl's. Does not yet close it. */
enum err_code http_exchange_take(struct http_exchange *x, CURLcode rc, struct http_client_answer *ret, struct err *e) MUST_USE;
void http_exchange_close(struct http_exchange *x);

/* OpenSSL writes to sockets without MSG_NOSIGNAL, and libcurl would ignore SIGPIPE for the whole process meanwhile. So it is
 * blocked in this thread alone around libcurl's work, and one that came is taken away. */
struct sigpipe {
	sigset_t before;
	bool was_pending;
};
void sigpipe_block(struct sigpipe *s);
void sigpipe_restore(const struct sigpipe *s);

#endif
