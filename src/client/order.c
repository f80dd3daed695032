#include "client/engine.h"

#include "base/codec.h"
#include "base/json.h"
#include "client/problem.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A server whose ready orders are never ready is left after so many finalize requests. */
#define FINALIZE_TRIES 4

struct order_json {
	struct bytes status, finalize, certificate, error, identifiers;
	struct json_strings authorizations;
};
static const struct json_field order_fields[] = {
	JSON_FIELD(struct order_json, status, "status", JSON_STRING, true, 32),
	JSON_FIELD(struct order_json, finalize, "finalize", JSON_STRING, true, SESSION_URL_MAX),
	JSON_FIELD(struct order_json, certificate, "certificate", JSON_ANY, false, 0),
	JSON_FIELD(struct order_json, error, "error", JSON_ANY, false, 0),
	JSON_FIELD(struct order_json, identifiers, "identifiers", JSON_ANY, false, 0),
	JSON_FIELD(struct order_json, authorizations, "authorizations", JSON_STRINGS, true, ENGINE_NAMES_MAX),
};

/* Why an order is invalid: its error, or what its authorizations say (RFC 8555 §7.1.3). */
static enum err_code order_invalid(struct session *s, struct bytes error, struct err *e)
{
	if (error.len && error.ptr[0] == '{')
		return problem_document_read(s->error, s->scratch, error, 0, PROBLEM_OF_REQUEST, "the order has failed", e);
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

static void write_order(struct session *s, const struct identifier *names, size_t n, const struct order_wish *wish, struct buf *payload)
{
	struct json_out w = json_out_to(payload);

	json_put_object(&w);
	json_put_key(&w, "identifiers");
	json_put_array(&w);
	for (size_t i = 0; i < n; i++) {
		json_put_object(&w);
		json_put_member_str(&w, "type", identifier_type_name(names[i].type));
		json_put_member(&w, "value", identifier_display(s->arena, &names[i]));
		json_end_object(&w);
	}
	json_end_array(&w);
	if (wish->profile)
		json_put_member_str(&w, "profile", wish->profile);
	if (wish->replaces)
		json_put_member_str(&w, "replaces", wish->replaces);
	json_end_object(&w);
}

/* Whether it may be what the order replaces that the server does not like. Rate limits, names, accounts: it is not. */
static bool is_about_replaces(const struct session *s, enum err_code rc)
{
	return rc == ERR_ALREADY_REPLACED ||
	       (s->error->result == CHANCERY_REFUSED && (rc == ERR_MALFORMED || rc == ERR_NOT_FOUND || rc == ERR_UNAUTHORIZED ||
							    rc == ERR_CONFLICT || rc == ERR_SERVER_INTERNAL));
}

/* Servers that have no profiles take no notice of the wish: nobody is to believe that it came true. */
static enum err_code check_profile(struct session *s, const char *profile, struct err *e)
{
	if (!profile || s->directory.has_profiles)
		return ERR_OK;
	(void)err_set(e, ERR_INVALID_PROFILE, __FILE__, __LINE__, "this CA has no profiles, and so none that is called %.64s", profile);
	(void)snprintf(s->error->type, sizeof s->error->type, "invalidProfile");
	return failure_note(s->error, ERR_INVALID_PROFILE, CHANCERY_REFUSED, CHANCERY_FAULT_CALLER, "leave the profile out");
}

enum err_code order_new(
    struct session *s, const struct identifier *names, size_t n, const struct order_wish *wish, struct order *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf payload = buf_new(65536);
	struct order_wish without = { .profile = wish->profile };
	struct http_client_answer answer;
	struct order o = { 0 };

	session_doing(s, "asking for an order at %.300s", s->directory.new_order);
	TRY(check_profile(s, wish->profile, e));
	write_order(s, names, n, wish, &payload);
	if (!buf_ok(&payload))
		FAIL(e, NOMEM, "no room for the order");
	enum err_code rc = session_post(s, s->directory.new_order, buf_bytes(&payload), NULL, &answer, e);
	if (rc != ERR_OK && wish->replaces && is_about_replaces(s, rc)) {
		failure_reset(s->error);
		TRY(session_tell(s, e, CHANCERY_STEP_ORDER, "the server does not take the order as a replacement: asking for it without"));
		return order_new(s, names, n, &without, ret, e);
	}
	TRY(rc);
	TRY(session_url(s, answer.location, "the order's URL", &o.url, e));
	session_doing(s, "reading the order %.300s", o.url);
	TRY(take_order(s, answer.body, true, &o, e));
	*ret = o;
	return ERR_OK;
}

/* --- an order of an earlier run --- */

struct name_json {
	struct bytes type, value;
};
static const struct json_field name_fields[] = {
	JSON_FIELD(struct name_json, type, "type", JSON_STRING, true, 32),
	JSON_FIELD(struct name_json, value, "value", JSON_STRING, true, 300),
};

static enum err_code same_names(struct session *s, struct bytes json, const struct identifier *names, size_t n, struct err *e)
{
	struct bytes *v;
	size_t n_v, found = 0;

