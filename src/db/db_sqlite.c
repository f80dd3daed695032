#include "base/event.h"
#include "db/db.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_MS          5000 /* another process (a backup) may hold the database for so long */
#define CHECKPOINT_PAGES 1000 /* of the WAL, 8 MB: db_tend() then moves them into the database */

struct db_stmt {
	struct db *db;
	sqlite3_stmt *stmt;
	const char *sql;          /* the cache's key is its address */
	int param[DB_PARAMS_MAX]; /* SQLite's number of $1 .. $n; 0: not in the statement */
	int bind_rc;              /* the first mistake in binding */
	bool in_use;
};

struct db {
	sqlite3 *sqlite;
	int wal_pages; /* after the last commit */
	size_t n_stmts;
	struct db_stmt *stmts[DB_STATEMENTS_MAX];
};

/* Our error for SQLite's result. The message may name tables and columns, never values. */
static enum err_code fail(const struct db *db, int rc, const char *doing, struct err *e)
{
	errno = 0;
	if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_ROWID)
		FAIL(e, CONFLICT, "there is such an object already"); /* a peer may read this one */
	if ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_FULL)
		errno = sqlite3_system_errno(db->sqlite);
	if (rc == SQLITE_NOMEM)
		FAIL(e, STORE, "no memory for SQLite while %s", doing);
	FAIL(e, STORE, "SQLite %d (%s) while %s", rc, sqlite3_errmsg(db->sqlite), doing);
}

/* What SQLite remarks on its own: a WAL recovered at the start, corruption, I/O errors with the system's reason. */
static void log_event(void *ctx, int rc, const char *text)
{
	char code[16];

	(void)ctx;
	if ((rc & 0xff) == SQLITE_CONSTRAINT || (rc & 0xff) == SQLITE_SCHEMA)
		return; /* told to the caller, or mended by SQLite itself */
	snprintf(code, sizeof code, "%d", rc);
	event(
	    (rc & 0xff) == SQLITE_NOTICE ? EVENT_NOTICE : EVENT_WARNING, "store.sqlite", EVENT_STR("code", code), EVENT_STR("text", text));
}

/* Both fail, and may, when the program has used SQLite before. Its memory statistics take a global lock at each allocation. */
static void configure(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_config(SQLITE_CONFIG_LOG, log_event, NULL);
}

static int note_wal(void *ctx, sqlite3 *sqlite, const char *name, int pages)
{
	struct db *db = ctx;

	(void)sqlite, (void)name;
	db->wal_pages = pages;
	return SQLITE_OK;
}

static enum err_code exec(struct db *db, const char *sql, const char *doing, struct err *e)
{
	int rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? ERR_OK : fail(db, rc, doing, e);
}

/* No temporary files (there is no place for them in the jail), no reading by mmap (an I/O error would be a SIGBUS), nothing
 * trusted that the file says about itself. Pages of 8 KB: a row over a quarter of its page takes a page more of its own, and an
 * order with its signed requests has 2 KB; with 4 KB pages the same data took twice the disk and no less time. */
static enum err_code set_up(struct db *db, enum db_access access, struct err *e)
{
	static const char both[] = "PRAGMA foreign_keys=OFF; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
				   "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;";

	sqlite3_extended_result_codes(db->sqlite, 1);
	sqlite3_busy_timeout(db->sqlite, BUSY_MS);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
	TRY(exec(db, both, "setting up a connection", e));
	if (access == DB_READ_ONLY)
		return exec(db, "PRAGMA query_only=ON; PRAGMA cache_size=-1024;", "setting up a reader", e);
	if (sqlite3_db_readonly(db->sqlite, "main") == 1) /* SQLite would go on, and never write, also when the disk can be written again */
		FAIL(e, STORE, "the database cannot be written: its file or file system is read-only");
	sqlite3_wal_hook(db->sqlite, note_wal, db);
	TRY(exec(db,
	    "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-8192;"
	    "PRAGMA journal_size_limit=33554432;",
	    "setting up the writer", e));
	struct db_stmt *st;
	bool row = false;
	TRY(db_prepare(db, "PRAGMA journal_mode", &st, e));
	TRY(db_step(st, &row, e));
	bool wal = row && sqlite3_stricmp((const char *)sqlite3_column_text(st->stmt, 0), "wal") == 0;
	db_done(st);
	if (!wal)
		FAIL(e, STORE, "the database's file system does not allow SQLite's write-ahead log");
	return ERR_OK;
}

enum err_code db_open(const char *where, enum db_access access, struct db **ret, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	CLEANUP(db_close_p) struct db *db = calloc(1, sizeof *db);
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;

	if (!db)
		FAIL(e, NOMEM, "no memory for a database connection");
	pthread_once(&once, configure);
	flags |= access == DB_READ_ONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	int rc = sqlite3_open_v2(where, &db->sqlite, flags, NULL);
	if (!db->sqlite)
		FAIL(e, NOMEM, "no memory for SQLite");
	if (rc != SQLITE_OK)
		return fail(db, rc, "opening the database", e);
	TRY(set_up(db, access, e));
	*ret = TAKE(db);
	return ERR_OK;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < db->n_stmts; i++) {
		sqlite3_finalize(db->stmts[i]->stmt);
		free(db->stmts[i]);
	}
	sqlite3_close(db->sqlite);
	free(db);
}

