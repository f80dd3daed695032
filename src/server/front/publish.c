#include "server/front/publish.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/event.h"
#include "crypto/digest.h"
#include "http/response.h"
#include "pki/crl.h"
#include "server/front/crl_fetch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTS_MAX 8
#define AGAIN_MS  5000 /* after a list that could not be had */
#define WORKERS   2
#define ETAG_SIZE (HEX_LEN(16) + 3)
#define LIST_TYPE "application/pkix-crl" /* RFC 2585 §4.2 */

/* One issuer's list. Requests hold the one that they answer with; a newer one takes its place. */
struct list {
	unsigned holders;
	struct buf der;
	int64_t this_update_s, next_update_s;
	char etag[ETAG_SIZE];
};

struct place {
	bool used;
	struct crl_new newest; /* what the signer says that there is */
	uint64_t number;       /* of the list below; 0: none yet */
	bool fetching;
	int64_t not_before_ms; /* of the next try, monotonic */
	struct list *list;
};

struct publish {
	struct front *front;
	struct http_server *http;
	pthread_mutex_t lock;
	struct place places[LISTS_MAX];
};

static bool is_at(const struct place *at, const struct crl_new *n)
{
	return at->used && at->newest.shard == n->shard && memcmp(at->newest.issuer, n->issuer, ISSUER_KEY_SIZE) == 0;
}

static void list_drop(struct list *l)
{
	if (!l || --l->holders > 0)
		return;
	buf_free(&l->der);
	free(l);
}

/* --- answers --- */

static void answer_text(struct http_request *r, int status, const char *text)
{
	struct http_response res = { .status = status, .content_type = "text/plain", .body = bytes_str(text) };

	if (status == 503)
		res.fields[res.n_fields++] = (struct http_field){ "Retry-After", BYTES_LIT("5") };
	if (status == 405)
		res.fields[res.n_fields++] = (struct http_field){ "Allow", BYTES_LIT("GET, HEAD") };
	http_answer(r, &res);
}

static void problem(void *ctx, int status, const char *detail, struct arena *a, struct http_response *ret)
{
	(void)ctx;
	(void)a;
	ret->content_type = "text/plain";
	ret->body = bytes_str(detail);
	if (status == 503)
		ret->fields[ret->n_fields++] = (struct http_field){ "Retry-After", BYTES_LIT("5") };
}

/* This list, held; NULL when there is none yet. *ret_known: whether the signer has told of it. */
static struct list *hold_list(struct publish *p, const struct crl_new *wanted, bool *ret_known)
{
	struct list *found = NULL;

	*ret_known = false;
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < LISTS_MAX; i++)
		if (is_at(&p->places[i], wanted)) {
			*ret_known = true;
			found = p->places[i].list;
			if (found)
				found->holders++;
		}
	pthread_mutex_unlock(&p->lock);
	return found;
}

static void let_go(struct publish *p, struct list *l)
{
	pthread_mutex_lock(&p->lock);
	list_drop(l);
	pthread_mutex_unlock(&p->lock);
}

static void add_date(struct http_request *r, struct http_response *res, const char *name, int64_t unix_s)
{
	char text[HTTP_DATE_SIZE];

	http_date(unix_s, text);
	res->fields[res->n_fields++] = (struct http_field){ name, arena_copy(r->arena, bytes_str(text)) };
}

/* RFC 5280 says nothing of caches; a list may be kept until the next one is due, and not longer than an hour, so that a revocation is
 * soon seen. */
#define CACHE_S 3600
static void answer_list(struct http_request *r, const struct list *l)
{
	struct http_response res = { .status = 200, .content_type = LIST_TYPE, .body = buf_bytes(&l->der) };
	int64_t left_s = l->next_update_s - clock_wall_ms() / 1000;
	int64_t fresh_s = left_s < 0 ? 0 : left_s < CACHE_S ? left_s : CACHE_S;

	res.fields[res.n_fields++] = (struct http_field){ "ETag", bytes_str(l->etag) };
	add_date(r, &res, "Last-Modified", l->this_update_s);
	add_date(r, &res, "Expires", clock_wall_ms() / 1000 + fresh_s);
	res.fields[res.n_fields++] =
	    (struct http_field){ "Cache-Control", arena_fmt(r->arena, "public, max-age=%lld", (long long)fresh_s) };
	if (r->if_none_match.ptr && http_etag_matches(r->if_none_match, l->etag)) {
		res.status = 304;
		res.content_type = NULL;
	}
	http_answer(r, &res);
}

static enum http_handled handle(struct http_request *r)
{
	struct publish *p = r->server_ctx;
	struct crl_new wanted = { 0 };
	bool known = false;

	if (r->method != HTTP_GET && r->method != HTTP_HEAD) {
		answer_text(r, 405, "GET and HEAD are possible here\n");
		return HTTP_ANSWERED;
	}
	struct list *l = crl_path_read(r->path, wanted.issuer, &wanted.shard) ? hold_list(p, &wanted, &known) : NULL;
	if (l)
		answer_list(r, l);
	else if (known)
		answer_text(r, 503, "the list is not made yet\n");
	else
		answer_text(r, 404, "there is no such list\n");
	if (l)
		let_go(p, l);
	return HTTP_ANSWERED;
}

