/* Answers: what every ACME response carries, and problem documents. */
#include "server/front/request.h"
#include "server/front/terms.h"

#include "base/codec.h"
#include "base/event.h"
#include "base/json.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PROBLEM_TYPE "application/problem+json"
#define ACME_URN     "urn:ietf:params:acme:error:"

static void add_field(struct http_response *res, const char *name, struct bytes value)
{
	if (res->n_fields < HTTP_FIELDS_MAX)
		res->fields[res->n_fields++] = (struct http_field){ name, value };
}

void reply_field(struct reply *r, const char *name, struct bytes value)
{
	add_field(&r->http, name, value);
}

void reply_json(struct reply *r, int status)
{
	r->http.status = status;
	r->http.content_type = "application/json";
}

struct bytes front_url(struct acme_request *r, const char *fmt, ...)
{
	char path[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(path, sizeof path, fmt, ap);
	va_end(ap);
	return arena_fmt(r->http->arena, "%.*s%s", BYTES_FMT(r->front->settings->base_url), path);
}

enum err_code order_id_read(struct bytes text, uint8_t out[STORE_ORDER_ID], struct err *e)
{
	if (base64url_decode_fixed(text, out, STORE_ORDER_ID, NULL) != ERR_OK)
		FAIL(e, NOT_FOUND, "there is no such order");
	return ERR_OK;
}

enum err_code authz_id_read(struct bytes text, uint8_t out[STORE_AUTHZ_ID], struct err *e)
{
	if (base64url_decode_fixed(text, out, STORE_AUTHZ_ID, NULL) != ERR_OK)
		FAIL(e, NOT_FOUND, "there is no such authorization");
	return ERR_OK;
}

static void put_type_and_detail(struct json_out *w, enum err_code code, struct bytes detail)
{
	char type[96];

	(void)snprintf(type, sizeof type, ACME_URN "%s", err_urn(code));
	json_put_member_str(w, "type", type);
	json_put_member(w, "detail", detail);
}

static void put_problem(const struct err *err, struct bytes instance, struct buf *out)
{
	struct json_out w = json_out_to(out);
	bool peers = err_is_peers(err->code);

	json_put_object(&w);
	put_type_and_detail(&w, err->code,
	    peers ? bytes_str(err->detail)
	    : err->code == ERR_BUSY || err->code == ERR_CLOSED || err->code == ERR_TIMEOUT
		? BYTES_LIT("the server is too busy for this request: try it again later")
		: BYTES_LIT("an error of the server; its log tells more"));
	json_put_member_uint(&w, "status", (uint64_t)err_http(err->code));
	if (instance.len)
		json_put_member(&w, "instance", instance);
	if (err->code == ERR_BAD_SIGNATURE_ALGORITHM) { /* RFC 8555 §6.2: the algorithms that are accepted */
		json_put_key(&w, "algorithms");
		json_put_array(&w);
		for (unsigned i = 0; i < SIG__MAX; i++)
			if (sig_alg_jose((enum sig_alg)i))
				json_put_string(&w, bytes_str(sig_alg_jose((enum sig_alg)i)));
		json_end_array(&w);
	}
	if (peers && err->n_subs > 0) {
		json_put_key(&w, "subproblems");
		json_put_array(&w);
		for (size_t i = 0; i < err->n_subs; i++) {
			json_put_object(&w);
			put_type_and_detail(&w, err->subs[i].code, err->subs[i].detail);
			json_put_key(&w, "identifier");
			json_put_object(&w);
			json_put_member(&w, "type", err->subs[i].identifier_type);
			json_put_member(&w, "value", err->subs[i].identifier_value);
			json_end_object(&w);
			json_end_object(&w);
		}
		json_end_array(&w);
	}
	json_end_object(&w);
}

void problem_json(const struct err *err, struct buf *out)
{
	put_problem(err, BYTES_NONE, out);
}

/* Pages of other origins may talk to this CA (RFC 8555 §6.1). origin: ptr NULL when it is not known. */
static void add_cors(const struct settings *s, struct bytes origin, struct http_response *res)
{
	struct bytes allowed = BYTES_NONE;

	for (size_t i = 0; i < s->cors_origins.n && !allowed.ptr; i++) {
		struct bytes one = s->cors_origins.v[i];
		if (bytes_eq_str(one, "*") || (origin.ptr && bytes_eq(one, origin)))
			allowed = one;
	}
	if (s->cors_origins.n > 0 && !(allowed.ptr && bytes_eq_str(allowed, "*")))
		add_field(res, "Vary", BYTES_LIT("Origin"));
	if (!allowed.ptr)
		return;
	add_field(res, "Access-Control-Allow-Origin", allowed);
	add_field(res, "Access-Control-Expose-Headers", BYTES_LIT("Link, Location, Replay-Nonce, Retry-After, X-Request-Id"));
}

/* The host of "scheme://host:port/path". */
static struct bytes host_of(struct bytes url)
{
	const uint8_t *slashes = url.len > 0 ? memmem(url.ptr, url.len, "://", 3) : NULL;
	size_t from = slashes ? (size_t)(slashes - url.ptr) + 3 : 0, to = from;

