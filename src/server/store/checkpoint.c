#include "server/store/inside.h"

#define KEPT 100 /* checkpoints; one is what counts, some more show how the log grew */

static enum err_code get_checkpoint(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct get *g = ctx;
	struct bytes v = BYTES_NONE;
	bool row;

	TRY(db_prepare(db, "SELECT body FROM checkpoints ORDER BY id DESC LIMIT 1", &st, e));
	TRY(db_step(st, &row, e));
	if (row)
		TRY(db_copy(st, 0, g->arena, &v, e));
	*(struct bytes *)g->ret = v;
	return ERR_OK;
}

enum err_code store_get_checkpoint(struct store *s, struct arena *a, struct bytes *ret, struct err *e)
{
	return db_pool_read(s->readers, get_checkpoint, &(struct get){ a, NULL, ret }, e);
}

static enum err_code add_checkpoint(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *add = NULL, *drop = NULL;
	const struct bytes *body = ctx;
	int64_t n;

	TRY(db_prepare(db, "INSERT INTO checkpoints (id, body) SELECT coalesce(max(id), 0) + 1, $1 FROM checkpoints", &add, e));
	db_bind_bytes(add, 1, *body);
	TRY(db_run(add, &n, e));
	TRY(db_prepare(db, "DELETE FROM checkpoints WHERE id <= (SELECT max(id) FROM checkpoints) - $1", &drop, e));
	db_bind_int(drop, 1, KEPT);
	return db_run(drop, &n, e);
}

enum err_code store_add_checkpoint(struct store *s, struct bytes checkpoint, struct err *e)
{
	return db_writer_run(s->writer, add_checkpoint, &checkpoint, e);
}
