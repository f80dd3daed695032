/* One connection's course: bytes in, requests out to the workers, answers in, bytes out. Everything on the loop's thread. */
#include "http/response.h"
#include "http/server_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define IN_KEPT_IDLE  4096 /* an idle connection keeps no larger input buffer than this */
#define LINGER_BYTES  262144
#define RETRY_AFTER_S "2"

static bool conn_is_live(const struct conn *c)
{
	return c->phase != PHASE_GONE && c->phase != PHASE_DEAD;
}

static void uncount(struct http_server *s, const uint8_t address[16])
{
	address_table_give(s->addresses, address);
	atomic_fetch_sub(&s->open_now, 1);
}

void conn_bury(struct loop *l)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&l->conns[PHASE_DEAD]))) {
		TAILQ_REMOVE(&l->conns[PHASE_DEAD], c, in_phase);
		free(c);
	}
}

static void conn_die(struct conn *c)
{
	uncount(c->loop->server, c->address);
	c->loop->n_conns--;
	loop_enter(c->loop, c, PHASE_DEAD);
}

void conn_drop(struct conn *c, bool reset)
{
	bool lent = c->phase == PHASE_HANDLING;

	event_del(&c->readable);
	event_del(&c->writable);
	transport_close(&c->transport, reset);
	buf_free(&c->in);
	buf_free(&c->out);
	if (lent) {
		loop_enter(c->loop, c, PHASE_GONE);
		return;
	}
	if (c->req)
		request_give(c->req);
	c->req = NULL;
	conn_die(c);
}

static void reading_on(struct conn *c)
{
	if (!c->reading)
		c->reading = event_add(&c->readable, NULL) == 0;
}

static void reading_off(struct conn *c)
{
	if (c->reading)
		event_del(&c->readable);
	c->reading = false;
}

/* --- out --- */

/* Appends to what is not sent yet; `more` is empty afterwards. */
static void conn_send(struct conn *c, struct buf *more)
{
	size_t left = c->out.len - c->out_at;

	if (left > 0) {
		struct buf both = buf_new(left + more->len);
		buf_add(&both, bytes_slice(buf_bytes(&c->out), c->out_at, c->out.len));
		buf_add(&both, buf_bytes(more));
		both.failed = both.failed || more->failed;
		buf_free(more);
		*more = both;
	}
	buf_free(&c->out);
	c->out = *more;
	c->out_at = 0;
	*more = buf_new(0);
}

/* True when everything is with the kernel; false when it waits for that, or the connection is dropped. */
static bool conn_flush(struct conn *c)
{
	while (c->out_at < c->out.len) {
		size_t n = 0;
		struct bytes rest = bytes_slice(buf_bytes(&c->out), c->out_at, c->out.len);
		switch (transport_write(&c->transport, rest, &n)) {
		case IO_DONE:
			c->out_at += n;
			break;
		case IO_WANT_WRITE:
			event_add(&c->writable, NULL);
			return false;
		case IO_WANT_READ: /* no renegotiation: the peer's bytes are no condition for ours */
		case IO_EOF:
		case IO_ABORT:
			conn_drop(c, false);
			return false;
		}
	}
	buf_free(&c->out);
	c->out_at = 0;
	return true;
}

/* An answer of the server's own. Unless it is kept the connection ends with it, since what follows in the input is unclear. */
static void conn_refuse(struct conn *c, struct http_fault fault, bool keep)
{
	struct http_server *s = c->loop->server;
	struct request *r = c->req ? c->req : request_take(c);
	struct http_response res = { .status = fault.status };
	bool retry = fault.status == 503;

	loop_enter(c->loop, c, PHASE_WRITING);
	if (!r) {
		conn_drop(c, false);
		return;
	}
	c->req = NULL;
	s->problem(s->ctx, fault.status, fault.detail, r->pub.arena, &res);
	for (size_t i = 0; i < res.n_fields && retry; i++)
		retry = strcasecmp(res.fields[i].name, "Retry-After") != 0;
	if (retry && res.n_fields < HTTP_FIELDS_MAX)
		res.fields[res.n_fields++] = (struct http_field){ "Retry-After", BYTES_LIT(RETRY_AFTER_S) };
	struct buf out = buf_new(HTTP_RESPONSE_HEAD_MAX + res.body.len);
	struct http_framing framing = { .head = r->head.method == HTTP_HEAD, .close = !keep };
	bool written = response_write(&out, &res, framing, NULL) == ERR_OK;
	request_give(r);
	if (!written) {
		buf_free(&out);
		conn_drop(c, false);
		return;
	}
	conn_send(c, &out);
	c->close = c->linger = !keep;
}

