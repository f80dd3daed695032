#include "server/front/charges.h"
#include "server/front/identifiers.h"
#include "server/front/objects.h"
#include "server/front/offer.h"
#include "server/front/renewal.h"

#include "base/json.h"
#include "pki/validity.h"

#include <string.h>

#define REUSE_MARGIN_S 60 /* between the validator's clock at the receipt and ours at its storing, and at the issuance */

struct new_order_body {
	struct bytes identifiers, not_before, not_after, profile, replaces;
};
static const struct json_field body_fields[] = {
	JSON_FIELD(struct new_order_body, identifiers, "identifiers", JSON_ARRAY, true, 0),
	JSON_FIELD(struct new_order_body, not_before, "notBefore", JSON_STRING, false, 64),
	JSON_FIELD(struct new_order_body, not_after, "notAfter", JSON_STRING, false, 64),
	JSON_FIELD(struct new_order_body, profile, "profile", JSON_STRING, false, 64),
	JSON_FIELD(struct new_order_body, replaces, "replaces", JSON_STRING, false, 128),
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
		.challenges = p->challenges & ~blocks_methods(r->front->blocks) };

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

/* An order as it is put together: what is stored, and what that takes. */
struct making {
	struct store_order order;
	const struct profile *profile;
	struct store_authz *authz; /* the new ones */
	size_t n_authz;
	bool replaces;
	uint8_t replaced[STORE_SERIAL];
	bool exempt; /* from rate limits */
};

static bool share_identifier(const struct store_order *a, const struct store_order *b)
{
	for (size_t i = 0; i < a->n_identifiers; i++)
		for (size_t k = 0; k < b->n_identifiers; k++)
			if (identifier_cmp(&a->identifiers[i], &b->identifiers[k]) == 0)
				return true;
	return false;
}

/* RFC 9773 §5: the same account's, and for one of the names at least. Whether it is replaced already is seen when the order is stored. */
static enum err_code read_replaces(struct acme_request *r, const struct settings *s, struct bytes text, struct making *m, struct err *e)
{
	struct store_certificate c;
	struct store_order before;
	struct err why = { 0 };

	enum err_code rc = renewal_certificate(r->front, r->http->arena, text, &c, &why);
	if (rc == ERR_NOT_FOUND || (rc == ERR_OK && memcmp(c.account, r->account, sizeof c.account) != 0))
		FAIL(e, MALFORMED, "\"replaces\" names no certificate of this account");
	if (rc != ERR_OK)
		return err_set(e, rc, __FILE__, __LINE__, "\"replaces\": %s", why.detail);
	TRY(store_get_order(r->front->store, r->http->arena, c.order, &before, e));
	if (!share_identifier(&m->order, &before))
		FAIL(e, MALFORMED, "\"replaces\" names a certificate that has none of the order's identifiers");
	memcpy(m->replaced, c.serial, sizeof m->replaced);
	m->replaces = true;
	m->order.replaces = text;
	/* Only the first order for it: an account could make any number that come to nothing. */
	m->exempt = !c.replaced && renewal_of(s, &c, m->order.created_s).window.start_s <= m->order.created_s;
	return ERR_OK;
}

static enum err_code read_order(struct acme_request *r, const struct settings *s, struct making *m, struct err *e)
{
	struct new_order_body body = { 0 };
	struct store_order *order = &m->order;

	TRY(json_read(r->http->arena, r->jws.payload, "the payload", body_fields, sizeof body_fields / sizeof *body_fields, &body, e));
	TRY(profile_find(s, body.profile, &m->profile, e));
	TRY(read_wishes(r, m->profile, &body, order, e));
	TRY(identifiers_read(r, m->profile, body.identifiers, &order->identifiers, &order->n_identifiers, e));
	if (body.replaces.ptr)
		TRY(read_replaces(r, s, body.replaces, m, e));
	order->profile = m->profile->name;
	order_id_make(r->now_ms, r->http->body, order->id);
	memcpy(order->account, r->account, sizeof order->account);
	order->expires_s = order->holds_s = order->created_s + (int64_t)s->order_lifetime;
	return ERR_OK;
}

/* RFC 8555 §7.4. The order's id carries the digest of this very request: what it asks for, the signer can check (DESIGN §2). */
enum err_code new_order(struct acme_request *r, struct reply *ret, struct err *e)
{
	struct making m = { .order = { .created_s = r->now_ms / 1000, .new_order = r->http->body } };

	TRY(read_order(r, r->front->settings, &m, e));
	TRY(charge_new_order(r->front, r->http->arena, &m.order, m.exempt, r->now_ms, e));
	enum err_code rc = make_authzs(r, m.profile, &m.order, &m.authz, &m.n_authz, e);
	if (rc == ERR_OK)
		rc = store_add_order(r->front->store, &m.order, m.authz, m.n_authz, m.replaces ? m.replaced : NULL, e);
	if (rc != ERR_OK)
		refund_new_order(r->front, &m.order, m.exempt, r->now_ms);
	TRY(rc);

	reply_order(r, &m.order, ret);
	ret->http.status = 201;
	return ERR_OK;
}