	while (to < url.len && url.ptr[to] != ':' && url.ptr[to] != '/')
		to++;
	return bytes_slice(url, from, to);
}

/* RFC 6797: a browser that has shown a page of ours speaks TLS alone with our host, at each of its ports. So not where the same host publishes by
 * http, not for an address (§8.1.1), and not for localhost, which is not ours alone. */
static void add_hsts(const struct settings *s, struct http_response *res)
{
	struct bytes host = host_of(s->base_url);
	bool name = host.len > 0 && host.ptr[0] != '[' && (host.ptr[host.len - 1] < '0' || host.ptr[host.len - 1] > '9');

	if (name && !bytes_eq_str(host, "localhost") && !bytes_eq(host, host_of(s->publish_url)))
		add_field(res, "Strict-Transport-Security", BYTES_LIT("max-age=31536000"));
}

/* Fields of every ACME answer: where the directory is (RFC 8555 §7.1), a nonce where one is due (§6.5), no caching (§7.2), and who
 * may read it (§6.1). */
static void add_common(struct front *f, struct arena *a, struct bytes origin, struct http_response *res, bool with_nonce)
{
	const struct settings *s = f->settings;
	struct bytes link = arena_fmt(a, "<%.*s/directory>;rel=\"index\"", BYTES_FMT(s->base_url));

	if (link.ptr)
		add_field(res, "Link", link);
	add_hsts(s, res);
	add_field(res, "Cache-Control", BYTES_LIT("no-store"));
	add_cors(s, origin, res);
	char *nonce = with_nonce ? arena_alloc(a, NONCE_LEN + 1) : NULL;
	if (nonce) {
		nonce_make(f->nonces, nonce);
		add_field(res, "Replay-Nonce", (struct bytes){ (uint8_t *)nonce, NONCE_LEN });
	}
}

/* "192.0.2.1", "2001:db8::1" */
static void address_text(const uint8_t address[16], char out[INET6_ADDRSTRLEN])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool v4 = memcmp(address, mapped, sizeof mapped) == 0;

	if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address + 12 : address, out, INET6_ADDRSTRLEN))
		out[0] = '\0';
}

static struct bytes field_of(const struct http_response *res, const char *name)
{
	for (size_t i = 0; i < res->n_fields; i++)
		if (strcmp(res->fields[i].name, name) == 0)
			return res->fields[i].value;
	return BYTES_LIT("");
}

/* The link to a page of terms is a secret between the account and us: who has it agrees in its name. */
static struct bytes path_told(const struct http_request *http)
{
	return bytes_starts_with(http->path, BYTES_LIT(TERMS_PATH)) ? BYTES_LIT(TERMS_PATH "...") : http->path;
}

/* What a client has asked and what became of it: one line each. Reading the directory and taking nonces is not told. The event's request is
 * also the answer's X-Request-Id, so that a client's report can be found here. */
static void log_answer(const struct front *f, const struct http_request *http, const struct http_response *res, const struct err *err)
{
	const char *method = http->method == HTTP_POST ? "POST" : "GET";
	uint64_t before = event_request();
	char address[INET6_ADDRSTRLEN], status[8];

	if (!f->settings->log_requests || (!err && http->method != HTTP_POST))
		return;
	event_set_request(http->id);
	address_text(http->address, address);
	(void)snprintf(status, sizeof status, "%d", res->status);
	if (err)
		event(EVENT_INFO, "request.refused", EVENT_STR("method", method), { "path", path_told(http) }, EVENT_STR("status", status),
		    EVENT_STR("problem", err_urn(err->code)), EVENT_STR("detail", err->detail), EVENT_STR("address", address));
	else
		event(EVENT_INFO, "request.done", EVENT_STR("method", method), { "path", path_told(http) }, EVENT_STR("status", status),
		    { "location", field_of(res, "Location") }, EVENT_STR("address", address));
	event_set_request(before);
}