static void conn_refuse_bad(struct conn *c, struct http_fault fault)
{
	atomic_fetch_add_explicit(&c->loop->server->bad_requests, 1, memory_order_relaxed);
	conn_refuse(c, fault, false);
}

/* --- in: each step returns whether another may follow at once --- */

static bool step_idle(struct conn *c)
{
	if (c->in.len == 0) {
		if (c->in.cap > IN_KEPT_IDLE)
			buf_free(&c->in);
		return false;
	}
	c->scan = (struct http_scan){ 0 };
	loop_enter(c->loop, c, PHASE_HEAD);
	return true;
}

/* 100 (Continue) goes out when the client waits for it: none of the body is here yet (RFC 9110 §10.1.1). */
static void say_continue(struct conn *c)
{
	struct buf out = buf_new(64);

	buf_add_str(&out, "HTTP/1.1 100 Continue\r\n\r\n");
	conn_send(c, &out);
	if (!c->out.failed)
		conn_flush(c);
	else
		conn_drop(c, false);
}

/* The head is whole: its bytes move from the input into the request's arena. */
static bool begin_request(struct conn *c, size_t head_len)
{
	struct http_server *s = c->loop->server;
	struct request *r = c->req = request_take(c);
	struct http_fault fault;
	struct bytes head = r ? arena_copy(r->pub.arena, bytes_slice(buf_bytes(&c->in), 0, head_len)) : BYTES_NONE;

	buf_consume(&c->in, head_len);
	if (!head.ptr) {
		conn_drop(c, false);
		return false;
	}
	if (!http_head_parse(head, &r->head, &fault)) {
		conn_refuse_bad(c, fault);
		return true;
	}
	if (r->head.encoded_slash && !s->limits.encoded_slashes) {
		conn_refuse_bad(c, (struct http_fault){ 400, "the request target has an encoded slash" });
		return true;
	}
	if (r->head.content_length > s->limits.body_bytes) {
		conn_refuse_bad(c, (struct http_fault){ 413, "the body is too large" });
		return true;
	}
	r->close = r->head.close || ++c->served >= s->limits.requests_per_connection;
	loop_enter(c->loop, c, PHASE_BODY);
	if (r->head.expect_continue && c->in.len == 0 && (r->head.chunked || r->head.content_length > 0))
		say_continue(c);
	return conn_is_live(c);
}

static bool step_head(struct conn *c)
{
	unsigned max = c->loop->server->limits.header_bytes;
	struct http_fault fault;
	size_t head_len = 0;

	switch (http_scan(&c->scan, buf_bytes(&c->in), &head_len, &fault)) {
	case HTTP_BAD:
		conn_refuse_bad(c, fault);
		return true;
	case HTTP_MORE:
		if (c->in.len < max)
			return false;
		break;
	case HTTP_DONE:
		if (head_len <= max)
			return begin_request(c, head_len);
		break;
	}
	if (c->scan.line == 0)
		conn_refuse_bad(c, (struct http_fault){ 414, "the request target is too long" });
	else
		conn_refuse_bad(c, (struct http_fault){ 431, "the header section is too large" });
	return true;
}

static enum http_progress take_body(struct conn *c, struct http_fault *ret_fault)
{
	struct request *r = c->req;
	struct bytes rest = buf_bytes(&c->in);
	enum http_progress progress;

	if (r->head.chunked) {
		progress = http_chunked_take(&r->chunked, &rest, &r->body, ret_fault);
	} else {
		size_t left = (size_t)r->head.content_length - r->body.len, n = rest.len < left ? rest.len : left;
		buf_add(&r->body, bytes_slice(rest, 0, n));
		rest = bytes_slice(rest, n, rest.len);
		progress = n == left ? HTTP_DONE : HTTP_MORE;
	}
	if (!buf_ok(&r->body) && progress != HTTP_BAD) {
		*ret_fault = (struct http_fault){ 503, "no memory for the body" };
		progress = HTTP_BAD;
	}
	buf_consume(&c->in, c->in.len - rest.len);
	return progress;
}

