#include "server/front/objects.h"

/* RFC 8555 §7.5: reading an authorization. */
enum err_code post_authz(struct acme_request *r, struct reply *ret, struct err *e)
{
	struct store_authz authz;

	TRY(load_authz(r, &authz, e));
	put_authz(r->front, &authz, r->now_ms / 1000, &ret->body);
	reply_json(ret, 200);
	for (size_t i = 0; i < authz.n_challenges; i++)
		if (authz.challenges[i].state == CHALLENGE_PROCESSING) {
			reply_field(ret, "Retry-After", BYTES_LIT("1"));
			break;
		}
	return ERR_OK;
}
