#include "server/front/objects.h"

/* RFC 8555 §7.1.3: reading an order. */
enum err_code post_order(struct acme_request *r, struct reply *ret, struct err *e)
{
	struct store_order order;

	TRY(load_order(r, &order, e));
	reply_order(r, &order, ret);
	return ERR_OK;
}
