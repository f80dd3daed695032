#include "server/front/publish.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/event.h"
#include "crypto/digest.h"
#include "http/response.h"
#include "pki/crl.h"
#include "pki/ocsp.h"
#include "server/front/crl_fetch.h"
#include "server/front/ocsp.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ISSUERS_KNOWN_MAX (2 * ISSUERS_MAX) /* issuers and roots */
#define CERTIFICATES_MAX  64
#define FIRST_LISTS_MS    60000 /* how long a list that the signer has not told of may still be made after its start */
#define AGAIN_MS          5000  /* after a list that could not be had */
#define WORKERS           2
#define ETAG_SIZE         (HEX_LEN(16) + 3)

/* Something that is served as it is: a list, a certificate. Requests hold the one that they answer with; a newer one takes its place. */
struct document {
	unsigned holders;
	struct buf der;
	const char *type;
	int64_t made_s;        /* Last-Modified */
	int64_t fresh_until_s; /* when it is replaced at the latest */
	char etag[ETAG_SIZE];
};

struct place {
	struct crl_new newest; /* what the signer says that there is; number 0: nothing */
	uint64_t number;       /* of the list below; 0: none yet */
	bool fetching;
	int64_t not_before_ms; /* of the next try, monotonic */
	struct document *list;
};

/* One whose lists are served: an issuer, or a root. */
struct known_issuer {
	uint8_t id[ISSUER_KEY_SIZE];
	struct place places[SHARDS_MAX];
};

struct known_certificate {
	uint8_t id[ISSUER_KEY_SIZE]; /* its subjectKeyIdentifier */
	struct document *certificate;
};

struct publish {
	struct front *front;
	struct http_server *http;
	struct ocsp *ocsp;
	pthread_mutex_t lock;
	struct known_issuer *issuers[ISSUERS_KNOWN_MAX];
	size_t n_issuers;
	bool fetching;   /* a worker is at it */
	int64_t told_ms; /* monotonic: when the signer said who it is */
	struct known_certificate certificates[CERTIFICATES_MAX];
	size_t n_certificates;
};

static void drop(struct document *d)
{
	if (!d || --d->holders > 0)
		return;
	buf_free(&d->der);
	free(d);
}

/* Takes the bytes over. NULL: no memory. */
static struct document *document_new(struct buf *der, const char *type, int64_t made_s, int64_t fresh_until_s)
{
	struct document *d = calloc(1, sizeof *d);
	uint8_t digest[SHA256_SIZE];
	char hex[HEX_LEN(16) + 1];

	if (!d)
		return NULL;
	*d = (struct document){ .holders = 1, .der = *der, .type = type, .made_s = made_s, .fresh_until_s = fresh_until_s };
	*der = buf_new(0);
	buf_fit(&d->der);
	sha256_one(buf_bytes(&d->der), digest);
	hex_encode((struct bytes){ digest, 16 }, hex);
	(void)snprintf(d->etag, sizeof d->etag, "\"%s\"", hex);
	return d;
}

