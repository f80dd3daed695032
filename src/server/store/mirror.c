#include "server/store/mirror_inside.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ROW_FIRST 65536
#define ROW_MAX   (4u << 20)

const struct difference_row difference_rows[DIFFERENCE__MAX] = {
#define X(code, name, alarm, what) { name, what, alarm },
#include "server/store/difference.def"
#undef X
};

/* The log's side: a row for each serial number, account and key that it names. */
static const char *const tables[] = {
	"CREATE TEMP TABLE logged (serial BLOB PRIMARY KEY, kind INTEGER NOT NULL, order_id BLOB, account BLOB, not_after_s INTEGER,"
	" time_ms INTEGER NOT NULL, found INTEGER, replaces BLOB, revoked_s INTEGER, reason INTEGER, revoked_ms INTEGER) WITHOUT ROWID",
	"CREATE TEMP TABLE logged_accounts (id BLOB PRIMARY KEY, thumbprint BLOB NOT NULL, state INTEGER NOT NULL, kid BLOB,"
	" time_ms INTEGER NOT NULL, key_ms INTEGER NOT NULL) WITHOUT ROWID",
	"CREATE TEMP TABLE logged_keys (thumbprint BLOB PRIMARY KEY, account BLOB NOT NULL, state INTEGER NOT NULL,"
	" time_ms INTEGER NOT NULL) WITHOUT ROWID",
};

enum err_code mirror_run(struct mirror *m, const char *sql, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row = true;

	TRY(db_prepare(m->db, sql, &st, e));
	while (row)
		TRY(db_step(st, &row, e));
	return ERR_OK;
}

static enum err_code check_version(struct mirror *m, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row;

	TRY(db_prepare(m->db, "PRAGMA user_version", &st, e));
	TRY(db_step(st, &row, e));
	int64_t have = row ? db_int(st, 0) : 0;
	errno = 0;
	if (have < 0 || (uint64_t)have != store_migrations_n)
		FAIL(e, CONFIG, "the database has schema %lld, this program knows %zu: %s", (long long)have, store_migrations_n,
		    have < 0 || (uint64_t)have > store_migrations_n ? "it needs a newer program"
								    : "let the server start once, or repair, to bring it up to date");
	return ERR_OK;
}

/* The transaction's first look at the database is the moment that it shows from then on. */
static enum err_code set_up(struct mirror *m, enum mirror_mode mode, struct err *e)
{
	TRY(mirror_run(m, "PRAGMA query_only=OFF", e)); /* the connection itself is read-only: temporary tables alone can be written */
	TRY(mirror_run(m, "PRAGMA temp_store=FILE", e));
	TRY(mirror_run(m, "PRAGMA temp.cache_size=-16384", e));
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		TRY(mirror_run(m, tables[i], e));
	if (mode == MIRROR_REPAIR)
		return db_migrate(m->db, store_migrations, store_migrations_n, e);
	TRY(check_version(m, e));
	TRY(mirror_run(m, "BEGIN", e));
	return mirror_run(m, "SELECT count(*) FROM checkpoints", e);
}

enum err_code mirror_open(const char *folder, enum mirror_mode mode, struct mirror **ret, struct err *e)
{
	CLEANUP(mirror_close_p) struct mirror *m = calloc(1, sizeof *m);
	struct stat there;
	char path[PATH_MAX];

	errno = 0;
	if (!m || !(m->arena = arena_new(ROW_FIRST, ROW_MAX)))
		FAIL(e, NOMEM, "no memory to compare the database");
	if ((size_t)snprintf(path, sizeof path, "%s/store.db", folder) >= sizeof path)
		FAIL(e, CONFIG, "the database's folder has too long a name");
	if (mode == MIRROR_COMPARE && stat(path, &there) != 0 && errno == ENOENT)
		FAIL(
		    e, NOT_FOUND, "%s: there is no such file; \"reconcile --repair\" makes it from the log, with the server stopped", path);
	TRY(db_open(path, mode == MIRROR_COMPARE ? DB_READ_ONLY : DB_READ_WRITE, &m->db, e));
	TRY(set_up(m, mode, e));
	*ret = TAKE(m);
	return ERR_OK;
}

void mirror_close(struct mirror *m)
{
	if (!m)
		return;
	db_close(m->db);
	arena_free(m->arena);
	free(m);
}

enum err_code mirror_reset(struct mirror *m, struct err *e)
{
	TRY(mirror_run(m, "DELETE FROM logged", e));
	TRY(mirror_run(m, "DELETE FROM logged_accounts", e));
	return mirror_run(m, "DELETE FROM logged_keys", e);
}

/* --- what the log says --- */

