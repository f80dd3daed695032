#include "server/front/objects.h"

#include "base/codec.h"
#include "base/json.h"

#define CURSOR "cursor="

/* What a page said is its `next`: where it ended. To clients it is opaque. */
static enum err_code read_cursor(struct bytes query, uint8_t *out, const uint8_t **ret_before, struct err *e)
{
	struct bytes name = BYTES_LIT(CURSOR);

	*ret_before = NULL;
	if (!query.ptr)
		return ERR_OK;
	if (!bytes_starts_with(query, name) ||
	    base64url_decode_fixed(bytes_slice(query, name.len, query.len), out, STORE_ORDER_ID, NULL) != ERR_OK)
		FAIL(e, MALFORMED,
		    "the list of orders has no such page: begin with the URL in the account's \"orders\" and follow Link: rel=\"next\"");
	*ret_before = out;
	return ERR_OK;
}

static void put_list(struct acme_request *r, const struct store_order_list *list, struct buf *out)
{
	struct json_out w = json_out_to(out);
	char id[ORDER_ID_LEN + 1];

	json_put_object(&w);
	json_put_key(&w, "orders");
	json_put_array(&w);
	for (size_t i = 0; i < list->n; i++) {
		base64url_encode(BYTES_ARRAY(list->ids[i]), id);
		json_put_string(&w, front_url(r, ORDER_PATH "%s", id));
	}
	json_end_array(&w);
	json_end_object(&w);
}

/* RFC 8555 §7.1.2.1: the newest first, without those that are invalid, in pages. A page may be short though there is a next. */
enum err_code post_account_orders(struct acme_request *r, struct reply *ret, struct err *e)
{
	uint8_t cursor[STORE_ORDER_ID];
	struct store_order_list list;
	const uint8_t *before;
	char last[ORDER_ID_LEN + 1];

	TRY(account_is_own(r, r->id, e));
	TRY(read_cursor(r->http->query, cursor, &before, e));
	TRY(store_list_orders(
	    r->front->store, r->http->arena, r->account, before, (size_t)r->front->settings->orders_page, r->now_ms / 1000, &list, e));
	ret->body.max = 1u << 20;
	put_list(r, &list, &ret->body);
	reply_json(ret, 200);
	if (list.more) {
		base64url_encode(BYTES_ARRAY(list.last), last);
		struct bytes next = front_url(r, "%.*s?" CURSOR "%s", BYTES_FMT(r->http->path), last);
		reply_field(ret, "Link", arena_fmt(r->http->arena, "<%.*s>;rel=\"next\"", BYTES_FMT(next)));
	}
	return ERR_OK;
}