static bool step_body(struct conn *c)
{
	struct http_server *s = c->loop->server;
	struct http_fault fault;

	switch (take_body(c, &fault)) {
	case HTTP_MORE:
		return false;
	case HTTP_BAD:
		conn_refuse_bad(c, fault);
		return true;
	case HTTP_DONE:
		break;
	}
	atomic_fetch_add_explicit(&s->requests, 1, memory_order_relaxed);
	loop_enter(c->loop, c, PHASE_HANDLING);
	if (request_dispatch(c->req)) /* from here on it may be answered already; only conn_answered() touches it */
		return false;
	atomic_fetch_add_explicit(&s->overloaded, 1, memory_order_relaxed);
	/* The connection is kept: a client that must come back had better not pay for a handshake as well. */
	bool keep = !c->req->close;
	conn_refuse(c, (struct http_fault){ 503, "too many requests are waiting, come back later" }, keep);
	return true;
}

static bool step_writing(struct conn *c)
{
	struct loop *l = c->loop;

	if (c->out.failed) {
		conn_drop(c, false);
		return false;
	}
	if (!conn_flush(c))
		return false;
	bool ending = c->in.len == 0 && (c->eof || atomic_load_explicit(&l->server->stopping, memory_order_relaxed));
	if (!c->close && !ending) {
		loop_enter(l, c, PHASE_IDLE);
		return true;
	}
	if (transport_shutdown(&c->transport) == IO_WANT_WRITE) {
		event_add(&c->writable, NULL);
		return false;
	}
	if (!c->linger || c->eof) {
		conn_drop(c, false);
		return false;
	}
	shutdown(c->transport.fd, SHUT_WR);
	loop_enter(l, c, PHASE_LINGERING);
	reading_on(c);
	return false;
}

static bool conn_step(struct conn *c)
{
	switch (c->phase) {
	case PHASE_IDLE:
		return step_idle(c);
	case PHASE_HEAD:
		return step_head(c);
	case PHASE_BODY:
		return step_body(c);
	case PHASE_WRITING:
		return step_writing(c);
	case PHASE_HANDSHAKE:
	case PHASE_HANDLING:
	case PHASE_LINGERING:
	case PHASE_GONE:
	case PHASE_DEAD:
	case PHASE__MAX:
		return false;
	}
	return false;
}

/* What is pipelined behind a request in progress is taken up to one header section's size; TCP holds back the rest. */
static bool conn_wants_input(const struct conn *c)
{
	return !c->eof && c->in.len < c->loop->server->limits.header_bytes;
}

/* Reads once into the input. False when nothing came. */
static bool conn_read(struct conn *c)
{
	struct loop *l = c->loop;
	size_t n = 0;

	switch (transport_read(&c->transport, l->scratch, sizeof l->scratch, &n)) {
	case IO_DONE:
		buf_add(&c->in, (struct bytes){ l->scratch, n });
		if (buf_ok(&c->in))
			return true;
		conn_drop(c, false);
		return false;
	case IO_WANT_READ:
		return false;
	case IO_WANT_WRITE: /* an answer to a TLS 1.3 key update */
		event_add(&c->writable, NULL);
		return false;
	case IO_EOF:
		/* A client may end its side and still wait for the answers (RFC 9112 §9.6). */
		c->eof = true;
		return true;
	case IO_ABORT:
		conn_drop(c, false);
		return false;
	}
	return false;
}

/* The driver: takes the connection as far as it goes without waiting. may_read: the socket is said to have something. */
static void conn_run(struct conn *c, bool may_read)
{
	for (;;) {
		while (conn_step(c))
			;
		if (!conn_is_live(c) || c->phase == PHASE_LINGERING)
			return;
		if (c->eof && (c->phase == PHASE_IDLE || c->phase == PHASE_HEAD || c->phase == PHASE_BODY)) {
			c->close = true;
			loop_enter(c->loop, c, PHASE_WRITING);
			continue;
		}
		if (!conn_wants_input(c)) {
			reading_off(c);
			return;
		}
		may_read = may_read || !c->reading;
		reading_on(c);
		/* What OpenSSL holds already is not seen by polling. */
		if (!may_read && !transport_pending(&c->transport))
			return;
		may_read = false;
		if (!conn_read(c))
			return;
	}
}

