#include "server/front/objects.h"

#include <string.h>

/* RFC 8555 §7.3: the account reads itself. */
enum err_code post_account(struct acme_request *r, struct reply *ret, struct err *e)
{
	struct store_account account;
	struct bytes url = front_url(r, "%.*s", BYTES_FMT(r->http->path));

	if (!bytes_eq(url, r->jws.kid))
		FAIL(e, UNAUTHORIZED, "an account may look at itself alone");
	TRY(store_get_account(r->front->store, r->http->arena, r->account, &account, e));
	put_account(r, &account, &ret->body);
	reply_json(ret, 200);
	return ERR_OK;
}
