#include "server/store/inside.h"

#include <errno.h>
#include <string.h>

struct scan {
	enum store_table table;
	const uint8_t *before;
	size_t max;
	uint8_t *ids;
	size_t n;
};

static const struct {
	const char *sql;
	size_t id_size;
} tables[STORE_TABLE__MAX] = {
	[STORE_CERTIFICATES] = { "SELECT serial FROM certificates WHERE serial < $1 ORDER BY serial DESC LIMIT $2", STORE_SERIAL },
	[STORE_ORDERS] = { "SELECT id FROM orders WHERE id < $1 ORDER BY id DESC LIMIT $2", STORE_ORDER_ID },
	[STORE_ACCOUNTS] = { "SELECT id FROM accounts WHERE id < $1 ORDER BY id DESC LIMIT $2", STORE_ACCOUNT_ID },
};

size_t store_id_size(enum store_table t)
{
	return tables[t].id_size;
}

static enum err_code scan(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	struct scan *s = ctx;
	size_t size = tables[s->table].id_size;
	uint8_t end[STORE_ACCOUNT_ID + 1];
	bool row;

	memset(end, 0xff, sizeof end);
	s->n = 0;
	TRY(db_prepare(db, tables[s->table].sql, &st, e));
	db_bind_bytes(st, 1, s->before ? span(s->before, size) : span(end, size + 1));
	db_bind_int(st, 2, (int64_t)s->max);
	for (;;) {
		TRY(db_step(st, &row, e));
		if (!row || s->n == s->max)
			return ERR_OK;
		TRY(db_fixed(st, 0, s->ids + s->n * size, size, e));
		s->n++;
	}
}

enum err_code store_scan(
    struct store *s, enum store_table table, const uint8_t *before, size_t max, uint8_t *ids, size_t *ret_n, struct err *e)
{
	struct scan v = { table, before, max, ids, 0 };

	TRY(db_pool_read(s->readers, scan, &v, e));
	*ret_n = v.n;
	return ERR_OK;
}
