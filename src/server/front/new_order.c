#include "server/front/charges.h"
#include "server/front/objects.h"

#include "base/codec.h"
#include "base/json.h"

#include <string.h>

struct new_order_body {
	struct bytes identifiers, not_before, not_after, profile;
};
static const struct json_field body_fields[] = {
	JSON_FIELD(struct new_order_body, identifiers, "identifiers", JSON_ARRAY, true, 0),
	JSON_FIELD(struct new_order_body, not_before, "notBefore", JSON_STRING, false, 64),
	JSON_FIELD(struct new_order_body, not_after, "notAfter", JSON_STRING, false, 64),
	JSON_FIELD(struct new_order_body, profile, "profile", JSON_STRING, false, 64),
};
struct identifier_body {
	struct bytes type, value;
};
static const struct json_field identifier_fields[] = {
	JSON_FIELD(struct identifier_body, type, "type", JSON_STRING, true, 64),
	JSON_FIELD(struct identifier_body, value, "value", JSON_STRING, true, 300),
};

/* One identifier, with a subproblem at hand when it is refused (RFC 8555 §6.7.1). */
static enum err_code read_identifier(struct acme_request *r, struct bytes text, struct identifier *ret, struct err_sub *sub, struct err *e)
{
	struct identifier_body body = { 0 };

	TRY(json_read(r->http->arena, text, "an identifier", identifier_fields, 2, &body, e));
	enum err_code rc = identifier_parse(r->http->arena, body.type, body.value, ret, e);
	if (rc == ERR_OK && ret->type == IDENTIFIER_IP && !(r->front->settings->profiles[0].identifiers & PROFILE_IP))
		rc = err_set(e, ERR_UNSUPPORTED_IDENTIFIER, __FILE__, __LINE__,
		    "the profile \"%.*s\" has no IP addresses: identifiers of type \"dns\" are allowed",
		    BYTES_FMT(r->front->settings->profiles[0].name));
	if (rc == ERR_OK && ret->wildcard)
		rc = err_set(e, ERR_REJECTED_IDENTIFIER, __FILE__, __LINE__,
		    "a wildcard needs a DNS challenge (RFC 8555 section 7.1.3), and none is offered here: ask for each name by itself");
	if (rc == ERR_OK)
		rc = names_judge(r->front->names, ret, e);
	if (rc != ERR_OK)
		*sub = (struct err_sub){ rc, body.type, body.value, arena_copy(r->http->arena, bytes_str(e->detail)) };
	return rc;
}

static enum err_code read_identifiers(struct acme_request *r, struct bytes array, struct store_order *order, struct err *e)
{
	struct bytes *texts;
	size_t n, n_subs = 0, most = r->front->settings->profiles[0].names_max;
	enum err_code worst = ERR_OK;

	TRY(json_elements(r->http->arena, array, JSON_ARRAY_MAX, &texts, &n, e));
	if (n == 0 || n > most || n > STORE_NAMES_MAX)
		FAIL(
		    e, MALFORMED, "an order has 1 to %zu identifiers, not %zu", most < STORE_NAMES_MAX ? most : (size_t)STORE_NAMES_MAX, n);
	struct identifier *ids = arena_array(r->http->arena, n, sizeof *ids);
	struct err_sub *subs = arena_array(r->http->arena, n, sizeof *subs);
	if (!ids || !subs)
		FAIL(e, NOMEM, "no memory for identifiers");
	for (size_t i = 0; i < n; i++) {
		enum err_code rc = read_identifier(r, texts[i], &ids[i], &subs[n_subs], e);
		if (rc != ERR_OK && !subs[n_subs].identifier_type.ptr)
			return rc;
		n_subs += rc != ERR_OK;
		worst = rc != ERR_OK ? rc : worst;
	}
	if (n_subs > 0 && n > 1) {
		e->subs = subs;
		e->n_subs = n_subs;
		err_set(e, n_subs > 1 ? ERR_COMPOUND : worst, __FILE__, __LINE__,
		    "%zu of %zu identifiers are refused; the subproblems say why", n_subs, n);
		return e->code;
	}
	if (n_subs > 0)
		return worst;
	order->identifiers = ids;
	order->n_identifiers = identifier_sort(ids, n);
	return ERR_OK;
}

