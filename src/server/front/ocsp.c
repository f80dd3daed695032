#include "server/front/ocsp.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/event.h"
#include "crypto/digest.h"
#include "http/response.h"
#include "server/ocsp_message.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAYS         8
#define SETS         512 /* 4096 answers of 1 to 2 KiB */
#define WAITING_MAX  64  /* for one answer; one more is told to try later */
#define NONCES_MAX   16  /* answers with a nonce that are being made: nobody else can use them */
#define ASK_MS       5000
#define CACHE_S      3600 /* in others' caches, so that a revocation is soon seen; RFC 5019 §6.2 would allow more */
#define ETAG_SIZE    (HEX_LEN(16) + 3)
#define REQUEST_TYPE "application/ocsp-request"
#define ANSWER_TYPE  "application/ocsp-response"
#define SERIAL_BYTES 16 /* of ours, the eighth of which is the shard where the first is 2 (docs/protocol/log.md) */

/* An answer, or one that the signer has been asked for; then requests wait for it. */
struct entry {
	struct ocsp *owner;
	uint8_t key[SHA256_SIZE]; /* of what is asked */
	bool asking, loose;       /* loose: not of the table, as it has a nonce */
	bool forgotten;           /* its list has changed while it was asked for */
	bool several;             /* certificates, perhaps of several shards */
	uint8_t shard;
	uint8_t issuer[ISSUER_KEY_SIZE];
	uint64_t used;
	int64_t this_update_s, next_update_s;
	struct buf der; /* empty: none */
	struct http_request *waiting[WAITING_MAX];
	size_t n_waiting;
};

struct ocsp {
	struct front *front;
	pthread_mutex_t lock;
	uint64_t clock; /* of `used` */
	size_t n_nonces;
	struct entry entries[SETS][WAYS];
};

enum err_code ocsp_new(struct front *f, struct ocsp **ret, struct err *e)
{
	struct ocsp *o = calloc(1, sizeof *o);

	if (!o)
		FAIL(e, NOMEM, "no memory for OCSP");
	o->front = f;
	pthread_mutex_init(&o->lock, NULL);
	*ret = o;
	return ERR_OK;
}

void ocsp_free(struct ocsp *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < SETS; i++)
		for (size_t k = 0; k < WAYS; k++)
			buf_free(&o->entries[i][k].der);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

/* --- answers --- */

static void answer_error(struct http_request *r, enum ocsp_error error)
{
	uint8_t room[8];
	struct buf der = { .ptr = room, .cap = sizeof room, .max = sizeof room };
	struct http_response res = { .status = 200, .content_type = ANSWER_TYPE };

	ocsp_write_error(error, &der);
	res.body = buf_bytes(&der);
	res.fields[res.n_fields++] = (struct http_field){ "Cache-Control", BYTES_LIT("no-store") };
	http_answer(r, &res);
}

static void answer_text(struct http_request *r, int status, const char *text)
{
	struct http_response res = { .status = status, .content_type = "text/plain", .body = bytes_str(text) };

	http_answer(r, &res);
}

static int64_t half_life_s(int64_t this_update_s, int64_t next_update_s)
{
	return this_update_s + (next_update_s - this_update_s) / 2;
}

static void add_date(struct http_request *r, struct http_response *res, const char *name, int64_t unix_s)
{
	char text[HTTP_DATE_SIZE];

	http_date(unix_s, text);
	res->fields[res->n_fields++] = (struct http_field){ name, arena_copy(r->arena, bytes_str(text)) };
}