/* --- fetching --- */

struct fetch_job {
	struct publish *publish;
	struct place *place;
	struct crl_new wanted;
};

/* What came is looked at before it is served: a list that nobody can read helps nobody. Whose it is, relying parties verify. */
static enum err_code make_list(struct buf *der, struct list **ret, struct err *e)
{
	uint8_t digest[SHA256_SIZE];
	char hex[HEX_LEN(16) + 1];
	struct crl c;

	TRY(crl_parse(buf_bytes(der), &c, e));
	struct list *l = calloc(1, sizeof *l);
	if (!l)
		FAIL(e, NOMEM, "no memory for a revocation list");
	*l = (struct list){ .holders = 1, .der = *der, .this_update_s = c.this_update_s, .next_update_s = c.next_update_s };
	*der = buf_new(0);
	sha256_one(buf_bytes(&l->der), digest);
	hex_encode((struct bytes){ digest, 16 }, hex);
	(void)snprintf(l->etag, sizeof l->etag, "\"%s\"", hex);
	*ret = l;
	return ERR_OK;
}

static void fetch(void *ctx)
{
	struct fetch_job *job = ctx;
	struct publish *p = job->publish;
	CLEANUP(buf_free_p) struct buf der = buf_new(CRL_SIZE_MAX);
	struct list *fresh = NULL;
	uint64_t number = 0;
	struct err e = { 0 };

	enum err_code rc = crl_fetch(p->front->signer, &job->wanted, &der, &number, &e);
	if (rc == ERR_OK)
		rc = make_list(&der, &fresh, &e);
	if (rc != ERR_OK)
		event_error(EVENT_WARNING, "crl.not_fetched", &e);
	pthread_mutex_lock(&p->lock);
	if (rc == ERR_OK) {
		list_drop(job->place->list);
		job->place->list = fresh;
		job->place->number = number;
	}
	job->place->fetching = false;
	job->place->not_before_ms = rc == ERR_OK ? 0 : clock_monotonic_ms() + AGAIN_MS;
	pthread_mutex_unlock(&p->lock);
	free(job);
}

static void begin_fetch(struct publish *p, struct place *place)
{
	struct fetch_job *job = calloc(1, sizeof *job);

	if (!job)
		return; /* at the next tick */
	*job = (struct fetch_job){ p, place, place->newest };
	place->fetching = true;
	if (http_server_run(p->front->http, fetch, job, NULL) == ERR_OK)
		return;
	place->fetching = false;
	free(job);
}

void publish_tick(struct publish *p)
{
	int64_t now_ms = clock_monotonic_ms();

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < LISTS_MAX; i++) {
		struct place *at = &p->places[i];
		if (at->used && !at->fetching && at->number < at->newest.number && now_ms >= at->not_before_ms)
			begin_fetch(p, at);
	}
	pthread_mutex_unlock(&p->lock);
}

void publish_list_is_new(struct publish *p, const struct crl_new *n)
{
	struct place *at = NULL;

	pthread_mutex_lock(&p->lock);
	for (size_t i = LISTS_MAX; i-- > 0;)
		if (!p->places[i].used || is_at(&p->places[i], n))
			at = &p->places[i];
	if (at && (!at->used || n->number > at->newest.number)) {
		at->used = true;
		at->newest = *n;
		at->not_before_ms = 0;
	}
	pthread_mutex_unlock(&p->lock);
	publish_tick(p);
}

/* --- beginning and end --- */

enum err_code publish_new(struct front *f, struct publish **ret, struct err *e)
{
	struct publish *p = calloc(1, sizeof *p);
	struct http_limits limits = http_limits_default;

	if (!p)
		FAIL(e, NOMEM, "no memory for publication");
	p->front = f;
	pthread_mutex_init(&p->lock, NULL);
	limits.loops = 1;
	limits.workers = WORKERS;
	limits.connections_max = (unsigned)f->settings->connections_max;
	limits.connections_per_address = (unsigned)f->settings->connections_per_address;
	limits.body_bytes = 1024; /* nobody has to send any */
	enum err_code rc = http_server_new(&limits, handle, problem, p, &p->http, e);
	if (rc != ERR_OK) {
		publish_free(p);
		return rc;
	}
	*ret = p;
	return ERR_OK;
}

enum err_code publish_listen(struct publish *p, int fd, struct err *e)
{
	return http_server_listen(p->http, fd, false, e);
}

enum err_code publish_start(struct publish *p, struct err *e)
{
	return http_server_start(p->http, e);
}

void publish_stop(struct publish *p, unsigned grace_ms)
{
	if (p && p->http)
		http_server_stop(p->http, grace_ms);
	if (p)
		p->http = NULL;
}

void publish_free(struct publish *p)
{
	if (!p)
		return;
	publish_stop(p, 0);
	for (size_t i = 0; i < LISTS_MAX; i++)
		list_drop(p->places[i].list);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
