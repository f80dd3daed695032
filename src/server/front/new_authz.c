#include "server/front/charges.h"
#include "server/front/identifiers.h"
#include "server/front/objects.h"
#include "server/front/offer.h"

#include "base/codec.h"
#include "base/json.h"

#include <string.h>

struct new_authz_body {
	struct bytes identifier;
};
static const struct json_field body_fields[] = {
	JSON_FIELD(struct new_authz_body, identifier, "identifier", JSON_OBJECT, true, 0),
};

/* A pre-authorization names no profile: the first that has such identifiers says how control of it is shown. When none has, the
 * first profile's refusal is told. */
static enum err_code read_identifier(struct acme_request *r, const struct settings *s, struct bytes text, struct identifier *ret,
    const struct profile **ret_p, struct err *e)
{
	struct err_sub sub = { 0 };

	for (size_t i = 0; i < s->n_profiles; i++) {
		struct err refusal = { 0 };
		if (identifier_read(r, &s->profiles[i], text, ret, &sub, i == 0 ? e : &refusal) == ERR_OK) {
			*ret_p = &s->profiles[i];
			return ERR_OK;
		}
	}
	return e->code;
}

static void reply_made(struct acme_request *r, const struct store_authz *authz, int status, struct reply *ret)
{
	char id[BASE64URL_LEN(STORE_AUTHZ_ID) + 1];

	reply_authz(r, authz, ret);
	ret->http.status = status;
	base64url_encode(BYTES_ARRAY(authz->id), id);
	reply_field(ret, "Location", front_url(r, "/acme/authz/%s", id));
}

/* A valid one that a new order could use as well; *ret_found tells. */
static enum err_code find_valid(
    struct acme_request *r, const struct profile *p, const struct identifier *id, struct store_authz *ret, bool *ret_found, struct err *e)
{
	const struct settings *s = r->front->settings;
	const struct store_reuse reuse = {
		.account = r->account, .until_s = r->now_ms / 1000 + (int64_t)s->order_lifetime, .challenges = p->challenges
	};
	uint8_t found_id[1][STORE_AUTHZ_ID];

	*ret_found = false;
	if (!s->authz_reuse)
		return ERR_OK;
	TRY(store_find_valid(r->front->store, &reuse, id, 1, ret_found, found_id, e));
	return *ret_found ? store_get_authz(r->front->store, r->http->arena, found_id[0], ret, e) : ERR_OK;
}

static enum err_code make(struct acme_request *r, const struct profile *p, struct identifier *id, struct store_authz *ret, struct err *e)
{
	struct store_order as_order = { .identifiers = id, .n_identifiers = 1 }; /* it counts for the account as an order of its own */
	struct store_authz as = { .lifetime_s = p->authz_lifetime_s };

	as.expires_s = r->now_ms / 1000 + (int64_t)r->front->settings->order_lifetime;
	memcpy(as.account, r->account, sizeof as.account);
	memcpy(as_order.account, r->account, sizeof as_order.account);
	TRY(charge_new_order(r->front, r->http->arena, &as_order, false, r->now_ms, e));
	enum err_code rc = authzs_make(r, p, &as, id, 1, ret, e);
	if (rc == ERR_OK)
		rc = store_add_authz(r->front->store, ret, e);
	if (rc != ERR_OK)
		refund_new_order(r->front, &as_order, false, r->now_ms);
	return rc;
}

/* RFC 8555 §7.4.1: an authorization before there is an order, for the very name and so for no wildcard. */
enum err_code new_authz(struct acme_request *r, struct reply *ret, struct err *e)
{
	const struct settings *s = r->front->settings;
	struct new_authz_body body = { 0 };
	struct store_authz authz;
	const struct profile *p = NULL;
	struct identifier id;
	bool found;

	TRY(json_read(r->http->arena, r->jws.payload, "the payload", body_fields, 1, &body, e));
	TRY(read_identifier(r, s, body.identifier, &id, &p, e));
	if (id.wildcard)
		FAIL(e, MALFORMED, "a wildcard cannot be authorized beforehand (RFC 8555 section 7.4.1): ask for it in a new order");
	TRY(find_valid(r, p, &id, &authz, &found, e));
	if (!found)
		TRY(make(r, p, &id, &authz, e));
	reply_made(r, &authz, found ? 200 : 201, ret);
	return ERR_OK;
}