/* RFC 5019 §6.2 */
static void answer_response(struct http_request *r, struct bytes der, int64_t this_update_s, int64_t next_update_s, bool cached)
{
	struct http_response res = { .status = 200, .content_type = ANSWER_TYPE, .body = der };
	int64_t now_s = clock_wall_ms() / 1000, left_s = half_life_s(this_update_s, next_update_s) - now_s;
	int64_t fresh_s = left_s < 0 ? 0 : left_s < CACHE_S ? left_s : CACHE_S;
	uint8_t digest[SHA256_SIZE];
	char hex[HEX_LEN(16) + 1], etag[ETAG_SIZE];

	if (!cached) {
		res.fields[res.n_fields++] = (struct http_field){ "Cache-Control", BYTES_LIT("no-store") };
		http_answer(r, &res);
		return;
	}
	sha256_one(der, digest);
	hex_encode((struct bytes){ digest, 16 }, hex);
	(void)snprintf(etag, sizeof etag, "\"%s\"", hex);
	res.fields[res.n_fields++] = (struct http_field){ "ETag", arena_copy(r->arena, bytes_str(etag)) };
	add_date(r, &res, "Last-Modified", this_update_s);
	add_date(r, &res, "Expires", now_s + fresh_s);
	res.fields[res.n_fields++] = (struct http_field){ "Cache-Control",
		arena_fmt(r->arena, "max-age=%lld, public, no-transform, must-revalidate", (long long)fresh_s) };
	if (r->if_none_match.ptr && http_etag_matches(r->if_none_match, etag)) {
		res.status = 304;
		res.content_type = NULL;
	}
	http_answer(r, &res);
}

static enum ocsp_error error_of(enum err_code code)
{
	if (code == ERR_UNAUTHORIZED)
		return OCSP_UNAUTHORIZED;
	if (code == ERR_MALFORMED)
		return OCSP_MALFORMED_REQUEST;
	return code == ERR_BUSY || code == ERR_CLOSED || code == ERR_TIMEOUT ? OCSP_TRY_LATER : OCSP_INTERNAL_ERROR;
}

/* --- asking the signer --- */

static void keep(struct entry *n, const struct ocsp_done *d)
{
	buf_free(&n->der);
	n->der = buf_new(OCSP_RESPONSE_SIZE_MAX);
	buf_add(&n->der, d->response);
	memcpy(n->issuer, d->issuer, sizeof n->issuer);
	n->this_update_s = d->this_update_s;
	n->next_update_s = d->next_update_s;
	if (!buf_ok(&n->der) || n->loose || n->forgotten)
		buf_free(&n->der);
}

/* Whoever waits gets the same: the answer, or why there is none. */
static void settle(struct entry *n, enum err_code code, const struct ocsp_done *d)
{
	struct ocsp *o = n->owner;
	struct http_request *waiting[WAITING_MAX];
	bool loose = n->loose;

	pthread_mutex_lock(&o->lock);
	size_t n_waiting = n->n_waiting;
	memcpy(waiting, n->waiting, n_waiting * sizeof *waiting);
	n->n_waiting = 0;
	n->asking = false;
	if (code == ERR_OK)
		keep(n, d);
	if (loose)
		o->n_nonces--;
	pthread_mutex_unlock(&o->lock);
	for (size_t i = 0; i < n_waiting; i++)
		if (code == ERR_OK)
			answer_response(waiting[i], d->response, d->this_update_s, d->next_update_s, !loose);
		else
			answer_error(waiting[i], error_of(code));
	if (loose)
		free(n);
}

static void done(void *ctx, enum err_code code, const struct message *answer)
{
	struct ocsp_done d;
	struct err e = { 0 };

	if (code == ERR_OK)
		code = answer_check(answer, &e);
	if (code == ERR_OK)
		code = ocsp_done_read(answer->body, &d, &e);
	settle(ctx, code, &d);
}

/* The requests that wait are in the entry already. */
static void ask(struct ocsp *o, struct entry *n, struct bytes body)
{
	struct err e = { 0 };
	enum err_code rc = peer_ask(o->front->signer, MESSAGE_OCSP, body, ASK_MS, done, n, &e);

	if (rc != ERR_OK)
		settle(n, rc, NULL);
}