/* With the lock held: the issuer's lists; NULL: it is not known. */
static struct known_issuer *find_issuer(struct publish *p, const uint8_t id[ISSUER_KEY_SIZE])
{
	for (size_t i = 0; i < p->n_issuers; i++)
		if (memcmp(p->issuers[i]->id, id, ISSUER_KEY_SIZE) == 0)
			return p->issuers[i];
	return NULL;
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

static void add_date(struct http_request *r, struct http_response *res, const char *name, int64_t unix_s)
{
	char text[HTTP_DATE_SIZE];

	http_date(unix_s, text);
	res->fields[res->n_fields++] = (struct http_field){ name, arena_copy(r->arena, bytes_str(text)) };
}

/* RFC 5280 says nothing of caches: kept until the next one is due at the latest, and not longer than an hour, so that a revocation is
 * soon seen. */
#define CACHE_S 3600
static void answer_document(struct http_request *r, const struct document *d)
{
	struct http_response res = { .status = 200, .content_type = d->type, .body = buf_bytes(&d->der) };
	int64_t now_s = clock_wall_ms() / 1000, left_s = d->fresh_until_s - now_s;
	int64_t fresh_s = left_s < 0 ? 0 : left_s < CACHE_S ? left_s : CACHE_S;

	res.fields[res.n_fields++] = (struct http_field){ "ETag", bytes_str(d->etag) };
	add_date(r, &res, "Last-Modified", d->made_s);
	add_date(r, &res, "Expires", now_s + fresh_s);
	res.fields[res.n_fields++] =
	    (struct http_field){ "Cache-Control", arena_fmt(r->arena, "public, max-age=%lld, must-revalidate", (long long)fresh_s) };
	if (r->if_none_match.ptr && http_etag_matches(r->if_none_match, d->etag)) {
		res.status = 304;
		res.content_type = NULL;
	}
	http_answer(r, &res);
}

/* Answers with it and lets it go; NULL: by the text. */
static void answer_held(struct publish *p, struct http_request *r, struct document *d, bool known, const char *none, const char *not_yet)
{
	if (!d) {
		answer_text(r, known ? 503 : 404, known ? not_yet : none);
		return;
	}
	answer_document(r, d);
	pthread_mutex_lock(&p->lock);
	drop(d);
	pthread_mutex_unlock(&p->lock);
}

static enum http_handled get_list(struct publish *p, struct http_request *r)
{
	uint8_t id[ISSUER_KEY_SIZE], shard;
	struct document *found = NULL;
	bool known = false;

	if (crl_path_read(r->path, id, &shard)) {
		pthread_mutex_lock(&p->lock);
		struct known_issuer *i = find_issuer(p, id);
		known = i && (i->places[shard].newest.number > 0 || clock_monotonic_ms() - p->told_ms < FIRST_LISTS_MS);
		found = known ? i->places[shard].list : NULL;
		if (found)
			found->holders++;
		pthread_mutex_unlock(&p->lock);
	}
	answer_held(p, r, found, known, "there is no such list\n", "the list is not made yet\n");
	return HTTP_ANSWERED;
}

static enum http_handled get_certificate(struct publish *p, struct http_request *r)
{
	struct bytes prefix = BYTES_LIT(CA_PATH), suffix = BYTES_LIT(CA_SUFFIX);
	uint8_t id[ISSUER_KEY_SIZE];
	struct document *found = NULL;

	if (r->path.len == prefix.len + HEX_LEN(ISSUER_KEY_SIZE) + suffix.len && bytes_ends_with(r->path, suffix) &&
	    hex_decode(bytes_slice(r->path, prefix.len, r->path.len - suffix.len), id, sizeof id, NULL) == ERR_OK) {
		pthread_mutex_lock(&p->lock);
		for (size_t i = 0; !found && i < p->n_certificates; i++)
			if (memcmp(p->certificates[i].id, id, sizeof id) == 0)
				found = p->certificates[i].certificate;
		if (found)
			found->holders++;
		pthread_mutex_unlock(&p->lock);
	}
	answer_held(p, r, found, false, "there is no such certificate\n", "");
	return HTTP_ANSWERED;
}

static enum http_handled ask_ocsp(struct publish *p, struct http_request *r)
{
	return ocsp_handle(p->ocsp, r);
}

/* What is served: by the path's beginning. */
static const struct route {
	const char *prefix;
	bool post; /* may be sent to as well */
	enum http_handled (*get)(struct publish *p, struct http_request *r);
} routes[] = {
	{ CRL_PATH, false, get_list },
	{ CA_PATH, false, get_certificate },
	{ OCSP_PATH, true, ask_ocsp },
};

static enum http_handled handle(struct http_request *r)
{
	struct publish *p = r->server_ctx;

	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		if (bytes_starts_with(r->path, bytes_str(routes[i].prefix))) {
			if (r->method == HTTP_GET || r->method == HTTP_HEAD || (r->method == HTTP_POST && routes[i].post))
				return routes[i].get(p, r);
			answer_text(r, 405, routes[i].post ? "GET, HEAD and POST are possible here\n" : "GET and HEAD are possible here\n");
			return HTTP_ANSWERED;
		}
	answer_text(r, 404, "there are revocation lists (/crl/), CA certificates (/ca/) and OCSP (/ocsp)\n");
	return HTTP_ANSWERED;
}

/* --- fetching --- */

#define LIST_TYPE        "application/pkix-crl"  /* RFC 2585 §4.2 */
#define CERTIFICATE_TYPE "application/pkix-cert" /* §4.1 */

/* What came is looked at before it is served: a list that nobody can read helps nobody. Whose it is, relying parties verify. */
static enum err_code make_list(struct buf *der, struct document **ret, struct err *e)
{
	struct crl c;

