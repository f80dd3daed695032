/* Which key is whose. An account's id is the thumbprint of its first key; only once that is replaced there are rows in account_keys: one
 * for each key that the account has or had. */
#include "server/store/inside.h"

#include <errno.h>
#include <string.h>

static enum err_code row_of_key(
    struct db *db, const uint8_t thumbprint[STORE_ACCOUNT_ID], struct key_owner *ret, bool *ret_row, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	unsigned state;

	TRY(db_prepare(db, "SELECT account, state FROM account_keys WHERE thumbprint = $1", &st, e));
	db_bind_bytes(st, 1, span(thumbprint, STORE_ACCOUNT_ID));
	TRY(db_step(st, ret_row, e));
	if (!*ret_row)
		return ERR_OK;
	TRY(db_fixed(st, 0, ret->account, sizeof ret->account, e));
	TRY(store_get_state(st, 1, KEY_UNKNOWN, &state, e));
	ret->state = (enum key_state)state;
	return ERR_OK;
}

enum err_code key_owner_find(struct db *db, const uint8_t thumbprint[STORE_ACCOUNT_ID], struct key_owner *ret, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row;

	TRY(row_of_key(db, thumbprint, ret, &row, e));
	if (row)
		return ERR_OK;
	TRY(db_prepare(db, "SELECT 1 FROM accounts WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(thumbprint, STORE_ACCOUNT_ID));
	TRY(db_step(st, &row, e));
	ret->state = row ? KEY_CURRENT : KEY_UNKNOWN;
	memcpy(ret->account, thumbprint, sizeof ret->account);
	return ERR_OK;
}

static enum err_code find_account(struct db *db, void *ctx, struct err *e)
{
	const struct get *g = ctx;
	struct key_owner owner;

	TRY(key_owner_find(db, g->id, &owner, e));
	errno = 0;
	if (owner.state == KEY_REPLACED || owner.state == KEY_PROMISED)
		FAIL(e, CONFLICT, "by a key change the key was, or is about to be, an account's");
	return account_row_read(db, owner.account, g->arena, g->ret, e);
}

enum err_code store_find_account(
    struct store *s, struct arena *a, const uint8_t thumbprint[STORE_ACCOUNT_ID], struct store_account *ret, struct err *e)
{
	return db_pool_read(s->readers, find_account, &(struct get){ a, thumbprint, ret }, e);
}

static enum err_code put_key(struct db *db, const uint8_t *thumbprint, const uint8_t *account, enum key_state state, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(db,
	    "INSERT INTO account_keys (thumbprint, account, state) VALUES ($1, $2, $3)"
	    " ON CONFLICT (thumbprint) DO UPDATE SET state = excluded.state",
	    &st, e));
	db_bind_bytes(st, 1, span(thumbprint, STORE_ACCOUNT_ID));
	db_bind_bytes(st, 2, span(account, STORE_ACCOUNT_ID));
	db_bind_int(st, 3, state);
	return db_run(st, &n, e);
}

/* The account's own row; *ret_done: the new key stands there already. */
static enum err_code replace_jwk(struct db *db, const struct store_rollover *r, bool *ret_done, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL, *look = NULL;
	int64_t n;
	bool row;

	TRY(db_prepare(db, "UPDATE accounts SET jwk = $3 WHERE id = $1 AND jwk = $2 AND state = 0", &st, e));
	db_bind_bytes(st, 1, span(r->id, STORE_ACCOUNT_ID));
	db_bind_bytes(st, 2, r->old_jwk);
	db_bind_bytes(st, 3, r->new_jwk);
	TRY(db_run(st, &n, e));
	*ret_done = n == 0;
	if (n == 1)
		return ERR_OK;
	TRY(db_prepare(db, "SELECT jwk FROM accounts WHERE id = $1 AND state = 0", &look, e));
	db_bind_bytes(look, 1, span(r->id, STORE_ACCOUNT_ID));
	TRY(db_step(look, &row, e));
	errno = 0;
	if (!row || !bytes_eq(db_view(look, 0), r->new_jwk))
		FAIL(e, UNAUTHORIZED, "the account's key was changed by another request meanwhile");
	return ERR_OK;
}

static enum err_code check_free(struct db *db, const struct store_rollover *r, struct err *e)
{
	struct key_owner owner;

	TRY(key_owner_find(db, r->new_thumbprint, &owner, e));
	errno = 0;
	if (owner.state == KEY_REPLACED || (owner.state != KEY_UNKNOWN && memcmp(owner.account, r->id, sizeof r->id) != 0))
		FAIL(e, CONFLICT, "the new key is, or was, an account's");
	return ERR_OK;
}

static enum err_code promise_key(struct db *db, void *ctx, struct err *e)
{
	const struct store_rollover *r = ctx;
	struct key_owner owner;

	TRY(check_free(db, r, e));
	TRY(key_owner_find(db, r->new_thumbprint, &owner, e));
	return owner.state == KEY_UNKNOWN ? put_key(db, r->new_thumbprint, r->id, KEY_PROMISED, e) : ERR_OK;
}

enum err_code store_promise_key(struct store *s, const struct store_rollover *r, struct err *e)
{
	struct store_rollover copy = *r;

	return db_writer_run(s->writer, promise_key, &copy, e);
}

static enum err_code withdraw_key(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct store_rollover *r = ctx;
	int64_t n;

	TRY(db_prepare(db, "DELETE FROM account_keys WHERE thumbprint = $1 AND account = $2 AND state = 2", &st, e));
	db_bind_bytes(st, 1, span(r->new_thumbprint, sizeof r->new_thumbprint));
	db_bind_bytes(st, 2, span(r->id, sizeof r->id));
	return db_run(st, &n, e);
}

enum err_code store_withdraw_key(struct store *s, const struct store_rollover *r, struct err *e)
{
	struct store_rollover copy = *r;

	return db_writer_run(s->writer, withdraw_key, &copy, e);
}

static enum err_code change_key(struct db *db, void *ctx, struct err *e)
{
	const struct store_rollover *r = ctx;
	bool done = false;

	TRY(check_free(db, r, e));
	TRY(replace_jwk(db, r, &done, e));
	if (done)
		return ERR_OK;
	TRY(put_key(db, r->old_thumbprint, r->id, KEY_REPLACED, e));
	return put_key(db, r->new_thumbprint, r->id, KEY_CURRENT, e);
}

enum err_code store_change_key(struct store *s, const struct store_rollover *r, struct err *e)
{
	struct store_rollover copy = *r;

	return db_writer_run(s->writer, change_key, &copy, e);
}