static enum err_code make_authz(struct acme_request *r, struct store_order *order, struct store_authz **ret, struct err *e)
{
	size_t n = order->n_identifiers;
	struct bytes *tokens = arena_array(r->http->arena, n, sizeof *tokens);
	struct store_authz *authz = arena_array(r->http->arena, n, sizeof *authz);

	order->authz = arena_array(r->http->arena, n, STORE_AUTHZ_ID);
	if (!tokens || !authz || !order->authz)
		FAIL(e, NOMEM, "no memory for authorizations");
	TRY(tokens_take(r->front->tokens, r->http->arena, tokens, n, e));
	for (size_t i = 0; i < n; i++) {
		uint8_t *id = authz[i].id;
		for (int k = 0; k < 6; k++)
			id[k] = (uint8_t)((uint64_t)r->now_ms >> (40 - 8 * k));
		random_bytes(id + 6, STORE_AUTHZ_ID - 6);
		memcpy(order->authz[i], id, STORE_AUTHZ_ID);
		memcpy(authz[i].account, order->account, sizeof authz[i].account);
		memcpy(authz[i].order, order->id, sizeof authz[i].order);
		authz[i].identifier = order->identifiers[i];
		authz[i].state = AUTHZ_PENDING;
		authz[i].expires_s = order->expires_s;
		authz[i].n_challenges = 1;
		authz[i].challenges[0] = (struct store_challenge){ .type = CHALLENGE_TYPE_HTTP_01, .token = tokens[i] };
	}
	*ret = authz;
	return ERR_OK;
}

/* RFC 8555 §7.4. The order's id carries the digest of this very request: what it asks for, the signer can check (DESIGN §2). */
enum err_code new_order(struct acme_request *r, struct reply *ret, struct err *e)
{
	const struct settings *s = r->front->settings;
	struct new_order_body body = { 0 };
	struct store_order order = { .state = ORDER_PENDING, .created_s = r->now_ms / 1000, .new_order = r->http->body };
	struct store_authz *authz = NULL;
	char id[ORDER_ID_LEN + 1];

	TRY(json_read(r->http->arena, r->jws.payload, "the payload", body_fields, sizeof body_fields / sizeof *body_fields, &body, e));
	if (body.not_before.ptr || body.not_after.ptr)
		FAIL(e, MALFORMED, "this CA sets notBefore and notAfter by its profile: leave them out");
	if (body.profile.ptr && !bytes_eq(body.profile, s->profiles[0].name))
		FAIL(e, INVALID_PROFILE, "there is no such profile: \"%.*s\" is offered", BYTES_FMT(s->profiles[0].name));
	TRY(read_identifiers(r, body.identifiers, &order, e));
	order_id_make(r->now_ms, r->http->body, order.id);
	memcpy(order.account, r->account, sizeof order.account);
	order.expires_s = order.created_s + (int64_t)s->order_lifetime;
	TRY(charge_new_order(r->front, r->http->arena, &order, false, r->now_ms, e));
	enum err_code rc = make_authz(r, &order, &authz, e);
	if (rc == ERR_OK)
		rc = store_add_order(r->front->store, &order, authz, e);
	if (rc != ERR_OK)
		refund_new_order(r->front, &order, false, r->now_ms);
	TRY(rc);

	put_order(r, &order, &ret->body);
	reply_json(ret, 201);
	base64url_encode(BYTES_ARRAY(order.id), id);
	reply_field(ret, "Location", front_url(r, ORDER_PATH "%s", id));
	return ERR_OK;
}