static void add_request_id(const struct http_request *http, struct http_response *res)
{
	char *text = arena_alloc(http->arena, EVENT_REQUEST_LEN + 1);

	if (!text)
		return;
	event_request_text(http->id, text);
	add_field(res, "X-Request-Id", (struct bytes){ (uint8_t *)text, EVENT_REQUEST_LEN });
}

void front_answer(struct front *f, struct http_request *http, struct reply *reply, bool with_nonce)
{
	if (reply->page) {
		reply_field(reply, "Cache-Control", BYTES_LIT("no-store"));
		add_hsts(f->settings, &reply->http);
	} else {
		add_common(f, http->arena, http->origin, &reply->http, with_nonce);
	}
	reply->http.body = buf_bytes(&reply->body);
	if (!buf_ok(&reply->body)) {
		struct err e = { 0 };
		(void)err_set(&e, ERR_BUG, __FILE__, __LINE__, "an answer larger than its buffer");
		front_answer_error(f, http, &e, NULL);
		return;
	}
	add_request_id(http, &reply->http);
	log_answer(f, http, &reply->http, NULL);
	http_answer(http, &reply->http);
}

/* Clients cause these at will (a full queue, say): bounded. */
static void log_failure(const struct err *err)
{
	static struct event_limit limit;
	uint64_t left_out;

	if (!event_admit(&limit, &left_out))
		return;
	event_left_out("request.failed", left_out);
	event_error(err->code == ERR_BUSY ? EVENT_WARNING : EVENT_ERROR, "request.failed", err);
}

static void add_more(struct arena *a, const struct problem_more *more, struct http_response *res)
{
	struct bytes terms = more->terms.len ? arena_fmt(a, "<%.*s>;rel=\"terms-of-service\"", BYTES_FMT(more->terms)) : BYTES_NONE;

	if (terms.ptr)
		add_field(res, "Link", terms);
	if (more->location.ptr)
		add_field(res, "Location", more->location);
	if (more->allow.ptr)
		add_field(res, "Allow", more->allow);
}

static void no_memory(struct http_response *res)
{
	res->status = 500;
	res->body = BYTES_LIT("{\"type\":\"" ACME_URN "serverInternal\",\"detail\":\"no memory for an answer\",\"status\":500}");
}

void front_answer_error(struct front *f, struct http_request *http, const struct err *err, const struct problem_more *more)
{
	struct http_response res = { .status = err_http(err->code), .content_type = PROBLEM_TYPE };
	static const struct problem_more none;
	struct buf body = buf_new(65536);

	more = more ? more : &none;
	atomic_fetch_add(&f->problems[err->code], 1);
	if (!err_is_peers(err->code))
		log_failure(err);
	put_problem(err, more->instance, &body);
	res.body = buf_bytes(&body);
	if (!buf_ok(&body))
		no_memory(&res);
	unsigned retry = err->retry_after_s ? err->retry_after_s : res.status == 503 ? 5 : 0;
	struct bytes text = retry ? arena_fmt(http->arena, "%u", retry) : BYTES_NONE;
	if (text.ptr)
		add_field(&res, "Retry-After", text);
	if (res.status == 401) /* RFC 9110 §15.5.2 wants a challenge; what is asked for is a JWS, and no scheme is registered for it */
		add_field(&res, "WWW-Authenticate", BYTES_LIT("ACME"));
	add_more(http->arena, more, &res);
	add_common(f, http->arena, http->origin, &res, true);
	add_request_id(http, &res);
	log_answer(f, http, &res, err);
	http_answer(http, &res);
	buf_free(&body);
}

/* A request that never became one has no Origin that could be trusted to be whole: only the origin "*" gets to see these. */
void front_server_problem(void *ctx, int status, const char *detail, struct arena *a, struct http_response *ret)
{
	struct http_response res = { .status = status, .content_type = PROBLEM_TYPE };
	struct buf out = buf_new(4096);
	struct json_out w = json_out_to(&out);

	json_put_object(&w);
	json_put_member_str(&w, "type", status >= 500 ? ACME_URN "serverInternal" : ACME_URN "malformed");
	json_put_member_str(&w, "detail", detail);
	json_put_member_uint(&w, "status", (uint64_t)status);
	json_end_object(&w);
	res.body = arena_copy(a, buf_bytes(&out));
	if (!buf_ok(&out) || !res.body.ptr)
		no_memory(&res);
	add_common(ctx, a, BYTES_NONE, &res, true);
	*ret = res;
	buf_free(&out);
}