static enum err_code put_serial(struct mirror *m, const uint8_t serial[STORE_SERIAL], enum logged_kind kind, int64_t time_ms, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(m->db, "INSERT INTO temp.logged (serial, kind, time_ms) VALUES ($1, $2, $3)", &st, e));
	db_bind_bytes(st, 1, span(serial, STORE_SERIAL));
	db_bind_int(st, 2, kind);
	db_bind_int(st, 3, time_ms);
	return db_run(st, &n, e);
}

enum err_code mirror_own(struct mirror *m, const uint8_t serial[STORE_SERIAL], int64_t time_ms, struct err *e)
{
	return put_serial(m, serial, LOGGED_OWN, time_ms, e);
}

enum err_code mirror_void(struct mirror *m, const uint8_t serial[STORE_SERIAL], int64_t time_ms, struct err *e)
{
	return put_serial(m, serial, LOGGED_VOID, time_ms, e);
}

static enum err_code look_at_order(struct mirror *m, const struct mirror_certificate *c, unsigned *found, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct store_certificate *v = &c->certificate;
	bool row;

	TRY(db_prepare(m->db, "SELECT state, serial, account, new_order FROM orders WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(v->order, sizeof v->order));
	TRY(db_step(st, &row, e));
	if (!row)
		return ERR_OK;
	bool same = db_int(st, 0) == ORDER_VALID && bytes_eq(db_view(st, 1), span(v->serial, sizeof v->serial)) &&
		    bytes_eq(db_view(st, 2), span(v->account, sizeof v->account)) && bytes_eq(db_view(st, 3), c->new_order);
	*found |= same ? FOUND_ORDER : FOUND_ORDER | FOUND_OTHER_ORDER;
	return ERR_OK;
}

enum err_code mirror_look_up(struct mirror *m, const struct mirror_certificate *c, unsigned *ret, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct store_certificate *v = &c->certificate;
	unsigned found = 0;
	bool row;

	TRY(db_prepare(
	    m->db, "SELECT order_id, account, not_before_s, not_after_s, der, chain FROM certificates WHERE serial = $1", &st, e));
	db_bind_bytes(st, 1, span(v->serial, sizeof v->serial));
	TRY(db_step(st, &row, e));
	if (row) {
		bool same = bytes_eq(db_view(st, 0), span(v->order, sizeof v->order)) &&
			    bytes_eq(db_view(st, 1), span(v->account, sizeof v->account)) && db_int(st, 2) == v->not_before_s &&
			    db_int(st, 3) == v->not_after_s && bytes_eq(db_view(st, 4), v->der);
		found = same ? FOUND_CERTIFICATE : FOUND_CERTIFICATE | FOUND_OTHER_BYTES;
		if (!c->fits(db_view(st, 5), c->issuer_key_id))
			found |= FOUND_OTHER_CHAIN;
	}
	TRY(look_at_order(m, c, &found, e));
	*ret = found;
	return ERR_OK;
}

enum err_code mirror_certificate(struct mirror *m, const struct mirror_certificate *c, int64_t time_ms, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	const struct store_certificate *v = &c->certificate;
	unsigned found;
	int64_t n;

	TRY(mirror_look_up(m, c, &found, e));
	TRY(db_prepare(m->db,
	    "INSERT INTO temp.logged (serial, kind, order_id, account, not_after_s, time_ms, found, replaces)"
	    " VALUES ($1, 0, $2, $3, $4, $5, $6, $7)",
	    &st, e));
	db_bind_bytes(st, 1, span(v->serial, sizeof v->serial));
	db_bind_bytes(st, 2, span(v->order, sizeof v->order));
	db_bind_bytes(st, 3, span(v->account, sizeof v->account));
	db_bind_int(st, 4, v->not_after_s);
	db_bind_int(st, 5, time_ms);
	db_bind_int(st, 6, found);
	db_bind_bytes(st, 7, c->replaced ? span(c->replaced, STORE_SERIAL) : BYTES_NONE);
	TRY(db_run(st, &n, e));
	return mirror_account(m, v->account, time_ms, e);
}

enum err_code mirror_revoked(struct mirror *m, const struct mirror_revocation *r, int64_t time_ms, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	/* a second one changes the reason alone; the newest record decides whether the database must know of it yet */
	TRY(db_prepare(
	    m->db, "UPDATE temp.logged SET revoked_s = coalesce(revoked_s, $2), reason = $3, revoked_ms = $4 WHERE serial = $1", &st, e));
	db_bind_bytes(st, 1, span(r->serial, STORE_SERIAL));
	db_bind_int(st, 2, r->revoked_s);
	db_bind_int(st, 3, r->reason);
	db_bind_int(st, 4, time_ms);
	return db_run(st, &n, e);
}

enum err_code mirror_account(struct mirror *m, const uint8_t id[STORE_ACCOUNT_ID], int64_t time_ms, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(m->db,
	    "INSERT INTO temp.logged_accounts (id, thumbprint, state, time_ms, key_ms) VALUES ($1, $1, 0, $2, $2) ON CONFLICT DO NOTHING",
	    &st, e));
	db_bind_bytes(st, 1, span(id, STORE_ACCOUNT_ID));
	db_bind_int(st, 2, time_ms);
	return db_run(st, &n, e);
}

static enum err_code put_key(
    struct mirror *m, const uint8_t *thumbprint, const uint8_t *id, enum key_state state, int64_t time_ms, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(m->db,
	    "INSERT INTO temp.logged_keys (thumbprint, account, state, time_ms) VALUES ($1, $2, $3, $4)"
	    " ON CONFLICT (thumbprint) DO UPDATE SET state = excluded.state, time_ms = excluded.time_ms",
	    &st, e));
	db_bind_bytes(st, 1, span(thumbprint, STORE_ACCOUNT_ID));
	db_bind_bytes(st, 2, span(id, STORE_ACCOUNT_ID));
	db_bind_int(st, 3, state);
	db_bind_int(st, 4, time_ms);
	return db_run(st, &n, e);
}

