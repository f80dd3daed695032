#include "client/engine.h"

#include "base/codec.h"
#include "base/json.h"
#include "client/problem.h"

#include <string.h>
#include <strings.h>

/* A server whose ready orders are never ready is left after so many finalize requests. */
#define FINALIZE_TRIES 4

struct order_json {
	struct bytes status, finalize, certificate, error;
	struct json_strings authorizations;
};
static const struct json_field order_fields[] = {
	JSON_FIELD(struct order_json, status, "status", JSON_STRING, true, 32),
	JSON_FIELD(struct order_json, finalize, "finalize", JSON_STRING, true, SESSION_URL_MAX),
	JSON_FIELD(struct order_json, certificate, "certificate", JSON_ANY, false, 0),
	JSON_FIELD(struct order_json, error, "error", JSON_ANY, false, 0),
	JSON_FIELD(struct order_json, authorizations, "authorizations", JSON_STRINGS, true, ENGINE_NAMES_MAX),
};

/* Why an order is invalid: its error, or what its authorizations say (RFC 8555 §7.1.3). */
static enum err_code order_invalid(struct session *s, struct bytes error, struct err *e)
{
	if (error.len && error.ptr[0] == '{')
		return problem_read(s->error, s->scratch, error, 0, PROBLEM_OF_REQUEST, "the order has failed", e);
	(void)err_set(e, ERR_SERVER_INTERNAL, __FILE__, __LINE__, "the server has given up the order and does not say why");
	return failure_note(s->error, ERR_SERVER_INTERNAL, CHANCERY_REFUSED, CHANCERY_FAULT_SERVER, "try again: a new order is made then");
}

static enum err_code take_authz(struct session *s, const struct json_strings *urls, struct order *o, struct err *e)
{
	const char **v = arena_array(s->arena, urls->n ? urls->n : 1, sizeof *v);

	if (!v)
		FAIL(e, NOMEM, "no memory for the order");
	for (size_t i = 0; i < urls->n; i++)
		TRY(session_url(s, urls->v[i], "an authorization", &v[i], e));
	o->authz_urls = v;
	o->n_authz = urls->n;
	return ERR_OK;
}

static enum err_code take_order(struct session *s, struct bytes body, bool first, struct order *o, struct err *e)
{
	struct order_json j = { 0 };
	enum order_state state;

	TRY(json_read(s->scratch, body, "the server's order", order_fields, sizeof order_fields / sizeof *order_fields, &j, e));
	if (!order_state_from_name(j.status, &state))
		FAIL(e, MALFORMED, "the order has a status that ACME does not know: \"%.*s\"", BYTES_FMT(j.status));
	/* Also a step back is taken as it is: another node of the server may be behind, and the deadline bounds it all. */
	o->state = state;
	if (first)
		TRY(take_authz(s, &j.authorizations, o, e));
	if (first)
		TRY(session_url(s, j.finalize, "the order's finalize", &o->finalize, e));
	if (state == ORDER_INVALID)
		return order_invalid(s, j.error, e);
	if (state == ORDER_VALID)
		TRY(session_url(s, problem_string(s->scratch, j.certificate), "the order's certificate", &o->certificate, e));
	return ERR_OK;
}

enum err_code order_new(struct session *s, const struct identifier *names, size_t n, struct order *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf payload = buf_new(65536);
	struct json_out w = json_out_to(&payload);
	struct http_client_answer answer;
	struct order o = { 0 };

	session_doing(s, "asking for an order at %.300s", s->directory.new_order);
	json_put_object(&w);
	json_put_key(&w, "identifiers");
	json_put_array(&w);
	for (size_t i = 0; i < n; i++) {
		json_put_object(&w);
		json_put_member_str(&w, "type", identifier_type_name(names[i].type));
		json_put_member(&w, "value", identifier_display(s->scratch, &names[i]));
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	if (!buf_ok(&payload))
		FAIL(e, NOMEM, "no room for the order");
	TRY(session_post(s, s->directory.new_order, buf_bytes(&payload), NULL, &answer, e));
	TRY(session_url(s, answer.location, "the order's URL", &o.url, e));
	session_doing(s, "reading the order %.300s", o.url);
	TRY(take_order(s, answer.body, true, &o, e));
	*ret = o;
	return ERR_OK;
}

/* Polls the order (POST-as-GET, RFC 8555 §7.4) while it is in a state that passes by itself. */
static enum err_code order_await(
    struct session *s, struct order *o, enum order_state until, const struct http_client_answer *last, struct err *e)
{
	struct http_client_answer answer = *last;

	for (unsigned n = 0; o->state != until && o->state != ORDER_VALID; n++) {
		session_doing(s, "waiting for the order %.300s, which is %s", o->url, order_state_name(o->state));
		if (answer.status) /* nothing is known of now: ask at once */
			TRY(session_pause(s, &answer, n, "the order is not done yet", e));
		TRY(session_post(s, o->url, BYTES_NONE, NULL, &answer, e));
		TRY(take_order(s, answer.body, false, o, e));
	}
	return ERR_OK;
}

static enum err_code post_csr(struct session *s, const struct order *o, struct bytes csr, struct http_client_answer *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf payload = buf_new(65536);

	buf_add_str(&payload, "{\"csr\":\"");
	base64url_add(&payload, csr);
	buf_add_str(&payload, "\"}");
	if (!buf_ok(&payload))
		FAIL(e, NOMEM, "no room for the request");
	session_doing(s, "asking for the certificate at %.300s", o->finalize);
	return session_post(s, o->finalize, buf_bytes(&payload), NULL, ret, e);
}

enum err_code order_finalize(struct session *s, struct order *o, struct bytes csr, struct err *e)
{
	struct http_client_answer answer = { 0 };

	for (unsigned n = 0; o->state == ORDER_PENDING || o->state == ORDER_READY; n++) {
		TRY(order_await(s, o, ORDER_READY, &answer, e));
		if (o->state != ORDER_READY)
			break;
		enum err_code rc = post_csr(s, o, csr, &answer, e);
		if (rc == ERR_ORDER_NOT_READY && n < FINALIZE_TRIES) {
			/* Another node of the server may be behind: ask it what it knows. */
			failure_reset(s->error);
			o->state = ORDER_PENDING;
			answer = (struct http_client_answer){ 0 };
			continue;
		}
		TRY(rc);
		TRY(take_order(s, answer.body, false, o, e));
		if (o->state == ORDER_READY || o->state == ORDER_PENDING)
			o->state = ORDER_PROCESSING; /* taken, but not told yet */
	}
	return order_await(s, o, ORDER_VALID, &answer, e);
}

static bool is_pem_chain(struct bytes type)
{
	static const char chain[] = "application/pem-certificate-chain";

	return type.len >= sizeof chain - 1 && strncasecmp((const char *)type.ptr, chain, sizeof chain - 1) == 0;
}

enum err_code order_download(struct session *s, const struct order *o, struct bytes *ret_pem, struct err *e)
{
	struct http_client_answer answer;

	session_doing(s, "downloading the certificate %.300s", o->certificate);
	TRY(session_post(s, o->certificate, BYTES_NONE, "application/pem-certificate-chain", &answer, e));
	if (!is_pem_chain(answer.content_type))
		FAIL(e, MALFORMED, "the server sends the certificate as something else than application/pem-certificate-chain");
	struct bytes pem = arena_copy(s->arena, answer.body);
	if (!pem.ptr)
		FAIL(e, NOMEM, "no memory for the certificate");
	*ret_pem = pem;
	return ERR_OK;
}
