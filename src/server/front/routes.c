/* Which resource answers which request. To add a resource: a row here and a file of its own. */
#include "server/front/request.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/event.h"
#include "jose/jwk.h"

#include <string.h>

static const struct route routes[] = {
	{ "/directory", AUTH_NONE, PAYLOAD_EMPTY, get_directory },
	{ "/acme/new-nonce", AUTH_NONE, PAYLOAD_EMPTY, new_nonce },
	{ "/acme/new-account", AUTH_JWK, PAYLOAD_OBJECT, new_account },
	{ "/acme/acct/*", AUTH_KID, PAYLOAD_EITHER, post_account },
	{ "/acme/new-order", AUTH_KID, PAYLOAD_OBJECT, new_order },
	{ "/acme/order/*", AUTH_KID, PAYLOAD_EMPTY, post_order },
	{ "/acme/order/*/finalize", AUTH_KID, PAYLOAD_OBJECT, post_finalize },
	{ "/acme/authz/*", AUTH_KID, PAYLOAD_EMPTY, post_authz },
	{ "/acme/chall/*/*", AUTH_KID, PAYLOAD_EITHER, post_challenge },
	{ "/acme/cert/*", AUTH_KID, PAYLOAD_EMPTY, post_certificate },
	{ "/acme/renewal-info/*", AUTH_NONE, PAYLOAD_EMPTY, get_renewal_info },
};

/* Matches one pattern; the segments that its stars stand for go to ids. */
static bool route_matches(const char *pattern, struct bytes path, struct bytes ids[2])
{
	size_t at = 0, n = 0;

	for (const char *p = pattern; *p; p++) {
		if (*p != '*') {
			if (at >= path.len || path.ptr[at] != (uint8_t)*p)
				return false;
			at++;
			continue;
		}
		size_t from = at;
		while (at < path.len && path.ptr[at] != '/')
			at++;
		if (at == from)
			return false;
		ids[n++] = bytes_slice(path, from, at);
	}
	return at == path.len;
}

static const struct route *find_route(struct acme_request *r)
{
	struct bytes ids[2] = { BYTES_NONE, BYTES_NONE };

	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		if (route_matches(routes[i].path, r->http->path, ids)) {
			r->id = ids[0];
			r->id2 = ids[1];
			return &routes[i];
		}
	return NULL;
}

/* RFC 8555 §6.2: exactly the media type, parameters aside. */
static bool is_jose(struct bytes type)
{
	struct bytes head = type, parameters;

	(void)bytes_split(type, ';', &head, &parameters);
	while (head.len > 0 && head.ptr[head.len - 1] == ' ')
		head.len--;
	return bytes_eq_str(head, "application/jose+json");
}

/* RFC 8555 §6.4: the url that was signed must be the one that was asked. */
static enum err_code check_url(const struct acme_request *r, struct err *e)
{
	struct bytes base = r->front->settings->base_url, url = r->jws.url;

	if (!bytes_starts_with(url, base) || !bytes_eq(bytes_slice(url, base.len, url.len), r->http->path) || r->http->query.ptr)
		FAIL(e, UNAUTHORIZED, "the \"url\" in the protected header is not the URL that was asked");
	return ERR_OK;
}

static enum err_code account_of_kid(struct acme_request *r, struct err *e)
{
	struct bytes base = r->front->settings->base_url, kid = r->jws.kid, path = BYTES_LIT(ACCOUNT_PATH);
	struct account_key account;

	if (!bytes_starts_with(kid, base) || !bytes_starts_with(bytes_slice(kid, base.len, kid.len), path) ||
	    base64url_decode_fixed(bytes_slice(kid, base.len + path.len, kid.len), r->account, sizeof r->account, NULL) != ERR_OK)
		FAIL(e, ACCOUNT_DOES_NOT_EXIST, "the \"kid\" is not the URL of an account of this CA");
	TRY(keys_get(r->front->keys, r->front->store, r->http->arena, r->account, &account, e));
	r->key = account.key;
	if (account.state != ACCOUNT_VALID)
		FAIL(e, UNAUTHORIZED, "the account is %s", account_state_name(account.state));
	return ERR_OK;
}

static enum err_code authenticate(struct acme_request *r, const struct route *route, struct err *e)
{
	if (!is_jose(r->http->content_type))
		FAIL(e, UNSUPPORTED_MEDIA_TYPE, "a POST has the Content-Type application/jose+json");
	TRY(jws_parse(r->http->arena, r->http->body, JWS_NONCE_REQUIRED, &r->jws, e));
	TRY(check_url(r, e));
	TRY(nonce_use(r->front->nonces, r->jws.nonce, e));
	if (route->auth == AUTH_JWK) {
		if (!r->jws.jwk.ptr)
			FAIL(e, MALFORMED, "this request is signed by a key that it carries as \"jwk\", not by an account");
		TRY(jwk_parse(r->http->arena, r->jws.jwk, &r->key, e));
		jwk_thumbprint(r->key, r->account);
	} else {
		if (!r->jws.kid.ptr)
			FAIL(e, MALFORMED, "this request is signed by an account, named by \"kid\", not by a \"jwk\"");
		TRY(account_of_kid(r, e));
	}
	TRY(jws_verify(&r->jws, r->key, e));
	if (route->payload == PAYLOAD_EMPTY && r->jws.payload.len > 0)
		FAIL(e, MALFORMED, "this resource is only read: the payload of a POST-as-GET is empty (RFC 8555 section 6.3)");
	if (route->payload == PAYLOAD_OBJECT && r->jws.payload.len == 0)
		FAIL(e, MALFORMED, "this request needs a payload, a JSON object");
	return ERR_OK;
}

static enum err_code dispatch(struct acme_request *r, struct reply *reply, struct err *e)
{
	const struct route *route = find_route(r);
	enum http_method method = r->http->method;

	if (!route)
		FAIL(e, NOT_FOUND, "there is nothing at this URL: begin with the directory, /directory");
	if (method == HTTP_POST)
		TRY(authenticate(r, route, e));
	else if (route->auth != AUTH_NONE || (method != HTTP_GET && method != HTTP_HEAD))
		FAIL(e, METHOD_NOT_ALLOWED, "%s is not possible here: ACME resources are read and changed by POST (RFC 8555 section 6.3)",
		    method == HTTP_GET    ? "GET"
		    : method == HTTP_HEAD ? "HEAD"
					  : "this method");
	return route->handler(r, reply, e);
}

enum http_handled front_handle(struct http_request *http)
{
	struct acme_request r = { .http = http, .front = http->server_ctx, .now_ms = clock_wall_ms() };
	struct reply reply = { .body = buf_new(131072) };
	struct err e = { 0 };
	bool post = http->method == HTTP_POST;

	enum err_code rc = dispatch(&r, &reply, &e);
	if (r.key)
		key_free(r.key);
	if (rc == ERR_OK && reply.parked) {
		buf_free(&reply.body);
		return HTTP_PARKED;
	}
	if (rc == ERR_OK)
		front_answer(r.front, http, &reply, post || reply.with_nonce);
	else
		front_answer_error(r.front, http, &e, post);
	buf_free(&reply.body);
	return HTTP_ANSWERED;
}
