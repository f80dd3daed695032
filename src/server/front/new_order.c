#include "server/front/charges.h"
#include "server/front/identifiers.h"
#include "server/front/objects.h"
#include "server/front/offer.h"

#include "base/json.h"
#include "pki/validity.h"

#include <string.h>

#define REUSE_MARGIN_S 60 /* between the validator's clock at the receipt and ours at its storing, and at the issuance */

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

/* The account's valid authorizations that outlive the order and were made in a way that its profile allows (RFC 8555 §7.4: "the server may
 * reuse"). found[i] tells for which identifiers there is one. */
static enum err_code find_valid(
    struct acme_request *r, const struct profile *p, const struct store_order *order, bool *found, struct err *e)
{
	const struct store_reuse reuse = { .account = order->account,
		.until_s = order->expires_s,
		.validated_s = order->expires_s + REUSE_MARGIN_S - p->authz_lifetime_s,
		.challenges = p->challenges };

	if (!r->front->settings->authz_reuse) {
		memset(found, 0, order->n_identifiers * sizeof *found);
		return ERR_OK;
	}
	return store_find_valid(r->front->store, &reuse, order->identifiers, order->n_identifiers, found, order->authz, e);
}

/* An authorization for each identifier: one that there is, or a new one. *ret has the new ones alone. */
static enum err_code make_authzs(
    struct acme_request *r, const struct profile *p, struct store_order *order, struct store_authz **ret, size_t *ret_n, struct err *e)
{
	size_t n = order->n_identifiers, n_new = 0;
	struct store_authz *authz = arena_array(r->http->arena, n, sizeof *authz);
	struct store_authz as = { .expires_s = order->expires_s, .lifetime_s = p->authz_lifetime_s };
	struct identifier *missing = arena_array(r->http->arena, n, sizeof *missing);
	bool *found = arena_array(r->http->arena, n, sizeof *found);

	order->authz = arena_array(r->http->arena, n, STORE_AUTHZ_ID);
	if (!authz || !missing || !found || !order->authz)
		FAIL(e, NOMEM, "no memory for authorizations");
	memcpy(as.account, order->account, sizeof as.account);
	memcpy(as.order, order->id, sizeof as.order);
	TRY(find_valid(r, p, order, found, e));
	for (size_t i = 0; i < n; i++)
		if (!found[i])
			missing[n_new++] = order->identifiers[i];
	TRY(authzs_make(r, p, &as, missing, n_new, authz, e));
	for (size_t i = 0, k = 0; i < n; i++)
		if (!found[i])
			memcpy(order->authz[i], authz[k++].id, STORE_AUTHZ_ID);
	order->state = n_new ? ORDER_PENDING : ORDER_READY;
	*ret = authz;
	*ret_n = n_new;
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
	struct store_order order = { .created_s = r->now_ms / 1000, .new_order = r->http->body };
	struct store_authz *authz = NULL;
	const struct profile *p;
	size_t n_authz = 0;

	TRY(read_order(r, s, &order, &p, e));
	order_id_make(r->now_ms, r->http->body, order.id);
	memcpy(order.account, r->account, sizeof order.account);
	order.expires_s = order.holds_s = order.created_s + (int64_t)s->order_lifetime;
	TRY(charge_new_order(r->front, r->http->arena, &order, false, r->now_ms, e));
	enum err_code rc = make_authzs(r, p, &order, &authz, &n_authz, e);
	if (rc == ERR_OK)
		rc = store_add_order(r->front->store, &order, authz, n_authz, e);
	if (rc != ERR_OK)
		refund_new_order(r->front, &order, false, r->now_ms);
	TRY(rc);

	reply_order(r, &order, ret);
	ret->http.status = 201;
	return ERR_OK;
}
