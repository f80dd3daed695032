#include "http/response.h"
#include "http/server_impl.h"

#include "base/event.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_FIRST       8192
#define ARENA_MAX         (1u << 20)
#define FREE_REQUESTS_MAX 64 /* of each loop */

struct request *request_take(struct conn *c)
{
	struct loop *l = c->loop;
	struct request *r = l->free_requests;
	struct arena *arena = NULL;

	if (r) {
		l->free_requests = r->next;
		l->n_free_requests--;
		arena = r->pub.arena;
	} else {
		r = malloc(sizeof *r);
		if (!r || !(arena = arena_new(ARENA_FIRST, ARENA_MAX))) {
			free(r);
			return NULL;
		}
	}
	*r = (struct request){
		.pub = { .arena = arena },
		.server = l->server,
		.loop = l,
		.conn = c,
		.body = buf_new(l->server->limits.body_bytes),
		.out = buf_new(0),
	};
	return r;
}

void request_free(struct request *r)
{
	buf_free(&r->body);
	buf_free(&r->out);
	arena_free(r->pub.arena);
	free(r);
}

void request_give(struct request *r)
{
	struct loop *l = r->loop;

	if (l->n_free_requests >= FREE_REQUESTS_MAX) {
		request_free(r);
		return;
	}
	buf_free(&r->body);
	buf_free(&r->out);
	arena_reset(r->pub.arena);
	r->next = l->free_requests;
	l->free_requests = r;
	l->n_free_requests++;
}

/* What tells this start of the server from others, and the request's number in it. Never 0. */
static uint64_t request_number(struct http_server *s)
{
	return s->id_prefix << 40 | (atomic_fetch_add_explicit(&s->next_id, 1, memory_order_relaxed) & 0xffffffffff);
}

/* On a worker. */
static void request_run(void *ctx)
{
	struct http_response too_late = { .status = 503 };
	struct request *r = ctx;
	struct http_server *s = r->server;

	if (atomic_load(&s->stopping) == STOPPING_NOW) {
		s->problem(s->ctx, too_late.status, "the server is ending", r->pub.arena, &too_late);
		http_answer(&r->pub, &too_late);
	} else
		s->handler(&r->pub); /* answered or parked, the answer comes through http_answer() */
}

/* False: it is for a worker. */
static bool request_run_here(struct request *r)
{
	r->pub.on_loop = true;
	if (r->server->handler(&r->pub) != HTTP_NOT_HERE)
		return true;
	r->pub.on_loop = false;
	return false;
}

bool request_dispatch(struct request *r)
{
	struct http_server *s = r->server;
	const struct http_head *h = &r->head;
	struct arena *arena = r->pub.arena;

	r->pub = (struct http_request){
		.arena = arena,
		.method = h->method,
		.method_name = h->method_name,
		.path = h->path,
		.query = h->query,
		.host = h->host,
		.content_type = h->content_type,
		.user_agent = h->user_agent,
		.origin = h->origin,
		.accept = h->accept,
		.if_none_match = h->if_none_match,
		.body = r->body.len > 0 ? buf_bytes(&r->body) : BYTES_LIT(""),
		.server_ctx = s->ctx,
	};
	memcpy(r->pub.address, r->conn->address, sizeof r->pub.address);
	r->pub.id = request_number(s);
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	if ((s->limits.on_loop && request_run_here(r)) || workers_put(s->workers, request_run, r))
		return true;
	http_server_unref(s);
	return false;
}

void http_answer(struct http_request *pub, const struct http_response *res)
{
	struct http_response broken = { .status = 500 };
	struct request *r = (struct request *)pub;
	struct http_server *s = r->server;
	struct err e;

	r->close = r->close || atomic_load(&s->stopping) != STOPPING_NO;
	struct http_framing framing = { .head = r->head.method == HTTP_HEAD, .close = r->close };
	r->out = buf_new(HTTP_RESPONSE_HEAD_MAX + res->body.len);
	if (response_write(&r->out, res, framing, &e) != ERR_OK) {
		event_error(EVENT_ERROR, "http.response", &e);
		buf_free(&r->out);
		s->problem(s->ctx, broken.status, "the answer could not be made", pub->arena, &broken);
		r->out = buf_new(HTTP_RESPONSE_HEAD_MAX + broken.body.len);
		/* Should this fail as well, out stays failed and the loop closes the connection. */
		if (response_write(&r->out, &broken, framing, &e) != ERR_OK)
			r->out.failed = true;
	}
	loop_give_back(r->loop, r);
	http_server_unref(s);
}
