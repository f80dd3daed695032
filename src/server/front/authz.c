#include "server/front/objects.h"

#include "base/json.h"

struct authz_body {
	struct bytes status;
};
static const struct json_field body_fields[] = {
	JSON_FIELD(struct authz_body, status, "status", JSON_STRING, true, 64),
};

/* RFC 8555 §7.5.2. */
static enum err_code deactivate(struct acme_request *r, struct store_authz *authz, struct err *e)
{
	struct authz_body body = { 0 };

	TRY(json_read(r->http->arena, r->jws.payload, "the payload", body_fields, 1, &body, e));
	if (!bytes_eq_str(body.status, "deactivated"))
		FAIL(e, MALFORMED,
		    "the status of an authorization can be set to \"deactivated\", and to nothing else (RFC 8555 section 7.5.2)");
	enum authz_state now = authz_state_now(authz, r->now_ms / 1000);
	if (now != AUTHZ_DEACTIVATED && !authz_may(now, AUTHZ_DEACTIVATED))
		FAIL(e, MALFORMED, "the authorization is %s: only one that is pending or valid can be deactivated", authz_state_name(now));
	TRY(store_deactivate_authz(r->front->store, authz->id, e));
	return load_authz(r, authz, e);
}

/* RFC 8555 §7.5: reading an authorization, and giving it up. */
enum err_code post_authz(struct acme_request *r, struct reply *ret, struct err *e)
{
	struct store_authz authz;

	TRY(load_authz(r, &authz, e));
	if (r->jws.payload.len > 0)
		TRY(deactivate(r, &authz, e));
	reply_authz(r, &authz, ret);
	return ERR_OK;
}
