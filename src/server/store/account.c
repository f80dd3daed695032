#include "server/store/inside.h"

#include <errno.h>
#include <string.h>

static enum err_code get_account(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct get *g = ctx;
	struct store_account v = { 0 };
	unsigned state;
	bool row;

	TRY(db_prepare(db, "SELECT state, created_s, terms, jwk, contacts FROM accounts WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(g->id, sizeof v.id));
	TRY(db_step(st, &row, e));
	errno = 0;
	if (!row)
		FAIL(e, NOT_FOUND, "there is no such account");
	memcpy(v.id, g->id, sizeof v.id);
	TRY(store_get_state(st, 0, ACCOUNT__MAX, &state, e));
	v.state = (enum account_state)state;
	v.created_s = db_int(st, 1);
	v.terms_agreed = db_int(st, 2) != 0;
	TRY(db_copy(st, 3, g->arena, &v.jwk, e));
	TRY(db_copy(st, 4, g->arena, &v.contacts, e));
	*(struct store_account *)g->ret = v;
	return ERR_OK;
}

enum err_code store_get_account(
    struct store *s, struct arena *a, const uint8_t id[STORE_ACCOUNT_ID], struct store_account *ret, struct err *e)
{
	return db_pool_read(s->readers, get_account, &(struct get){ a, id, ret }, e);
}

struct add {
	const struct store_account *account;
	bool made;
};

static enum err_code add_account(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	struct add *add = ctx;
	const struct store_account *v = add->account;
	int64_t n;

	TRY(db_prepare(db,
	    "INSERT INTO accounts (id, state, created_s, terms, jwk, contacts) VALUES ($1, $2, $3, $4, $5, $6)"
	    " ON CONFLICT (id) DO NOTHING",
	    &st, e));
	db_bind_bytes(st, 1, span(v->id, sizeof v->id));
	db_bind_int(st, 2, v->state);
	db_bind_int(st, 3, v->created_s);
	db_bind_int(st, 4, v->terms_agreed);
	db_bind_bytes(st, 5, v->jwk);
	db_bind_bytes(st, 6, v->contacts);
	TRY(db_run(st, &n, e));
	add->made = n == 1;
	return ERR_OK;
}

enum err_code store_add_account(struct store *s, const struct store_account *account, bool *ret_made, struct err *e)
{
	struct add add = { .account = account };

	TRY(db_writer_run(s->writer, add_account, &add, e));
	*ret_made = add.made;
	return ERR_OK;
}
