#include "server/store/inside.h"

#include <errno.h>
#include <string.h>

static enum err_code get_certificate(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct get *g = ctx;
	struct store_certificate v = { 0 };
	bool row;

	TRY(db_prepare(db,
	    "SELECT order_id, account, not_before_s, not_after_s, der, chain, revoked_s, reason, replaced_by FROM certificates"
	    " WHERE serial = $1",
	    &st, e));
	db_bind_bytes(st, 1, span(g->id, sizeof v.serial));
	TRY(db_step(st, &row, e));
	errno = 0;
	if (!row)
		FAIL(e, NOT_FOUND, "there is no such certificate");
	memcpy(v.serial, g->id, sizeof v.serial);
	TRY(db_fixed(st, 0, v.order, sizeof v.order, e));
	TRY(db_fixed(st, 1, v.account, sizeof v.account, e));
	v.not_before_s = db_int(st, 2);
	v.not_after_s = db_int(st, 3);
	TRY(db_copy(st, 4, g->arena, &v.der, e));
	TRY(db_copy(st, 5, g->arena, &v.chain, e));
	v.revoked_s = db_int(st, 6);
	v.reason = (uint8_t)db_int(st, 7);
	v.replaced = db_view(st, 8).ptr != NULL;
	if (v.replaced)
		TRY(db_fixed(st, 8, v.replaced_by, sizeof v.replaced_by, e));
	*(struct store_certificate *)g->ret = v;
	return ERR_OK;
}

enum err_code store_get_certificate(
    struct store *s, struct arena *a, const uint8_t serial[STORE_SERIAL], struct store_certificate *ret, struct err *e)
{
	return db_pool_read(s->readers, get_certificate, &(struct get){ a, serial, ret }, e);
}

enum err_code certificate_insert(struct db *db, const struct store_certificate *c, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(db,
	    "INSERT INTO certificates (serial, order_id, account, not_before_s, not_after_s, der, chain)"
	    " VALUES ($1, $2, $3, $4, $5, $6, $7)",
	    &st, e));
	db_bind_bytes(st, 1, span(c->serial, sizeof c->serial));
	db_bind_bytes(st, 2, span(c->order, sizeof c->order));
	db_bind_bytes(st, 3, span(c->account, sizeof c->account));
	db_bind_int(st, 4, c->not_before_s);
	db_bind_int(st, 5, c->not_after_s);
	db_bind_bytes(st, 6, c->der);
	db_bind_bytes(st, 7, c->chain);
	return db_run(st, &n, e);
}

struct revocation {
	const uint8_t *serial;
	int64_t time_s;
	uint8_t reason;
};

static enum err_code revoke_certificate(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct revocation *v = ctx;
	int64_t n;

	TRY(db_prepare(db, "UPDATE certificates SET revoked_s = coalesce(revoked_s, $2), reason = $3 WHERE serial = $1", &st, e));
	db_bind_bytes(st, 1, span(v->serial, STORE_SERIAL));
	db_bind_int(st, 2, v->time_s);
	db_bind_int(st, 3, v->reason);
	TRY(db_run(st, &n, e));
	errno = 0;
	if (n == 0)
		FAIL(e, NOT_FOUND, "there is no such certificate");
	return ERR_OK;
}

enum err_code store_revoke_certificate(struct store *s, const uint8_t serial[STORE_SERIAL], int64_t time_s, uint8_t reason, struct err *e)
{
	return db_writer_run(s->writer, revoke_certificate, &(struct revocation){ serial, time_s, reason }, e);
}