/* --- events --- */

static void conn_shake(struct conn *c)
{
	struct http_server *s = c->loop->server;

	switch (transport_handshake(&c->transport)) {
	case IO_DONE:
		atomic_fetch_add_explicit(&s->handshakes, 1, memory_order_relaxed);
		loop_enter(c->loop, c, PHASE_IDLE);
		conn_run(c, false);
		return;
	case IO_WANT_READ:
		return;
	case IO_WANT_WRITE:
		event_add(&c->writable, NULL);
		return;
	case IO_EOF:
	case IO_ABORT:
		atomic_fetch_add_explicit(&s->handshake_failures, 1, memory_order_relaxed);
		conn_drop(c, false);
		return;
	}
}

/* Throws away until the client ends its side; below TLS, since nobody reads it. */
static void conn_discard(struct conn *c)
{
	ssize_t n = recv(c->transport.fd, c->loop->scratch, sizeof c->loop->scratch, 0);

	if (n > 0)
		c->discarded += (size_t)n;
	if (n == 0 || c->discarded > LINGER_BYTES || (n < 0 && errno != EAGAIN && errno != EINTR))
		conn_drop(c, false);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct loop *l = c->loop;

	(void)fd;
	(void)what;
	if (c->phase == PHASE_HANDSHAKE)
		conn_shake(c);
	else if (c->phase == PHASE_LINGERING)
		conn_discard(c);
	else
		conn_run(c, true);
	loop_tidy(l);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct loop *l = c->loop;

	(void)fd;
	(void)what;
	if (c->phase == PHASE_HANDSHAKE)
		conn_shake(c);
	else if (c->phase == PHASE_WRITING || conn_flush(c) || conn_is_live(c))
		conn_run(c, true);
	loop_tidy(l);
}

void conn_new(struct loop *l, int fd, bool tls, const uint8_t address[16])
{
	struct http_server *s = l->server;
	struct conn *c = calloc(1, sizeof *c);
	SSL_CTX *ctx = tls ? http_server_tls(s) : NULL;

	/* transport_open() closes fd where it fails, and transport_close() where there is no connection for it. */
	struct transport t = { .fd = fd };
	bool open = c && transport_open(&t, fd, ctx);
	tls_context_free(ctx);
	if (!open) {
		transport_close(&t, true);
		free(c);
		uncount(s, address);
		return;
	}
	c->loop = l;
	c->transport = t;
	memcpy(c->address, address, sizeof c->address);
	c->in = buf_new(s->limits.header_bytes + HTTP_READ_MAX);
	c->out = buf_new(0);
	event_assign(&c->readable, l->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->writable, l->base, fd, EV_WRITE, on_writable, c);
	c->phase = tls ? PHASE_HANDSHAKE : PHASE_IDLE;
	loop_adopt(l, c);
	reading_on(c);
}

void conn_answered(struct request *r)
{
	struct conn *c = r->conn;

	c->req = NULL;
	if (c->phase == PHASE_GONE) {
		request_give(r);
		conn_die(c);
		return;
	}
	c->close = r->close;
	c->linger = !r->head.close; /* where closing is our wish, the client may be sending its next request */
	conn_send(c, &r->out);
	request_give(r);
	loop_enter(c->loop, c, PHASE_WRITING);
	conn_run(c, false);
}

void conn_end(struct conn *c)
{
	c->close = true;
	c->linger = false;
	loop_enter(c->loop, c, PHASE_WRITING);
	conn_run(c, false);
}

void conn_timed_out(struct conn *c)
{
	struct http_server *s = c->loop->server;

	if (c->phase == PHASE_IDLE) {
		conn_end(c);
		return;
	}
	if (c->phase != PHASE_LINGERING)
		atomic_fetch_add_explicit(&s->timeouts, 1, memory_order_relaxed);
	if (c->phase == PHASE_HEAD || c->phase == PHASE_BODY) {
		conn_refuse(c, (struct http_fault){ 408, "the request did not arrive in time" }, false);
		conn_run(c, false);
		return;
	}
	conn_drop(c, true);
}
