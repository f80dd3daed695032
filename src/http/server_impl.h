/* What the server's own files share: server.c (the contract), loop.c (threads, sockets, deadlines), connection.c (one
 * connection's course), request.c (requests and their answers).
 *
 * Who owns what: a connection and its struct request belong to one loop thread, all their life. While a request is with a
 * worker or parked (PHASE_HANDLING, or PHASE_GONE with c->req set), the request is lent to the owner's code; http_answer()
 * gives it back through the loop's `answered` stack. No other data crosses threads but the server's atomics and its locks. */
#ifndef CHANCERY_HTTP_SERVER_IMPL_H
#define CHANCERY_HTTP_SERVER_IMPL_H

#include "http/address.h"
#include "http/parse.h"
#include "http/tls.h"
#include "http/workers.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#define HTTP_LISTENERS_MAX 16
#define HTTP_READ_MAX      16384 /* one TLS record's worth */

/* Where a connection is. One list for each in its loop; as the time that a phase may last is the same for all, each list is
 * in the order of its deadlines and needs no heap. */
enum phase {
	PHASE_HANDSHAKE,
	PHASE_IDLE, /* waiting for the first byte of a request */
	PHASE_HEAD,
	PHASE_BODY,
	PHASE_HANDLING, /* the request is lent out; no deadline here */
	PHASE_WRITING,
	PHASE_LINGERING, /* our side is ended; what still comes is thrown away, so that our last answer is not lost to a reset */
	PHASE_GONE,      /* the socket is closed, but a request is still lent out: its place stays counted until it is back */
	PHASE_DEAD,      /* freed at the end of the callback */
	PHASE__MAX
};

struct request {
	struct http_request pub; /* first: http_answer() casts back */
	struct http_server *server;
	struct loop *loop;
	struct conn *conn;
	struct http_head head;
	struct http_chunked chunked;
	struct buf body;      /* what pub.body views */
	struct buf out;       /* the answer, written by http_answer() */
	bool close;           /* the connection ends with this answer */
	struct request *next; /* in `answered` or in the free list */
};

struct conn {
	TAILQ_ENTRY(conn) in_phase;
	enum phase phase;
	int64_t deadline_ms;
	struct loop *loop;
	struct transport transport;
	struct event readable, writable;
	uint8_t address[16];
	struct buf in; /* what came and is not taken yet */
	struct http_scan scan;
	struct request *req;
	struct buf out;
	size_t out_at; /* what of it is sent */
	unsigned served;
	size_t discarded;   /* while lingering */
	bool reading;       /* `readable` is added */
	bool eof;           /* the client ended its side in order */
	bool close, linger; /* what follows WRITING */
};
TAILQ_HEAD(conn_list, conn);

struct loop_listener {
	struct event event;
	struct loop *loop;
	bool tls;
};

struct loop {
	struct http_server *server;
	pthread_t thread;
	struct event_base *base;
	int wake_fd;
	struct event woken, tick, accept_again;
	_Atomic(struct request *) answered; /* pushed by any thread, taken whole by the loop */
	struct conn_list conns[PHASE__MAX];
	unsigned n_conns; /* all but the dead */
	struct request *free_requests;
	unsigned n_free_requests;
	struct loop_listener listeners[HTTP_LISTENERS_MAX];
	uint8_t scratch[HTTP_READ_MAX];
};

enum stopping { STOPPING_NO, STOPPING_GRACE, STOPPING_NOW };

struct http_server {
	struct http_limits limits;
	http_handler *handler;
	http_problem_fn *problem;
	void *ctx;
	_Atomic unsigned refs; /* the owner's and one for each request lent out */
	_Atomic int stopping;  /* enum stopping */
	bool started;
	unsigned n_threads; /* loops whose thread was started */
	struct workers *workers;
	struct address_table *addresses;
	pthread_mutex_t lock; /* of the two below */
	SSL_CTX *tls;
	unsigned loops_running;
	pthread_cond_t loop_ended;
	struct {
		int fd;
		bool tls;
	} listeners[HTTP_LISTENERS_MAX];
	unsigned n_listeners;
	uint64_t id_prefix; /* of request ids: 24 bits, not 0 */
	_Atomic uint64_t next_id;
	_Atomic uint64_t accepted, refused_connections, handshakes, handshake_failures, requests, bad_requests, timeouts, overloaded,
	    open_now;
	struct loop *loops;
};

/* server.c */
void http_server_unref(struct http_server *s);
/* A reference of the caller's to the present identity; NULL before there is one. */
SSL_CTX *http_server_tls(struct http_server *s);

/* request.c: a request from the loop's free list or new; NULL without memory. Loop thread only. */
struct request *request_take(struct conn *c) MUST_USE;
void request_give(struct request *r);
void request_free(struct request *r);
/* Lends it to its handler, here or on a worker. False when the workers' queue is full: then it is still the loop's. */
bool request_dispatch(struct request *r) MUST_USE;

/* connection.c, all on the loop's thread. Takes over fd. */
void conn_new(struct loop *l, int fd, bool tls, const uint8_t address[16]);
void conn_answered(struct request *r);
void conn_timed_out(struct conn *c);
/* Ends it with TLS's farewell: an idle connection when the server stops. */
void conn_end(struct conn *c);
/* Ends it at once; with reset, unsent bytes are thrown away. */
void conn_drop(struct conn *c, bool reset);
/* Frees what PHASE_DEAD lists. */
void conn_bury(struct loop *l);

/* loop.c */
void loop_blank(struct loop *l, struct http_server *s);
/* The base, the eventfd and the server's listening sockets; loop_clear() frees also what a failure leaves. */
enum err_code loop_init(struct loop *l, struct err *e) MUST_USE;
void *loop_main(void *arg);
void loop_wake(struct loop *l);
/* Hands an answered request back. Any thread. */
void loop_give_back(struct loop *l, struct request *r);
/* Moves the connection between the lists and sets its deadline. */
void loop_enter(struct loop *l, struct conn *c, enum phase to);
/* Takes in a new connection, in the phase that it says. */
void loop_adopt(struct loop *l, struct conn *c);
/* Last in every callback: takes what was answered on this thread, frees the dead and ends the loop where the server stops. */
void loop_tidy(struct loop *l);
/* Frees everything; its thread must have ended. */
void loop_clear(struct loop *l);

#endif