/* SQLite takes $1 as a name and numbers names as they appear: the true number is asked for once. */
static void find_params(struct db_stmt *st)
{
	char name[8];

	for (unsigned n = 1; n <= DB_PARAMS_MAX; n++) {
		snprintf(name, sizeof name, "$%u", n);
		st->param[n - 1] = sqlite3_bind_parameter_index(st->stmt, name);
	}
}

static struct db_stmt *find(struct db *db, const char *sql)
{
	for (size_t i = 0; i < db->n_stmts; i++)
		if (db->stmts[i]->sql == sql)
			return db->stmts[i];
	return NULL;
}

static enum err_code prepare_new(struct db *db, const char *sql, struct db_stmt **ret, struct err *e)
{
	if (db->n_stmts == DB_STATEMENTS_MAX)
		FAIL(e, BUG, "more than %d different statements", DB_STATEMENTS_MAX);
	struct db_stmt *st = calloc(1, sizeof *st);
	if (!st)
		FAIL(e, NOMEM, "no memory for a statement");
	int rc = sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &st->stmt, NULL);
	if (rc != SQLITE_OK) {
		free(st);
		return fail(db, rc, "preparing a statement", e);
	}
	st->db = db;
	st->sql = sql;
	find_params(st);
	*ret = db->stmts[db->n_stmts++] = st;
	return ERR_OK;
}

enum err_code db_prepare(struct db *db, const char *sql, struct db_stmt **ret, struct err *e)
{
	struct db_stmt *st = find(db, sql);

	if (!st)
		TRY(prepare_new(db, sql, &st, e));
	if (st->in_use)
		FAIL(e, BUG, "a statement is used twice at once: %.200s", sql);
	st->in_use = true;
	*ret = st;
	return ERR_OK;
}

void db_done(struct db_stmt *st)
{
	if (!st)
		return;
	sqlite3_reset(st->stmt);
	sqlite3_clear_bindings(st->stmt);
	st->bind_rc = SQLITE_OK;
	st->in_use = false;
}

static int param(struct db_stmt *st, unsigned n)
{
	return n >= 1 && n <= DB_PARAMS_MAX ? st->param[n - 1] : 0; /* 0: SQLite answers SQLITE_RANGE */
}

static void note_bind(struct db_stmt *st, int rc)
{
	if (st->bind_rc == SQLITE_OK)
		st->bind_rc = rc;
}

void db_bind_int(struct db_stmt *st, unsigned n, int64_t v)
{
	note_bind(st, sqlite3_bind_int64(st->stmt, param(st, n), v));
}

void db_bind_bytes(struct db_stmt *st, unsigned n, struct bytes v)
{
	note_bind(st, sqlite3_bind_blob64(st->stmt, param(st, n), v.ptr, v.len, SQLITE_STATIC));
}

enum err_code db_step(struct db_stmt *st, bool *ret_row, struct err *e)
{
	if (st->bind_rc != SQLITE_OK)
		FAIL(e, BUG, "SQLite %d binding a parameter of: %.200s", st->bind_rc, st->sql);
	int rc = sqlite3_step(st->stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return fail(st->db, rc, st->sql, e);
	*ret_row = rc == SQLITE_ROW;
	return ERR_OK;
}

enum err_code db_run(struct db_stmt *st, int64_t *ret_changed, struct err *e)
{
	bool row = false;

	TRY(db_step(st, &row, e));
	if (row)
		FAIL(e, BUG, "a row from a statement that should give none: %.200s", st->sql);
	*ret_changed = sqlite3_changes64(st->db->sqlite);
	return ERR_OK;
}

int64_t db_int(struct db_stmt *st, unsigned column)
{
	return sqlite3_column_int64(st->stmt, (int)column);
}

struct bytes db_view(struct db_stmt *st, unsigned column)
{
	static const uint8_t empty;

	if (sqlite3_column_type(st->stmt, (int)column) != SQLITE_BLOB)
		return BYTES_NONE;
	const uint8_t *p = sqlite3_column_blob(st->stmt, (int)column);
	int n = sqlite3_column_bytes(st->stmt, (int)column);
	return n > 0 && p ? (struct bytes){ p, (size_t)n } : (struct bytes){ &empty, 0 };
}

enum err_code db_copy(struct db_stmt *st, unsigned column, struct arena *a, struct bytes *ret, struct err *e)
{
	struct bytes v = db_view(st, column);

