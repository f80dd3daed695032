#include "server/front/charges.h"
#include "server/front/identifiers.h"
#include "server/front/objects.h"
#include "server/front/offer.h"

#include "base/json.h"
#include "pki/validity.h"

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

/* What the signer will say at the end is said at once: it goes by the same rule (pki/validity.h). */
static enum err_code read_wishes(
    struct acme_request *r, const struct profile *p, const struct new_order_body *body, struct store_order *order, struct err *e)
{
	struct validity_wish wish;
	struct validity unused;

	TRY(validity_wish_read(body->not_before, body->not_after, &wish, e));
	TRY(profile_validity(p, r->now_ms, r->now_ms, &wish, &unused, e));
	order->not_before_s = wish.before_s;
	order->not_after_s = wish.after_s;
	return ERR_OK;
}

static enum err_code make_authzs(
    struct acme_request *r, const struct profile *p, struct store_order *order, struct store_authz **ret, struct err *e)
{
	size_t n = order->n_identifiers;
	struct store_authz *authz = arena_array(r->http->arena, n, sizeof *authz), as = { .expires_s = order->expires_s };

	order->authz = arena_array(r->http->arena, n, STORE_AUTHZ_ID);
	if (!authz || !order->authz)
		FAIL(e, NOMEM, "no memory for authorizations");
	memcpy(as.account, order->account, sizeof as.account);
	memcpy(as.order, order->id, sizeof as.order);
	TRY(authzs_make(r, p, &as, order->identifiers, n, authz, e));
	for (size_t i = 0; i < n; i++)
		memcpy(order->authz[i], authz[i].id, STORE_AUTHZ_ID);
	*ret = authz;
	return ERR_OK;
}

static enum err_code read_order(
    struct acme_request *r, const struct settings *s, struct store_order *order, const struct profile **ret_profile, struct err *e)
{
	struct new_order_body body = { 0 };
	const struct profile *p;

	TRY(json_read(r->http->arena, r->jws.payload, "the payload", body_fields, sizeof body_fields / sizeof *body_fields, &body, e));
	TRY(profile_find(s, body.profile, &p, e));
	TRY(read_wishes(r, p, &body, order, e));
	TRY(identifiers_read(r, p, body.identifiers, &order->identifiers, &order->n_identifiers, e));
	order->profile = p->name;
	*ret_profile = p;
	return ERR_OK;
}

/* RFC 8555 §7.4. The order's id carries the digest of this very request: what it asks for, the signer can check (DESIGN §2). */
enum err_code new_order(struct acme_request *r, struct reply *ret, struct err *e)
{
	const struct settings *s = r->front->settings;
	struct store_order order = { .state = ORDER_PENDING, .created_s = r->now_ms / 1000, .new_order = r->http->body };
	struct store_authz *authz = NULL;
	const struct profile *p;

	TRY(read_order(r, s, &order, &p, e));
	order_id_make(r->now_ms, r->http->body, order.id);
	memcpy(order.account, r->account, sizeof order.account);
	order.expires_s = order.created_s + (int64_t)s->order_lifetime;
	TRY(charge_new_order(r->front, r->http->arena, &order, false, r->now_ms, e));
	enum err_code rc = make_authzs(r, p, &order, &authz, e);
	if (rc == ERR_OK)
		rc = store_add_order(r->front->store, &order, authz, e);
	if (rc != ERR_OK)
		refund_new_order(r->front, &order, false, r->now_ms);
	TRY(rc);

	reply_order(r, &order, ret);
	ret->http.status = 201;
	return ERR_OK;
}