static bool is_fresh(const struct entry *n, int64_t now_s)
{
	return n->der.len > 0 && n->this_update_s <= now_s && now_s < half_life_s(n->this_update_s, n->next_update_s);
}

/* With the lock held: the entry of this question, or the one whose place it takes; NULL: all are being asked for. */
static struct entry *find(struct ocsp *o, const uint8_t key[SHA256_SIZE], bool *ret_found)
{
	struct entry *set = o->entries[(size_t)(key[0] << 8 | key[1]) % SETS], *oldest = NULL;

	*ret_found = true;
	for (size_t i = 0; i < WAYS; i++) {
		if ((set[i].der.len > 0 || set[i].asking) && memcmp(set[i].key, key, SHA256_SIZE) == 0)
			return &set[i];
		if (!set[i].asking && (!oldest || set[i].used < oldest->used))
			oldest = &set[i];
	}
	*ret_found = false;
	return oldest;
}

static void begin(struct ocsp *o, struct entry *n, const struct ocsp_request *q, struct http_request *r)
{
	struct bytes serial = q->ids[0].serial;

	n->owner = o;
	n->asking = true;
	n->forgotten = false;
	n->several = q->n_ids > 1;
	n->shard = serial.len == SERIAL_BYTES && serial.ptr[0] == 2 ? serial.ptr[7] : 0;
	n->waiting[0] = r;
	n->n_waiting = 1;
}

static enum http_handled handle_cached(struct ocsp *o, struct http_request *r, const struct ocsp_request *q, struct bytes body)
{
	uint8_t key[SHA256_SIZE];
	bool found, begun = false, full = false;
	struct bytes kept = BYTES_NONE;
	int64_t now_s = clock_wall_ms() / 1000, this_update_s = 0, next_update_s = 0;

	sha256_one(body, key);
	pthread_mutex_lock(&o->lock);
	struct entry *n = find(o, key, &found);
	if (n)
		n->used = ++o->clock;
	if (n && found && !n->asking && is_fresh(n, now_s)) {
		kept = arena_copy(r->arena, buf_bytes(&n->der));
		this_update_s = n->this_update_s;
		next_update_s = n->next_update_s;
		full = !kept.ptr;
	} else if (!n || (n->asking && n->n_waiting == WAITING_MAX)) {
		full = true;
	} else if (n->asking) {
		n->waiting[n->n_waiting++] = r;
	} else {
		buf_free(&n->der);
		memcpy(n->key, key, sizeof n->key);
		begin(o, n, q, r);
		begun = true;
	}
	pthread_mutex_unlock(&o->lock);
	if (begun)
		ask(o, n, body);
	if (!kept.ptr && !full)
		return HTTP_PARKED;
	if (full)
		answer_error(r, OCSP_TRY_LATER);
	else
		answer_response(r, kept, this_update_s, next_update_s, true);
	return HTTP_ANSWERED;
}

static enum http_handled handle_nonce(struct ocsp *o, struct http_request *r, const struct ocsp_request *q, struct bytes body)
{
	struct entry *n = NULL;

	pthread_mutex_lock(&o->lock);
	if (o->n_nonces < NONCES_MAX)
		n = calloc(1, sizeof *n);
	if (n)
		o->n_nonces++;
	pthread_mutex_unlock(&o->lock);
	if (!n) {
		answer_error(r, OCSP_TRY_LATER);
		return HTTP_ANSWERED;
	}
	n->loose = true;
	begin(o, n, q, r);
	ask(o, n, body);
	return HTTP_PARKED;
}

/* --- requests --- */

