#include "server/front/admin.h"

#include "base/clock.h"
#include "base/event.h"
#include "server/front/metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define WAITING_MAX     8
#define WAIT_MS         5000
#define CONNECTIONS_MAX 64
#define WORKERS         1

struct admin {
	struct front *front;
	struct http_server *http;
	int wake;
	pthread_mutex_t lock; /* guards what follows */
	struct {
		struct http_request *request;
		int64_t deadline_ms;
	} waiting[WAITING_MAX];
	size_t n_waiting;
	bool asked; /* the parent */
	uint32_t next_id;
};

/* --- answers --- */

static void answer(struct http_request *r, int status, const char *type, struct bytes body)
{
	struct http_response res = { .status = status, .content_type = type, .body = body };

	res.fields[res.n_fields++] = (struct http_field){ "Cache-Control", BYTES_LIT("no-store") };
	if (status == 405)
		res.fields[res.n_fields++] = (struct http_field){ "Allow", BYTES_LIT("GET, HEAD") };
	if (status == 503)
		res.fields[res.n_fields++] = (struct http_field){ "Retry-After", BYTES_LIT("1") };
	http_answer(r, &res);
}

static void answer_text(struct http_request *r, int status, const char *text)
{
	answer(r, status, "text/plain", bytes_str(text));
}

static void problem(void *ctx, int status, const char *detail, struct arena *a, struct http_response *ret)
{
	(void)ctx, (void)status, (void)a;
	ret->content_type = "text/plain";
	ret->body = bytes_str(detail);
}

/* Parked until the parent has answered. */
static enum http_handled wait_for_parent(struct admin *d, struct http_request *r)
{
	pthread_mutex_lock(&d->lock);
	bool room = d->n_waiting < WAITING_MAX;
	if (room) {
		d->waiting[d->n_waiting].request = r;
		d->waiting[d->n_waiting++].deadline_ms = clock_monotonic_ms() + WAIT_MS;
	}
	pthread_mutex_unlock(&d->lock);
	if (!room) {
		answer_text(r, 503, "too many ask at a time\n");
		return HTTP_ANSWERED;
	}
	(void)!write(d->wake, &(uint64_t){ 1 }, sizeof(uint64_t)); /* full: the loop is awake anyway */
	return HTTP_PARKED;
}

static enum http_handled handle(struct http_request *r)
{
	struct admin *d = r->server_ctx;

	if (r->method != HTTP_GET && r->method != HTTP_HEAD)
		answer_text(r, 405, "GET and HEAD are possible here\n");
	else if (bytes_eq_str(r->path, "/metrics") || bytes_eq_str(r->path, "/health"))
		return wait_for_parent(d, r);
	else if (bytes_eq_str(r->path, "/health/live"))
		answer(r, 200, "application/json", BYTES_LIT("{\"status\":\"ok\"}"));
	else
		answer_text(r, 404, "there are /metrics, /health and /health/live\n");
	return HTTP_ANSWERED;
}

static void answer_waiting(struct http_request *r, struct bytes status)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 4u << 20);
	CLEANUP(buf_free_p) struct buf out = buf_new(METRICS_MAX);
	struct err e = { 0 };
	bool ok = true, health = bytes_eq_str(r->path, "/health");

	enum err_code rc = !a ? ERR_NOMEM : health ? metrics_health(a, status, &ok, &out, &e) : metrics_write(a, status, &out, &e);
	if (rc == ERR_OK) {
		answer(r, ok ? 200 : 503, health ? "application/json" : METRICS_TYPE, buf_bytes(&out));
		return;
	}
	event_error(EVENT_WARNING, "admin.not_answered", &e);
	answer_text(r, 503, "the processes' state cannot be had now\n");
}

/* --- the parent --- */

void admin_tick(struct admin *d)
{
	struct http_request *late[WAITING_MAX];
	int64_t now_ms = clock_monotonic_ms();
	size_t n = 0, kept = 0;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->n_waiting; i++)
		if (d->waiting[i].deadline_ms <= now_ms)
			late[n++] = d->waiting[i].request;
		else
			d->waiting[kept++] = d->waiting[i];
	d->n_waiting = kept;
	bool ask = kept > 0 && !d->asked;
	pthread_mutex_unlock(&d->lock);
	for (size_t i = 0; i < n; i++)
		answer_text(late[i], 503, "the processes' state cannot be had now\n");
	if (ask)
		d->asked = channel_send(d->front->child.parent, MESSAGE_METRICS_ASK, ++d->next_id, BYTES_NONE, NULL) == ERR_OK;
}

void admin_take(struct admin *d, const struct message *m)
{
	struct http_request *ready[WAITING_MAX];

	pthread_mutex_lock(&d->lock);
	size_t n = d->n_waiting;
	for (size_t i = 0; i < n; i++)
		ready[i] = d->waiting[i].request;
	d->n_waiting = 0;
	d->asked = false;
	pthread_mutex_unlock(&d->lock);
	for (size_t i = 0; i < n; i++)
		answer_waiting(ready[i], m->body);
}

/* --- beginning and end --- */

enum err_code admin_new(struct front *f, int wake, struct admin **ret, struct err *e)
{
	struct admin *d = calloc(1, sizeof *d);
	struct http_limits limits = http_limits_default;

	if (!d)
		FAIL(e, NOMEM, "no memory for monitoring");
	d->front = f;
	d->wake = wake;
	pthread_mutex_init(&d->lock, NULL);
	limits.loops = 1;
	limits.workers = WORKERS;
	limits.connections_max = limits.connections_per_address = CONNECTIONS_MAX;
	limits.body_bytes = 1024; /* nobody has to send any */
	enum err_code rc = http_server_new(&limits, handle, problem, d, &d->http, e);
	if (rc != ERR_OK) {
		admin_free(d);
		return rc;
	}
	*ret = d;
	return ERR_OK;
}

enum err_code admin_listen(struct admin *d, int fd, struct err *e)
{
	return http_server_listen(d->http, fd, false, e);
}

enum err_code admin_start(struct admin *d, struct err *e)
{
	return http_server_start(d->http, e);
}

/* Nobody who waits is kept from the end. */
static void drop_waiting(struct admin *d)
{
	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->n_waiting; i++)
		d->waiting[i].deadline_ms = 0;
	pthread_mutex_unlock(&d->lock);
	d->asked = true;
	admin_tick(d);
}

void admin_stop(struct admin *d, unsigned grace_ms)
{
	if (!d || !d->http)
		return;
	drop_waiting(d);
	http_server_stop(d->http, grace_ms);
	d->http = NULL;
}

void admin_free(struct admin *d)
{
	if (!d)
		return;
	admin_stop(d, 0);
	pthread_mutex_destroy(&d->lock);
	free(d);
}
