#include "server/front/request.h"

/* RFC 8555 §7.2: HEAD answers 200, GET 204; the nonce itself is added to the answer like to every other. */
enum err_code new_nonce(struct acme_request *r, struct reply *ret, struct err *e)
{
	(void)e;
	ret->http.status = r->http->method == HTTP_GET ? 204 : 200;
	ret->with_nonce = true;
	return ERR_OK;
}