	TRY(crl_parse(buf_bytes(der), &c, e));
	*ret = document_new(der, LIST_TYPE, c.this_update_s, c.next_update_s);
	if (!*ret)
		FAIL(e, NOMEM, "no memory for a revocation list");
	return ERR_OK;
}

/* With the lock held: the next list to fetch, marked as being fetched; NULL: there is none. */
static struct place *next_due(struct publish *p, int64_t now_ms)
{
	for (size_t i = 0; i < p->n_issuers; i++)
		for (size_t k = 0; k < SHARDS_MAX; k++) {
			struct place *at = &p->issuers[i]->places[k];
			if (at->fetching || at->number >= at->newest.number || now_ms < at->not_before_ms)
				continue;
			at->fetching = true;
			return at;
		}
	return NULL;
}

static void fetch_one(struct publish *p, struct place *at, const struct crl_new *wanted)
{
	CLEANUP(buf_free_p) struct buf der = buf_new(CRL_SIZE_MAX);
	struct document *fresh = NULL;
	uint64_t number = 0;
	struct err e = { 0 };

	enum err_code rc = crl_fetch(p->front->signer, wanted, &der, &number, &e);
	if (rc == ERR_OK)
		rc = make_list(&der, &fresh, &e);
	if (rc != ERR_OK)
		event_error(EVENT_WARNING, "crl.not_fetched", &e);
	pthread_mutex_lock(&p->lock);
	if (rc == ERR_OK) {
		drop(at->list);
		at->list = fresh;
		at->number = number;
	}
	at->fetching = false;
	at->not_before_ms = rc == ERR_OK ? 0 : clock_monotonic_ms() + AGAIN_MS;
	pthread_mutex_unlock(&p->lock);
}

/* All that are due, one after the other: a worker is held for no longer than one would be for each. */
static void fetch_due(void *ctx)
{
	struct publish *p = ctx;

	for (;;) {
		pthread_mutex_lock(&p->lock);
		struct place *at = next_due(p, clock_monotonic_ms());
		struct crl_new wanted = at ? at->newest : (struct crl_new){ 0 };
		p->fetching = at != NULL;
		pthread_mutex_unlock(&p->lock);
		if (!at)
			return;
		fetch_one(p, at, &wanted);
	}
}

void publish_tick(struct publish *p)
{
	pthread_mutex_lock(&p->lock);
	struct place *at = p->fetching ? NULL : next_due(p, clock_monotonic_ms());
	if (at) {
		at->fetching = false; /* the worker finds it again */
		p->fetching = true;
	}
	pthread_mutex_unlock(&p->lock);
	if (!at || http_server_run(p->front->http, fetch_due, p, NULL) == ERR_OK)
		return;
	pthread_mutex_lock(&p->lock);
	p->fetching = false; /* no worker is free: at the next tick */
	pthread_mutex_unlock(&p->lock);
}

/* With the lock held; NULL: no memory, or there are too many. */
static struct known_issuer *add_issuer(struct publish *p, const uint8_t id[ISSUER_KEY_SIZE])
{
	struct known_issuer *i = p->n_issuers < ISSUERS_KNOWN_MAX ? calloc(1, sizeof *i) : NULL;

	if (!i)
		return NULL;
	memcpy(i->id, id, sizeof i->id);
	p->issuers[p->n_issuers++] = i;
	return i;
}

void publish_lists_are_new(struct publish *p, const struct crl_new *v, size_t n)
{
	pthread_mutex_lock(&p->lock);
	for (size_t k = 0; k < n; k++) {
		struct known_issuer *i = find_issuer(p, v[k].issuer);
		ocsp_forget(p->ocsp, v[k].issuer, v[k].shard);
		i = i ? i : add_issuer(p, v[k].issuer);
		struct place *at = i ? &i->places[v[k].shard] : NULL;
		if (!at || v[k].number <= at->newest.number)
			continue;
		at->newest = v[k];
		at->not_before_ms = 0;
	}
	pthread_mutex_unlock(&p->lock);
	publish_tick(p);
}

static enum err_code take_certificate(struct arena *a, struct known_certificate *v, size_t *n, struct bytes der, struct err *e)
{
	CLEANUP(buf_free_p) struct buf copy = buf_new(CERT_SIZE_MAX);
	struct cert c;