	if (v.ptr) {
		v = arena_copy(a, v);
		if (!v.ptr)
			FAIL(e, NOMEM, "no room for a column of the database");
	}
	*ret = v;
	return ERR_OK;
}

enum err_code db_fixed(struct db_stmt *st, unsigned column, void *out, size_t n, struct err *e)
{
	struct bytes v = db_view(st, column);

	errno = 0;
	if (!v.ptr || v.len != n)
		FAIL(e, STORE, "column %u has %zu bytes, not %zu: %.200s", column, v.len, n, st->sql);
	memcpy(out, v.ptr, n);
	return ERR_OK;
}

/* Transaction control through the cache too: sqlite3_exec() would compile it anew each time. */
static enum err_code control(struct db *db, const char *sql, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row = false;

	TRY(db_prepare(db, sql, &st, e));
	return db_step(st, &row, e);
}

enum err_code db_begin(struct db *db, struct err *e)
{
	return control(db, "BEGIN IMMEDIATE", e);
}

enum err_code db_commit(struct db *db, struct err *e)
{
	return control(db, "COMMIT", e);
}

void db_rollback(struct db *db)
{
	struct err e;

	if (db_in_transaction(db) && control(db, "ROLLBACK", &e) != ERR_OK)
		event_error(EVENT_ERROR, "store.rollback", &e);
}

bool db_in_transaction(const struct db *db)
{
	return !sqlite3_get_autocommit(db->sqlite);
}

enum err_code db_savepoint(struct db *db, struct err *e)
{
	return control(db, "SAVEPOINT unit", e);
}

enum err_code db_release(struct db *db, struct err *e)
{
	return control(db, "RELEASE unit", e);
}

enum err_code db_rollback_to(struct db *db, struct err *e)
{
	TRY(control(db, "ROLLBACK TO unit", e));
	return db_release(db, e);
}

void db_tend(struct db *db)
{
	struct err e;

	if (db->wal_pages < CHECKPOINT_PAGES)
		return;
	/* Passive: takes what no reader still needs and waits for nobody. Pages whose move fails stay in the WAL. */
	int rc = sqlite3_wal_checkpoint_v2(db->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (rc == SQLITE_OK)
		return;
	(void)fail(db, rc, "moving the WAL into the database", &e);
	event_error(EVENT_WARNING, "store.checkpoint", &e);
}

/* One step: SQLite holds its view of the database until all pages are copied. */
static enum err_code copy_pages(struct db *from, struct db *to, struct err *e)
{
	sqlite3_backup *b = sqlite3_backup_init(to->sqlite, "main", from->sqlite, "main");

	if (!b)
		return fail(to, sqlite3_errcode(to->sqlite), "beginning a copy", e);
	int step = sqlite3_backup_step(b, -1), end = sqlite3_backup_finish(b);
	if (step == SQLITE_DONE && end == SQLITE_OK)
		return ERR_OK;
	return fail(to, end != SQLITE_OK ? end : step, "copying the database", e);
}

enum err_code db_snapshot(struct db *db, const char *to, struct err *e)
{
	CLEANUP(db_close_p) struct db *copy = calloc(1, sizeof *copy);

	if (!copy)
		FAIL(e, NOMEM, "no memory for a database connection");
	int rc = sqlite3_open_v2(to, &copy->sqlite,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
	if (!copy->sqlite)
		FAIL(e, NOMEM, "no memory for SQLite");
	if (rc != SQLITE_OK)
		return fail(copy, rc, "making the copy's file", e);
	sqlite3_extended_result_codes(copy->sqlite, 1);
	TRY(exec(copy, "PRAGMA journal_mode=OFF; PRAGMA synchronous=FULL;", "setting up the copy", e));
	return copy_pages(db, copy, e);
}

static enum err_code version(struct db *db, int64_t *ret, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row = false;

	TRY(db_prepare(db, "PRAGMA user_version", &st, e));
	TRY(db_step(st, &row, e));
	*ret = row ? db_int(st, 0) : 0;
	return ERR_OK;
}

static enum err_code migrate_one(struct db *db, const struct db_migration *m, size_t number, struct err *e)
{
	char set[48];

	snprintf(set, sizeof set, "PRAGMA user_version=%zu", number);
	TRY(exec(db, m->sql, m->name, e));
	TRY(exec(db, set, m->name, e));
	return db_commit(db, e);
}

enum err_code db_migrate(struct db *db, const struct db_migration *steps, size_t n, struct err *e)
{
	int64_t have;

	TRY(version(db, &have, e));
	errno = 0;
	if (have < 0 || (uint64_t)have > n)
		FAIL(e, CONFIG, "the database has schema %lld, this program knows up to %zu: it needs a newer one", (long long)have, n);
	for (size_t i = (size_t)have; i < n; i++) {
		TRY(db_begin(db, e));
		enum err_code rc = migrate_one(db, &steps[i], i + 1, e);
		db_rollback(db);
		TRY(rc);
	}
	return ERR_OK;
}
