#include "server/front/objects.h"

/* RFC 8555 §7.1.3: reading an order. */
enum err_code post_order(struct acme_request *r, struct reply *ret, struct err *e)
{
	struct store_order order;

	TRY(load_order(r, &order, e));
	put_order(r, &order, &ret->body);
	reply_json(ret, 200);
	if (order.state == ORDER_PROCESSING)
		reply_field(ret, "Retry-After", BYTES_LIT("1"));
	return ERR_OK;
}
