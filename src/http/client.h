/* The client's HTTP: one request at a time over libcurl, https alone where nothing else is said, no redirects, everything bounded. A handle keeps its
 * connection between requests and belongs to one thread. */
#ifndef CHANCERY_HTTP_CLIENT_H
#define CHANCERY_HTTP_CLIENT_H

#include "base/arena.h"
#include "base/err.h"

#define HTTP_CLIENT_BODY_MAX   (1u << 20)
#define HTTP_CLIENT_HEADER_MAX 4096 /* of one header's value that is kept */

#define HTTP_CLIENT_FIELDS_MAX 64 /* of one answer that are kept */

enum http_client_method {
	HTTP_CLIENT_GET,
	HTTP_CLIENT_HEAD,
	HTTP_CLIENT_POST,
	HTTP_CLIENT_PUT, /* these three without a body */
	HTTP_CLIENT_DELETE,
	HTTP_CLIENT_OPTIONS,
};

struct http_client_request {
	enum http_client_method method;
	const char *url;
	struct bytes body;           /* POST */
	const char *content_type;    /* POST; "": none is sent */
	const char *accept;          /* NULL: not sent */
	const char *const *more;     /* further header lines ("Origin: https://example.org"), NULL behind the last; may be NULL */
	uint32_t timeout_ms;         /* of this whole request */
	bool plain_http;             /* http URLs are allowed, too */
	const char *user, *password; /* basic authentication (RFC 7617); NULL: none */
};

struct http_client_field {
	struct bytes name, value; /* the name in lower case */
};

/* Headers that were not there are absent (ptr NULL); of those sent twice the last counts. In the arena. */
struct http_client_answer {
	int status;
	struct bytes body, content_type, location, replay_nonce, retry_after;
	struct http_client_field *fields; /* all of them, as they came */
	size_t n_fields;
};

/* The answer's member for a header of this name, whose case does not count; NULL: it is among the fields alone. */
struct bytes *http_client_answer_member(struct http_client_answer *a, struct bytes name);

struct http_client;

/* ca_file: PEM of those who may vouch for servers, NULL for the system's. user_agent is copied. */
enum err_code http_client_new(const char *ca_file, const char *user_agent, struct http_client **ret, struct err *e) MUST_USE;
/* Those who may vouch, as PEM instead of a file; called before the first request. NOMEM. */
enum err_code http_client_set_ca(struct http_client *c, struct bytes pem, struct err *e) MUST_USE;
void http_client_free(struct http_client *c);
DEFINE_CLEANUP(struct http_client *, http_client_free);

/* CONFIG: a URL that is no https URL (nor http, where that is allowed), or a CA file that cannot be read. DNS, CONNECTION, TLS, TIMEOUT: where it failed. TOO_LARGE:
 * more than HTTP_CLIENT_BODY_MAX came. Any HTTP status is a success here. */
enum err_code http_client_do(
    struct http_client *c, struct arena *a, const struct http_client_request *r, struct http_client_answer *ret, struct err *e) MUST_USE;

#endif