	TRY(cert_parse(a, der, &c, e));
	for (size_t i = 0; i < *n; i++)
		if (bytes_eq(c.subject_key_id, BYTES_ARRAY(v[i].id)))
			return ERR_OK; /* several issuers may have the same above them */
	if (c.subject_key_id.len != ISSUER_KEY_SIZE || *n == CERTIFICATES_MAX)
		return ERR_OK; /* no certificate of ours names it by such a URL */
	buf_add(&copy, der);
	struct document *d = buf_ok(&copy) ? document_new(&copy, CERTIFICATE_TYPE, c.not_before_s, c.not_after_s) : NULL;
	if (!d)
		FAIL(e, NOMEM, "no memory for a certificate");
	memcpy(v[*n].id, c.subject_key_id.ptr, sizeof v[*n].id);
	v[(*n)++].certificate = d;
	return ERR_OK;
}

static enum err_code take_issuer(struct arena *a, struct known_certificate *v, size_t *n, const struct hello_issuer *i, struct err *e)
{
	struct wire chain = wire_of(i->chain);

	while (chain.rest.len > 0 && !chain.failed)
		TRY(take_certificate(a, v, n, wire_bytes(&chain, CERT_SIZE_MAX), e));
	TRY(wire_end(&chain, "the chain in HELLO_OK", e));
	return take_certificate(a, v, n, i->root, e);
}

/* With the lock held: the one who signs, first in its chain. */
static void know_issuer(struct publish *p, const struct hello_issuer *i)
{
	struct wire chain = wire_of(i->chain);
	struct bytes der = wire_bytes(&chain, CERT_SIZE_MAX);

	for (size_t k = 0; k < p->n_certificates; k++)
		if (bytes_eq(buf_bytes(&p->certificates[k].certificate->der), der) && !find_issuer(p, p->certificates[k].id))
			(void)add_issuer(p, p->certificates[k].id);
}

enum err_code publish_issuers(struct publish *p, const struct hello_ok *h, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 1u << 20);
	struct known_certificate v[CERTIFICATES_MAX], old[CERTIFICATES_MAX];
	enum err_code rc = ERR_OK;
	size_t n = 0;

	if (!a)
		FAIL(e, NOMEM, "no memory for the CA's certificates");
	for (size_t i = 0; rc == ERR_OK && i < h->n_issuers; i++)
		rc = take_issuer(a, v, &n, &h->issuers[i], e);
	pthread_mutex_lock(&p->lock);
	size_t n_old = rc == ERR_OK ? p->n_certificates : n;
	memcpy(old, rc == ERR_OK ? p->certificates : v, n_old * sizeof *old);
	if (rc == ERR_OK) {
		memcpy(p->certificates, v, n * sizeof *v);
		p->n_certificates = n;
		p->told_ms = clock_monotonic_ms();
		for (size_t i = 0; i < h->n_issuers; i++)
			know_issuer(p, &h->issuers[i]);
	}
	for (size_t i = 0; i < n_old; i++)
		drop(old[i].certificate);
	pthread_mutex_unlock(&p->lock);
	return rc;
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
	limits.body_bytes = OCSP_REQUEST_SIZE_MAX;
	limits.encoded_slashes = true;
	limits.on_loop = true; /* all of it is in memory, or comes from the signer later */
	enum err_code rc = ocsp_new(f, &p->ocsp, e);
	if (rc == ERR_OK)
		rc = http_server_new(&limits, handle, problem, p, &p->http, e);
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
	for (size_t i = 0; i < p->n_issuers; i++) {
		for (size_t k = 0; k < SHARDS_MAX; k++)
			drop(p->issuers[i]->places[k].list);
		free(p->issuers[i]);
	}
	for (size_t i = 0; i < p->n_certificates; i++)
		drop(p->certificates[i].certificate);
	pthread_mutex_destroy(&p->lock);
	ocsp_free(p->ocsp);
	free(p);
}
