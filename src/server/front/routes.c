/* Which resource answers which request. To add a resource: a row here and a file of its own. */
#include "server/front/request.h"
#include "server/front/terms.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/event.h"
#include "jose/jwk.h"

#include <string.h>

static const struct route routes[] = {
	{ "/directory", AUTH_NONE, PAYLOAD_EMPTY, ROUTE_ANY_TERMS | ROUTE_QUICK, get_directory },
	{ "/profiles", AUTH_NONE, PAYLOAD_EMPTY, ROUTE_ANY_TERMS | ROUTE_QUICK, get_profiles },
	{ "/acme/new-nonce", AUTH_NONE, PAYLOAD_EMPTY, ROUTE_ANY_TERMS | ROUTE_QUICK, new_nonce },
	{ "/acme/new-account", AUTH_JWK, PAYLOAD_OBJECT, ROUTE_ANY_TERMS, new_account },
	{ "/acme/acct/*", AUTH_KID, PAYLOAD_EITHER, ROUTE_ANY_TERMS, post_account },
	{ "/acme/acct/*" ORDERS_SUFFIX, AUTH_KID, PAYLOAD_EMPTY, ROUTE_ANY_TERMS | ROUTE_QUERY, post_account_orders },
	{ "/acme/key-change", AUTH_KID, PAYLOAD_OBJECT, ROUTE_ANY_TERMS, post_key_change },
	{ "/terms/*", AUTH_PAGE, PAYLOAD_EITHER, ROUTE_ANY_TERMS, terms_page },
	{ "/acme/new-order", AUTH_KID, PAYLOAD_OBJECT, ROUTE_PLAIN, new_order },
	{ "/acme/new-authz", AUTH_KID, PAYLOAD_OBJECT, ROUTE_PLAIN, new_authz },
	{ "/acme/order/*", AUTH_KID, PAYLOAD_EMPTY, ROUTE_READS, post_order },
	{ "/acme/order/*/finalize", AUTH_KID, PAYLOAD_OBJECT, ROUTE_PLAIN, post_finalize },
	{ "/acme/authz/*", AUTH_KID, PAYLOAD_EITHER, ROUTE_READS, post_authz },
	{ "/acme/chall/*/*", AUTH_KID, PAYLOAD_EITHER, ROUTE_QUICK, post_challenge },
	{ "/acme/cert/*", AUTH_KID, PAYLOAD_EMPTY, ROUTE_READS, post_certificate },
	{ "/acme/cert/*/*", AUTH_KID, PAYLOAD_EMPTY, ROUTE_READS, post_certificate },
	{ "/acme/revoke-cert", AUTH_EITHER, PAYLOAD_OBJECT, ROUTE_ANY_TERMS, revoke_cert },
	{ "/acme/renewal-info/*", AUTH_NONE, PAYLOAD_EMPTY, ROUTE_ANY_TERMS | ROUTE_QUICK, get_renewal_info },
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

/* RFC 8555 §6.4: the url that was signed must be the one that was asked, with its query where the resource takes one. */
static enum err_code check_url(const struct acme_request *r, const struct route *route, struct err *e)
{
	struct bytes base = r->front->settings->base_url, url = r->jws.url, path = BYTES_NONE, query = BYTES_NONE;
	bool same = bytes_starts_with(url, base);

	path = bytes_slice(url, base.len, url.len);
	(void)bytes_split(path, '?', &path, &query);
	same = same && bytes_eq(path, r->http->path) && !query.ptr == !r->http->query.ptr;
	if (query.ptr && same)
		same = (route->flags & ROUTE_QUERY) && bytes_eq(query, r->http->query);
	if (!same)
		FAIL(e, UNAUTHORIZED, "the \"url\" in the protected header is not the URL that was asked");
	return ERR_OK;
}

static enum err_code account_of_kid(struct acme_request *r, struct account_key *ret, struct err *e)
{
	struct bytes base = r->front->settings->base_url, kid = r->jws.kid, path = BYTES_LIT(ACCOUNT_PATH);

	if (!bytes_starts_with(kid, base) || !bytes_starts_with(bytes_slice(kid, base.len, kid.len), path) ||
	    base64url_decode_fixed(bytes_slice(kid, base.len + path.len, kid.len), r->account, sizeof r->account, NULL) != ERR_OK)
		FAIL(e, ACCOUNT_DOES_NOT_EXIST, "the \"kid\" is not the URL of an account of this CA");
	TRY(keys_get(r->front->keys, r->front->store, r->http->arena, r->account, ret, e));
	r->key = ret->key;
	return ERR_OK;
}

/* RFC 8555 §7.3.6: 401. */
enum err_code account_check(enum account_state state, struct err *e)
{
	if (state != ACCOUNT_VALID)
		FAIL(e, ACCOUNT_ENDED, "the account is %s: no request of its key is taken any more", account_state_name(state));
	return ERR_OK;
}

/* The signer would say the same at the end. */
static enum err_code check_blocked(const struct acme_request *r, struct err *e)
{
	if (blocks_has_account(r->front->blocks, r->account))
		FAIL(e, UNAUTHORIZED, "this CA's operator has blocked the account");
	if (blocks_has_key(r->front->blocks, r->key))
		FAIL(e, BAD_PUBLIC_KEY, "this CA's operator has blocked the key: make another");
	return ERR_OK;
}

/* From the cheap to the dear: the media type, the form (bounded), the URL, the nonce; then a key that a stranger brings is looked at (its size
 * before any arithmetic), and its signature verified. Whether an account may do anything is told to nobody but its key.
 * With reply->not_here nothing is used up. */
static enum err_code authenticate(struct acme_request *r, const struct route *route, struct reply *reply, struct err *e)
{
	struct account_key account = { .state = ACCOUNT_VALID };

	if (!is_jose(r->http->content_type))
		FAIL(e, UNSUPPORTED_MEDIA_TYPE, "a POST has the Content-Type application/jose+json");
	TRY(jws_parse(r->http->arena, r->http->body, JWS_NONCE_REQUIRED, &r->jws, e));
	reply->not_here = r->http->on_loop && !(route->flags & ROUTE_QUICK) && r->jws.payload.len > 0;
	if (reply->not_here)
		return ERR_OK;
	TRY(check_url(r, route, e));
	TRY(nonce_use(r->front->nonces, r->jws.nonce, e));
	if (route->auth == AUTH_JWK || (route->auth == AUTH_EITHER && r->jws.jwk.ptr)) {
		if (!r->jws.jwk.ptr)
			FAIL(e, MALFORMED, "this request is signed by a key that it carries as \"jwk\", not by an account");
		TRY(jwk_parse(r->http->arena, r->jws.jwk, &r->key, e));
		jwk_thumbprint(r->key, r->account);
	} else {
		if (!r->jws.kid.ptr)
			FAIL(e, MALFORMED, "this request is signed by an account, named by \"kid\", not by a \"jwk\"");
		TRY(account_of_kid(r, &account, e));
		memcpy(r->terms, account.terms, sizeof r->terms);
	}
	TRY(jws_verify(&r->jws, r->key, e));
	TRY(account_check(account.state, e));
	TRY(check_blocked(r, e));
	if (route->payload == PAYLOAD_EMPTY && r->jws.payload.len > 0)
		FAIL(e, MALFORMED, "this resource is only read: the payload of a POST-as-GET is empty (RFC 8555 section 6.3)");
	if (route->payload == PAYLOAD_OBJECT && r->jws.payload.len == 0)
		FAIL(e, MALFORMED, "this request needs a payload, a JSON object");
	return ERR_OK;
}

static struct bytes methods_of(const struct route *route)
{
	bool get = route->auth == AUTH_NONE || route->auth == AUTH_PAGE;

	return get ? BYTES_LIT("GET, HEAD, POST, OPTIONS") : BYTES_LIT("POST, OPTIONS");
}

/* What a browser asks before it sends a page's request here (RFC 8555 §6.1; the Fetch standard, §4.8). Who may is told with every answer. */
static enum err_code answer_options(struct acme_request *r, const struct route *route, struct reply *reply)
{
	reply->http.status = 204;
	reply->page = route->auth == AUTH_PAGE;
	reply_field(reply, "Allow", methods_of(route));
	if (r->http->origin.ptr && !reply->page && r->front->settings->cors_origins.n > 0) {
		reply_field(reply, "Access-Control-Allow-Methods", methods_of(route));
		reply_field(reply, "Access-Control-Allow-Headers", BYTES_LIT("Content-Type"));
		reply_field(reply, "Access-Control-Max-Age", BYTES_LIT("86400"));
	}
	return ERR_OK;
}

static enum err_code dispatch(struct acme_request *r, struct reply *reply, struct err *e)
{
	const struct route *route = find_route(r);
	enum http_method method = r->http->method;
	bool get = method == HTTP_GET || method == HTTP_HEAD;

	reply->not_here = r->http->on_loop && route && !(route->flags & (ROUTE_QUICK | ROUTE_READS));
	if (reply->not_here)
		return ERR_OK;
	if (!route)
		FAIL(e, NOT_FOUND, "there is nothing at this URL: begin with the directory, /directory");
	if (method == HTTP_OPTIONS)
		return answer_options(r, route, reply);
	reply->more.allow = methods_of(route);
	if (!get && method != HTTP_POST)
		FAIL(e, METHOD_NOT_ALLOWED,
		    "this method is not possible here: ACME resources are read and changed by POST (RFC 8555 section 6.3)");
	if (get && route->auth != AUTH_NONE && route->auth != AUTH_PAGE)
		FAIL(e, METHOD_NOT_ALLOWED, "%s is not possible here: ACME resources are read and changed by POST (RFC 8555 section 6.3)",
		    method == HTTP_GET ? "GET" : "HEAD");
	reply->more.allow = BYTES_NONE;
	if (method == HTTP_POST && route->auth != AUTH_PAGE)
		TRY(authenticate(r, route, reply, e));
	if (reply->not_here)
		return ERR_OK;
	if (method == HTTP_POST && !(route->flags & ROUTE_ANY_TERMS))
		TRY(terms_check(r, reply, e));
	return route->handler(r, reply, e);
}

enum http_handled front_handle(struct http_request *http)
{
	struct acme_request r = { .http = http, .front = http->server_ctx, .now_ms = clock_wall_ms() };
	struct reply reply = { .body = buf_new(131072) };
	struct err e = { 0 };
	bool post = http->method == HTTP_POST;

	event_set_request(http->id);
	enum err_code rc = dispatch(&r, &reply, &e);
	if (r.key)
		key_free(r.key);
	if (rc == ERR_OK && (reply.parked || reply.not_here)) {
		buf_free(&reply.body);
		event_set_request(0);
		return reply.not_here ? HTTP_NOT_HERE : HTTP_PARKED;
	}
	if (rc == ERR_OK)
		front_answer(r.front, http, &reply, post || reply.with_nonce);
	else
		front_answer_error(r.front, http, &e, &reply.more);
	buf_free(&reply.body);
	event_set_request(0);
	return HTTP_ANSWERED;
}
