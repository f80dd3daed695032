#include "server/store/inside.h"

#include <errno.h>
#include <string.h>

/* The order in which accounts are read. */
#define ACCOUNT_COLUMNS "state, created_s, terms, jwk, contacts, terms_url, eab_kid, eab"

enum err_code account_row_read(struct db *db, const uint8_t id[STORE_ACCOUNT_ID], struct arena *a, struct store_account *ret, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	struct store_account v = { 0 };
	unsigned state;
	bool row;

	TRY(db_prepare(db, "SELECT " ACCOUNT_COLUMNS " FROM accounts WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(id, sizeof v.id));
	TRY(db_step(st, &row, e));
	errno = 0;
	if (!row)
		FAIL(e, NOT_FOUND, "there is no such account");
	memcpy(v.id, id, sizeof v.id);
	TRY(store_get_state(st, 0, ACCOUNT__MAX, &state, e));
	v.state = (enum account_state)state;
	v.created_s = db_int(st, 1);
	v.terms_agreed = db_int(st, 2) != 0;
	TRY(db_copy(st, 3, a, &v.jwk, e));
	TRY(db_copy(st, 4, a, &v.contacts, e));
	TRY(db_copy(st, 5, a, &v.terms_url, e));
	TRY(db_copy(st, 6, a, &v.eab_kid, e));
	TRY(db_copy(st, 7, a, &v.eab, e));
	*ret = v;
	return ERR_OK;
}

static enum err_code get_account(struct db *db, void *ctx, struct err *e)
{
	const struct get *g = ctx;

	return account_row_read(db, g->id, g->arena, g->ret, e);
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

static struct bytes or_null(struct bytes v)
{
	return v.len > 0 ? v : BYTES_NONE;
}

enum err_code account_insert(struct db *db, const struct store_account *v, bool *ret_made, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(db,
	    "INSERT INTO accounts (id, " ACCOUNT_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING", &st,
	    e));
	db_bind_bytes(st, 1, span(v->id, sizeof v->id));
	db_bind_int(st, 2, v->state);
	db_bind_int(st, 3, v->created_s);
	db_bind_int(st, 4, v->terms_agreed);
	db_bind_bytes(st, 5, v->jwk);
	db_bind_bytes(st, 6, v->contacts);
	db_bind_bytes(st, 7, or_null(v->terms_url));
	db_bind_bytes(st, 8, or_null(v->eab_kid));
	db_bind_bytes(st, 9, or_null(v->eab));
	TRY(db_run(st, &n, e));
	*ret_made = n == 1;
	return ERR_OK;
}

static enum err_code add_account(struct db *db, void *ctx, struct err *e)
{
	struct add *add = ctx;
	struct key_owner owner;

	add->made = false;
	TRY(key_owner_find(db, add->account->id, &owner, e));
	return owner.state == KEY_UNKNOWN ? account_insert(db, add->account, &add->made, e) : ERR_OK;
}

enum err_code store_add_account(struct store *s, const struct store_account *account, bool *ret_made, struct err *e)
{
	struct add add = { .account = account };

	TRY(db_writer_run(s->writer, add_account, &add, e));
	*ret_made = add.made;
	return ERR_OK;
}

/* A change of one column of a valid account. */
struct change {
	const char *sql; /* $1: the id, $2: the value */
	const uint8_t *id;
	struct bytes value;
};

static enum err_code change_account(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct change *c = ctx;
	int64_t n;

	TRY(db_prepare(db, c->sql, &st, e));
	db_bind_bytes(st, 1, span(c->id, STORE_ACCOUNT_ID));
	db_bind_bytes(st, 2, c->value);
	TRY(db_run(st, &n, e));
	errno = 0;
	if (n == 0)
		FAIL(e, UNAUTHORIZED, "the account is not valid any more");
	return ERR_OK;
}

enum err_code store_set_contacts(struct store *s, const uint8_t id[STORE_ACCOUNT_ID], struct bytes contacts, struct err *e)
{
	_Static_assert(ACCOUNT_VALID == 0, "the number below");
	struct change c = { "UPDATE accounts SET contacts = $2 WHERE id = $1 AND state = 0", id, contacts };

	return db_writer_run(s->writer, change_account, &c, e);
}

enum err_code store_set_terms(struct store *s, const uint8_t id[STORE_ACCOUNT_ID], struct bytes url, struct err *e)
{
	struct change c = { "UPDATE accounts SET terms = 1, terms_url = $2 WHERE id = $1 AND state = 0", id, url };

	return db_writer_run(s->writer, change_account, &c, e);
}

static enum err_code deactivate(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	_Static_assert(ACCOUNT_DEACTIVATED == 1, "the number below");
	TRY(db_prepare(db, "UPDATE accounts SET state = 1 WHERE id = $1 AND state <= 1", &st, e));
	db_bind_bytes(st, 1, span(ctx, STORE_ACCOUNT_ID));
	TRY(db_run(st, &n, e));
	errno = 0;
	if (n == 0)
		FAIL(e, UNAUTHORIZED, "the account is not valid any more");
	return ERR_OK;
}

enum err_code store_deactivate_account(struct store *s, const uint8_t id[STORE_ACCOUNT_ID], struct err *e)
{
	uint8_t copy[STORE_ACCOUNT_ID];

	memcpy(copy, id, sizeof copy);
	return db_writer_run(s->writer, deactivate, copy, e);
}
