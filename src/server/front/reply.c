/* Answers: what every ACME response carries, and problem documents. */
#include "server/front/request.h"

#include "base/codec.h"
#include "base/event.h"
#include "base/json.h"

#include <stdio.h>
#include <stdarg.h>
#include <string.h>

#define PROBLEM_TYPE "application/problem+json"
#define ACME_URN     "urn:ietf:params:acme:error:"

void reply_field(struct reply *r, const char *name, struct bytes value)
{
	if (r->http.n_fields < HTTP_FIELDS_MAX)
		r->http.fields[r->http.n_fields++] = (struct http_field){ name, value };
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

void problem_json(const struct err *err, struct buf *out)
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
	if (err->code == ERR_BAD_SIGNATURE_ALGORITHM) { /* RFC 8555 §6.2: the algorithms that are accepted */
		json_put_key(&w, "algorithms");
		json_put_array(&w);
		for (unsigned i = 0; i < SIG__MAX; i++)
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

/* Fields of every answer: where the directory is (RFC 8555 §7.1), a nonce where one is due (§6.5), no caching (§7.2). */
static void add_common(struct front *f, struct http_request *http, struct reply *reply, bool with_nonce)
{
	struct bytes link = arena_fmt(http->arena, "<%.*s/directory>;rel=\"index\"", BYTES_FMT(f->settings->base_url));

	if (link.ptr)
		reply_field(reply, "Link", link);
	reply_field(reply, "Cache-Control", BYTES_LIT("no-store"));
	char *nonce = with_nonce ? arena_alloc(http->arena, NONCE_LEN + 1) : NULL;
	if (nonce) {
		nonce_make(f->nonces, nonce);
		reply_field(reply, "Replay-Nonce", (struct bytes){ (uint8_t *)nonce, NONCE_LEN });
	}
}

void front_answer(struct front *f, struct http_request *http, struct reply *reply, bool with_nonce)
{
	add_common(f, http, reply, with_nonce);
	reply->http.body = buf_bytes(&reply->body);
	if (!buf_ok(&reply->body)) {
		struct err e = { 0 };
		(void)err_set(&e, ERR_BUG, __FILE__, __LINE__, "an answer larger than its buffer");
		front_answer_error(f, http, &e, false);
		return;
	}
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

void front_answer_error(struct front *f, struct http_request *http, const struct err *err, bool with_nonce)
{
	struct reply reply = { .body = buf_new(65536) };

	atomic_fetch_add(&f->problems[err->code], 1);
	if (!err_is_peers(err->code))
		log_failure(err);
	problem_json(err, &reply.body);
	reply.http.status = err_http(err->code);
	reply.http.content_type = PROBLEM_TYPE;
	reply.http.body = buf_bytes(&reply.body);
	unsigned retry = err->retry_after_s ? err->retry_after_s : reply.http.status == 503 ? 5 : 0;
	struct bytes text = retry ? arena_fmt(http->arena, "%u", retry) : BYTES_NONE;
	if (text.ptr)
		reply_field(&reply, "Retry-After", text);
	if (err->code == ERR_METHOD_NOT_ALLOWED)
		reply_field(&reply, "Allow", BYTES_LIT("POST"));
	add_common(f, http, &reply, with_nonce);
	http_answer(http, &reply.http);
	buf_free(&reply.body);
}

void front_server_problem(void *ctx, int status, const char *detail, struct arena *a, struct http_response *ret)
{
	struct buf out = buf_new(4096);
	struct json_out w = json_out_to(&out);

	(void)ctx;
	json_put_object(&w);
	json_put_member_str(&w, "type", status >= 500 ? ACME_URN "serverInternal" : ACME_URN "malformed");
	json_put_member_str(&w, "detail", detail);
	json_put_member_uint(&w, "status", (uint64_t)status);
	json_end_object(&w);
	*ret = (struct http_response){ .status = status, .content_type = PROBLEM_TYPE, .body = arena_copy(a, buf_bytes(&out)) };
	buf_free(&out);
}