	if (json.len == 0 || json.ptr[0] != '[')
		FAIL(e, NOT_FOUND, "the order does not say its names");
	TRY(json_elements(s->scratch, json, ENGINE_NAMES_MAX, &v, &n_v, e));
	for (size_t i = 0; i < n_v; i++) {
		struct name_json j = { .type = BYTES_NONE };
		struct identifier id;
		TRY(json_read(s->scratch, v[i], "an identifier", name_fields, 2, &j, e));
		TRY(identifier_parse(s->scratch, j.type, j.value, &id, e));
		for (size_t k = 0; k < n; k++)
			found += names[k].type == id.type && names[k].wildcard == id.wildcard && bytes_eq(names[k].value, id.value);
	}
	if (found != n || n_v != n)
		FAIL(e, NOT_FOUND, "the order is of other names");
	return ERR_OK;
}

enum err_code order_resume(struct session *s, const char *url, const struct identifier *names, size_t n, struct order *ret, struct err *e)
{
	struct order_json j = { .status = BYTES_NONE };
	struct http_client_answer answer;
	struct order o = { .n_authz = 0 };

	session_doing(s, "reading the order %.300s", url);
	TRY(session_url(s, bytes_str(url), "an order", &o.url, e));
	TRY(session_post(s, o.url, BYTES_NONE, NULL, &answer, e));
	TRY(json_read(s->scratch, answer.body, "the server's order", order_fields, sizeof order_fields / sizeof *order_fields, &j, e));
	TRY(same_names(s, j.identifiers, names, n, e));
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

/* "Link: <URL>;rel="alternate"" (RFC 8555 §7.4.2); what is no such link is passed over. */
static void take_alternate(struct session *s, struct bytes link, struct download *d)
{
	struct bytes head, rest;
	const char *url;
	char params[256];

	if (!bytes_starts_with(link, BYTES_LIT("<")) || !bytes_split(link, '>', &head, &rest) || d->n_alternates == ALTERNATES_MAX)
		return;
	(void)snprintf(params, sizeof params, "%.*s", BYTES_FMT(rest));
	if ((strstr(params, "rel=\"alternate\"") || strstr(params, "rel=alternate")) &&
	    session_url(s, bytes_slice(head, 1, head.len), "an alternate chain", &url, NULL) == ERR_OK)
		d->alternates[d->n_alternates++] = url;
}

enum err_code order_download(struct session *s, const char *url, struct download *ret, struct err *e)
{
	struct http_client_answer answer;
	struct download d = { .n_alternates = 0 };

	session_doing(s, "downloading the certificate %.300s", url);
	TRY(session_post(s, url, BYTES_NONE, "application/pem-certificate-chain", &answer, e));
	if (!is_pem_chain(answer.content_type))
		FAIL(e, MALFORMED, "the server sends the certificate as something else than application/pem-certificate-chain");
	d.pem = arena_copy(s->arena, answer.body);
	if (!d.pem.ptr)
		FAIL(e, NOMEM, "no memory for the certificate");
	for (size_t i = 0; i < answer.n_fields; i++)
		if (bytes_eq_str(answer.fields[i].name, "link"))
			take_alternate(s, answer.fields[i].value, &d);
	*ret = d;
	return ERR_OK;
}
