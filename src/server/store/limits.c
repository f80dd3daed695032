#include "server/store/inside.h"

struct put {
	uint32_t number;
	struct bytes part;
};

static enum err_code put_limits(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct put *p = ctx;
	int64_t n;

	TRY(db_prepare(db,
	    p->part.len > 0 ? "INSERT INTO limits (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = $2"
			    : "DELETE FROM limits WHERE id = $1",
	    &st, e));
	db_bind_int(st, 1, p->number);
	if (p->part.len > 0)
		db_bind_bytes(st, 2, p->part);
	return db_run(st, &n, e);
}

enum err_code store_put_limits(struct store *s, uint32_t number, struct bytes part, struct err *e)
{
	return db_writer_run(s->writer, put_limits, &(struct put){ number, part }, e);
}

struct next {
	struct arena *arena;
	int64_t after;
	struct store_limits *ret;
};

static enum err_code next_limits(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct next *g = ctx;
	struct store_limits l = { 0 };
	bool row;

	TRY(db_prepare(db, "SELECT id, body FROM limits WHERE id > $1 ORDER BY id LIMIT 1", &st, e));
	db_bind_int(st, 1, g->after);
	TRY(db_step(st, &row, e));
	if (!row || db_int(st, 0) > UINT32_MAX)
		FAIL(e, NOT_FOUND, "there is no further part of the rate limits' state");
	l.number = (uint32_t)db_int(st, 0);
	TRY(db_copy(st, 1, g->arena, &l.part, e));
	*g->ret = l;
	return ERR_OK;
}

enum err_code store_next_limits(struct store *s, struct arena *a, int64_t after, struct store_limits *ret, struct err *e)
{
	return db_pool_read(s->readers, next_limits, &(struct next){ a, after, ret }, e);
}
