#include "server/store/inside.h"

#include <errno.h>
#include <string.h>

struct list {
	const uint8_t *account, *before;
	size_t max;
	int64_t now_s;
	struct store_order_list *ret;
};

/* Open orders past their time count as invalid though nobody has written that down (RFC 8555 §7.1.6). */
static bool is_listed(struct db_stmt *st, enum order_state state, int64_t now_s)
{
	return (state != ORDER_PENDING && state != ORDER_READY) || db_int(st, 2) > now_s;
}

static enum err_code take_row(struct db_stmt *st, const struct list *l, struct err *e)
{
	struct store_order_list *ret = l->ret;
	unsigned state;

	TRY(db_fixed(st, 0, ret->last, sizeof ret->last, e));
	TRY(store_get_state(st, 1, ORDER__MAX, &state, e));
	if (is_listed(st, (enum order_state)state, l->now_s))
		memcpy(ret->ids[ret->n++], ret->last, sizeof ret->last);
	return ERR_OK;
}

/* By the index orders_of_account, from where the last page ended: each page costs the same, however many orders there are. */
static enum err_code list_orders(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	struct list *l = ctx;
	uint8_t end[STORE_ORDER_ID];
	bool row;

	/* The state is written out: only then SQLite sees that the partial index serves. */
	_Static_assert(ORDER_INVALID == 4, "the number in 002_protocol.sql and below");
	memset(end, 0xff, sizeof end);
	TRY(db_prepare(
	    db, "SELECT id, state, expires_s FROM orders WHERE account = $1 AND state != 4 AND id < $2 ORDER BY id DESC LIMIT $3", &st, e));
	db_bind_bytes(st, 1, span(l->account, STORE_ACCOUNT_ID));
	db_bind_bytes(st, 2, span(l->before ? l->before : end, STORE_ORDER_ID));
	db_bind_int(st, 3, STORE_LIST_SCAN + 1);
	for (size_t i = 0;; i++) {
		TRY(db_step(st, &row, e));
		l->ret->more = row;
		if (!row || l->ret->n == l->max || i == STORE_LIST_SCAN)
			return ERR_OK;
		TRY(take_row(st, l, e));
	}
}

enum err_code store_list_orders(struct store *s, struct arena *a, const uint8_t account[STORE_ACCOUNT_ID], const uint8_t *before,
    size_t max, int64_t now_s, struct store_order_list *ret, struct err *e)
{
	struct store_order_list found = { 0 };
	struct list l = { account, before, max, now_s, &found };

	errno = 0;
	if (max < 1 || max > 1000)
		FAIL(e, BUG, "a page of %zu orders", max);
	found.ids = arena_array(a, max, sizeof *found.ids);
	if (!found.ids)
		FAIL(e, NOMEM, "no room for %zu order ids", max);
	TRY(db_pool_read(s->readers, list_orders, &l, e));
	*ret = found;
	return ERR_OK;
}
