#include "base/json.h"
#include "server/front/objects.h"
#include "server/front/validations.h"

static enum err_code find_challenge(
    struct acme_request *r, const struct store_authz *authz, const struct store_challenge **ret, struct err *e)
{
	enum challenge_type type;
	const struct store_challenge *c = challenge_type_from_name(r->id2, &type) ? challenge_of(authz, type) : NULL;

	if (!c)
		FAIL(e, NOT_FOUND, "the authorization has no such challenge");
	*ret = c;
	return ERR_OK;
}

/* RFC 8555 §7.5.1: an object as payload begins the validation (today `{}`; erratum 5729 leaves its members to the challenge type);
 * an empty payload only reads and never begins anything. */
enum err_code post_challenge(struct acme_request *r, struct reply *ret, struct err *e)
{
	const struct store_challenge *c;
	struct store_authz authz;

	TRY(load_authz(r, &authz, e));
	TRY(find_challenge(r, &authz, &c, e));
	if (r->jws.payload.len > 0)
		TRY(json_read(r->http->arena, r->jws.payload, "the payload", NULL, 0, NULL, e));
	if (r->jws.payload.len == 0 || c->state != CHALLENGE_PENDING || authz_state_now(&authz, r->now_ms / 1000) != AUTHZ_PENDING) {
		reply_challenge(r->front, r->http->arena, &authz, c, ret);
		return ERR_OK;
	}
	if (blocks_methods(r->front->blocks) >> c->type & 1)
		FAIL(e, UNAUTHORIZED, "this CA's operator has switched %s off: answer another challenge, or make a new order",
		    challenge_type_name(c->type));
	enum err_code rc = validations_begin(r->front->validations, r->http, &authz, c->type, e);
	if (rc == ERR_CONFLICT) { /* another request of this moment began it */
		TRY(load_authz(r, &authz, e));
		TRY(find_challenge(r, &authz, &c, e));
		reply_challenge(r->front, r->http->arena, &authz, c, ret);
		return ERR_OK;
	}
	TRY(rc);
	ret->parked = true;
	return ERR_OK;
}