enum err_code mirror_rollover(struct mirror *m, const uint8_t id[STORE_ACCOUNT_ID], const uint8_t old[STORE_ACCOUNT_ID],
    const uint8_t fresh[STORE_ACCOUNT_ID], int64_t time_ms, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(mirror_account(m, id, time_ms, e));
	TRY(put_key(m, old, id, KEY_REPLACED, time_ms, e));
	TRY(put_key(m, fresh, id, KEY_CURRENT, time_ms, e));
	TRY(db_prepare(m->db, "UPDATE temp.logged_accounts SET thumbprint = $2, key_ms = $3 WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(id, STORE_ACCOUNT_ID));
	db_bind_bytes(st, 2, span(fresh, STORE_ACCOUNT_ID));
	db_bind_int(st, 3, time_ms);
	return db_run(st, &n, e);
}

enum err_code mirror_deactivated(struct mirror *m, const uint8_t id[STORE_ACCOUNT_ID], int64_t time_ms, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(mirror_account(m, id, time_ms, e));
	TRY(db_prepare(m->db, "UPDATE temp.logged_accounts SET state = 1, key_ms = $2 WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(id, STORE_ACCOUNT_ID));
	db_bind_int(st, 2, time_ms);
	return db_run(st, &n, e);
}

/* The store makes the account when the signer has logged its binding: an account that is not there yet never was, or its client tries again. */
enum err_code mirror_bound(struct mirror *m, const uint8_t id[STORE_ACCOUNT_ID], struct bytes kid, int64_t time_ms, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(mirror_account(m, id, time_ms, e));
	TRY(db_prepare(m->db, "UPDATE temp.logged_accounts SET kid = $2, key_ms = $3 WHERE id = $1", &st, e));
	db_bind_bytes(st, 1, span(id, STORE_ACCOUNT_ID));
	db_bind_bytes(st, 2, kid);
	db_bind_int(st, 3, time_ms);
	return db_run(st, &n, e);
}

/* --- counts --- */

static enum err_code count(struct mirror *m, const char *sql, uint64_t *ret, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row;

	TRY(db_prepare(m->db, sql, &st, e));
	TRY(db_step(st, &row, e));
	*ret = row ? (uint64_t)db_int(st, 0) : 0;
	return ERR_OK;
}

enum err_code mirror_counts(struct mirror *m, struct mirror_counts *ret, struct err *e)
{
	struct mirror_counts c = { 0 };

	TRY(count(m, "SELECT count(*) FROM temp.logged WHERE kind = 0", &c.logged_certificates, e));
	TRY(count(m, "SELECT count(*) FROM temp.logged WHERE kind = 1", &c.logged_own, e));
	TRY(count(m, "SELECT count(*) FROM temp.logged WHERE kind = 2", &c.logged_void, e));
	TRY(count(m, "SELECT count(*) FROM temp.logged WHERE revoked_s IS NOT NULL", &c.logged_revoked, e));
	TRY(count(m, "SELECT count(*) FROM temp.logged_accounts", &c.logged_accounts, e));
	TRY(count(m, "SELECT count(*) FROM certificates", &c.certificates, e));
	TRY(count(m, "SELECT count(*) FROM orders", &c.orders, e));
	TRY(count(m, "SELECT count(*) FROM accounts", &c.accounts, e));
	*ret = c;
	return ERR_OK;
}