static int base64_value(uint8_t c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

/* The next character of the path; -1 at its end or after a bad escape. */
static int next_char(struct bytes *path)
{
	uint8_t escaped;

	if (path->len == 0)
		return -1;
	int c = path->ptr[0];
	size_t used = 1;
	if (c == '%') {
		if (path->len < 3 || hex_decode(bytes_slice(*path, 1, 3), &escaped, 1, NULL) != ERR_OK)
			return -1;
		c = escaped;
		used = 3;
	}
	*path = bytes_slice(*path, used, path->len);
	return c;
}

/* RFC 6960 A.1: "{url}/{url-encoding of base-64 encoding of the DER encoding of the OCSPRequest}". Padding may be missing. */
static enum err_code decode_path(struct bytes path, struct buf *out, struct err *e)
{
	uint32_t bits = 0;
	unsigned have = 0, padding = 0;
	int c;

	while ((c = next_char(&path)) >= 0) {
		int v = base64_value((uint8_t)c);
		padding += c == '=';
		if (c == '=' && padding <= 2)
			continue;
		if (v < 0 || padding > 0)
			FAIL(e, MALFORMED, "the request in the URL is not base64");
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_add_u8(out, (uint8_t)(bits >> have));
		}
	}
	if (path.len > 0 || !buf_ok(out))
		FAIL(e, MALFORMED, "the request in the URL is not base64, or too large");
	return ERR_OK;
}

static enum http_handled handle_der(struct ocsp *o, struct http_request *r, struct bytes der)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(4096);
	struct ocsp_request q;
	struct err e = { 0 };

	if (ocsp_request_read(der, &q, &e) != ERR_OK) {
		answer_error(r, error_of(e.code));
		return HTTP_ANSWERED;
	}
	/* RFC 5019 §4: a responder may leave the nonce out; RFC 9654 §2.1: one of more than 32 octets too. */
	if (!o->front->settings->ocsp_nonce || q.nonce.len > OCSP_NONCE_MAX)
		q.nonce = BYTES_NONE;
	ocsp_ask_write(&q, &body);
	if (!buf_ok(&body)) {
		answer_error(r, OCSP_INTERNAL_ERROR);
		return HTTP_ANSWERED;
	}
	return q.nonce.len > 0 ? handle_nonce(o, r, &q, buf_bytes(&body)) : handle_cached(o, r, &q, buf_bytes(&body));
}

static enum http_handled handle_get(struct ocsp *o, struct http_request *r)
{
	CLEANUP(buf_free_p) struct buf der = buf_new(OCSP_REQUEST_SIZE_MAX);

	if (decode_path(bytes_slice(r->path, sizeof OCSP_PATH, r->path.len), &der, NULL) == ERR_OK)
		return handle_der(o, r, buf_bytes(&der));
	answer_error(r, OCSP_MALFORMED_REQUEST);
	return HTTP_ANSWERED;
}

enum http_handled ocsp_handle(struct ocsp *o, struct http_request *r)
{
	bool bare = r->path.len == sizeof OCSP_PATH - 1;

	if (!bare && r->path.ptr[sizeof OCSP_PATH - 1] != '/')
		answer_text(r, 404, "there are revocation lists (/crl/), CA certificates (/ca/) and OCSP (/ocsp)\n");
	else if (r->method == HTTP_POST && !bytes_eq_str(r->content_type, REQUEST_TYPE))
		answer_text(r, 415, "a request of type " REQUEST_TYPE " is expected\n");
	else if (r->method == HTTP_POST)
		return handle_der(o, r, r->body);
	else if (bare)
		answer_text(r, 400, "POST a request of type " REQUEST_TYPE ", or GET /ocsp/ and its base64 form\n");
	else
		return handle_get(o, r);
	return HTTP_ANSWERED;
}

void ocsp_forget(struct ocsp *o, const uint8_t issuer[ISSUER_KEY_SIZE], uint8_t shard)
{
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < SETS; i++)
		for (size_t k = 0; k < WAYS; k++) {
			struct entry *n = &o->entries[i][k];
			if (!n->several && n->shard != shard)
				continue;
			if (n->asking)
				n->forgotten = true;
			else if (n->der.len > 0 && memcmp(n->issuer, issuer, ISSUER_KEY_SIZE) == 0)
				buf_free(&n->der);
		}
	pthread_mutex_unlock(&o->lock);
}
