/* A strict HTTP/1.1 server over TLS 1.2 and 1.3: loop threads own sockets and TLS (non-blocking OpenSSL, libevent's core), a
 * bounded pool of workers runs handlers that are plain sequential code. What RFC 9112 lets one refuse is refused.
 * A handler either answers before it returns, or parks the request and anybody answers it later, from any thread. */
#ifndef CHANCERY_HTTP_SERVER_H
#define CHANCERY_HTTP_SERVER_H

#include "base/arena.h"
#include "base/err.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_OPTIONS, HTTP_OTHER };

/* One request; lives until it is answered. All views live as long as it does. */
struct http_request {
	struct arena *arena; /* of this request; bounded */
	enum http_method method;
	struct bytes method_name;
	struct bytes path;          /* origin-form target without the query: begins with '/', only characters RFC 3986 allows */
	struct bytes query;         /* ptr NULL when there is no '?' */
	struct bytes host;          /* the Host field */
	struct bytes content_type;  /* ptr NULL when absent */
	struct bytes user_agent;    /* ptr NULL when absent */
	struct bytes origin;        /* ptr NULL when absent */
	struct bytes accept;        /* ptr NULL when absent */
	struct bytes if_none_match; /* ptr NULL when absent */
	struct bytes body;
	uint8_t address[16]; /* the client's; IPv4 in its mapped form */
	uint64_t id;         /* unique in this server's life, and most likely beyond: for logs (base/event.h) */
	void *server_ctx;    /* what the owner gave to http_server_new */
	bool on_loop;        /* the handler runs on the loop, see http_handler */
};

#define HTTP_FIELDS_MAX 16
struct http_field {
	const char *name;
	struct bytes value; /* printable ASCII; others are refused as a BUG and sent as a 500; ptr NULL: left out */
};
struct http_response {
	int status;
	const char *content_type;                  /* NULL: no body */
	struct bytes body;                         /* copied */
	struct http_field fields[HTTP_FIELDS_MAX]; /* further fields; values are copied */
	size_t n_fields;
};

enum http_handled { HTTP_ANSWERED, HTTP_PARKED, HTTP_NOT_HERE };
/* Runs on a worker. To answer: http_answer(r, …) and return HTTP_ANSWERED. To park: keep r, return HTTP_PARKED and see to it that
 * http_answer is called exactly once, from any thread, perhaps already before the handler returns.
 * With http_limits.on_loop it is called first on the thread that has read the request (r->on_loop), which saves handing it over and back. What
 * has to wait for a disk or another thread returns HTTP_NOT_HERE there, with nothing done, and is called again on a worker. */
typedef enum http_handled http_handler(struct http_request *r);

/* Sends the response and ends the request: r and everything in its arena are gone after this. Content-Length, Date and
 * Connection are the server's; HEAD sends no body. The client may be gone already: then nothing happens. */
void http_answer(struct http_request *r, const struct http_response *res);

/* None may be 0. */
struct http_limits {
	unsigned loops; /* threads that own sockets */
	unsigned workers;
	unsigned queue_max; /* requests waiting for a worker; one more is answered 503 with Retry-After by the server */
	unsigned connections_max, connections_per_address; /* IPv6: per /64 */
	unsigned handshake_ms;                             /* total, from accept to the end of the handshake */
	unsigned headers_ms;                               /* total, from the first byte of a request to the end of its header section */
	unsigned body_ms;                                  /* total, for the body */
	unsigned write_ms;                                 /* total, for the response to be taken */
	unsigned idle_ms;                                  /* between requests of a kept connection */
	unsigned header_bytes;                             /* request line and fields: 16384 */
	unsigned body_bytes;                               /* 65536 */
	unsigned requests_per_connection;                  /* then Connection: close */
	bool on_loop;                                      /* handlers are tried on the loop first */
	bool encoded_slashes; /* %2F in a path is taken and left to the handler (OCSP by GET, RFC 6960 appendix A.1); else 400 */
};
extern const struct http_limits http_limits_default;

/* For errors that the server itself must answer (a bad request, a full queue, 404 is the handler's): makes an
 * application/problem+json body. status and detail are given; may add fields. Called on any thread. */
typedef void http_problem_fn(void *ctx, int status, const char *detail, struct arena *a, struct http_response *ret);

struct http_server;
struct http_counts {
	uint64_t accepted, refused_connections, handshakes, handshake_failures, requests, bad_requests, timeouts, overloaded, open_now;
};

enum err_code http_server_new(const struct http_limits *limits, http_handler *handler, http_problem_fn *problem, void *ctx,
    struct http_server **ret, struct err *e) MUST_USE;
/* The TLS identity from now on (existing connections keep theirs): PEM chain and PEM private key. Also later, for a renewal.
 * CONFIG when they do not fit each other. */
enum err_code http_server_set_tls(struct http_server *s, struct bytes chain_pem, struct bytes key_pem, struct err *e) MUST_USE;
/* A listening socket; takes it over where it succeeds. Before http_server_start. tls false: plain HTTP (for later publication). */
enum err_code http_server_listen(struct http_server *s, int fd, bool tls, struct err *e) MUST_USE;
/* CONFIG for a tls socket without an identity. After any failure, http_server_stop() clears away. */
enum err_code http_server_start(struct http_server *s, struct err *e) MUST_USE;
/* Runs a job of the owner's on a worker, with the same bound as requests. BUSY when the queue is full. */
enum err_code http_server_run(struct http_server *s, void (*job)(void *ctx), void *ctx, struct err *e) MUST_USE;
struct http_counts http_server_counts(struct http_server *s);
/* Accepts no more, lets what was begun finish (at most grace_ms, parked requests too), closes, joins all threads, frees.
 * Handlers that run are waited for even then; requests that are still parked may be answered after it (nobody hears it). */
void http_server_stop(struct http_server *s, unsigned grace_ms);
/* Keeps the memory past http_server_stop(), for an owner that stops in one thread while another may still call http_server_run()
 * (which is BUSY then) and http_server_counts(). Each hold ends with a drop. */
void http_server_hold(struct http_server *s);
void http_server_drop(struct http_server *s);

#endif
