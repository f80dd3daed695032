/* One small SQL interface: connections, cached statements, transactions, migrations. SQLite stands behind it (db_sqlite.c);
 * statements keep to what PostgreSQL takes as well, with parameters written $1 .. $n.
 * A connection and its statements belong to one thread at a time. Errors: STORE for whatever the database says (a full disk
 * too), with its words in the detail, which is for the log; CONFLICT where a row with the same key is there already. */
#ifndef CHANCERY_DB_DB_H
#define CHANCERY_DB_DB_H

#include "base/arena.h"
#include "base/err.h"

#define DB_PARAMS_MAX     16
#define DB_STATEMENTS_MAX 64 /* different statements of one connection */

struct db;
struct db_stmt;

/* One piece of work on a connection; what it needs and gives back is in ctx. */
typedef enum err_code db_unit(struct db *db, void *ctx, struct err *e);

enum db_access {
	DB_READ_ONLY,  /* the database must be there, and be open for writing too */
	DB_READ_WRITE, /* made when it is not there */
};
/* where: the path of the database file. Relative to the root in force now: open after the jail is entered. */
enum err_code db_open(const char *where, enum db_access access, struct db **ret, struct err *e) MUST_USE;
void db_close(struct db *db);
DEFINE_CLEANUP(struct db *, db_close);

/* The numbered steps to the newest schema, the first is 1. */
struct db_migration {
	const char *name; /* "001_initial", for errors */
	const char *sql;  /* any number of statements */
};
/* Runs those that the database has not had yet, each in a transaction of its own. CONFIG when the database is newer. */
enum err_code db_migrate(struct db *db, const struct db_migration *steps, size_t n, struct err *e) MUST_USE;

/* A statement from the connection's cache, prepared when it is new. sql must be a constant of the program: the cache knows it
 * by its address. It is the caller's until db_done(); nobody else on this connection may use it meanwhile (BUG). */
enum err_code db_prepare(struct db *db, const char *sql, struct db_stmt **ret, struct err *e) MUST_USE;
/* Ends the use: forgets row and parameters, stays in the cache. */
void db_done(struct db_stmt *st);
DEFINE_CLEANUP(struct db_stmt *, db_done);

/* Parameter $n. A mistake is told by the next db_step(). */
void db_bind_int(struct db_stmt *st, unsigned n, int64_t v);
/* ptr NULL binds NULL; the bytes must live until db_done(). */
void db_bind_bytes(struct db_stmt *st, unsigned n, struct bytes v);

/* The next row, or *ret_row false at the end. */
enum err_code db_step(struct db_stmt *st, bool *ret_row, struct err *e) MUST_USE;
/* Runs a statement that gives no rows; *ret_changed is the number of rows that it added, changed or deleted. */
enum err_code db_run(struct db_stmt *st, int64_t *ret_changed, struct err *e) MUST_USE;

/* Columns of the row in hand, counted from 0. */
int64_t db_int(struct db_stmt *st, unsigned column);
/* Valid until the next step or done. ptr NULL for NULL, and for what is no blob. */
struct bytes db_view(struct db_stmt *st, unsigned column);
/* A copy in the arena: ptr NULL for NULL. NOMEM past the arena's maximum. */
enum err_code db_copy(struct db_stmt *st, unsigned column, struct arena *a, struct bytes *ret, struct err *e) MUST_USE;
/* Exactly n bytes; STORE when the column holds anything else. */
enum err_code db_fixed(struct db_stmt *st, unsigned column, void *out, size_t n, struct err *e) MUST_USE;

/* A write transaction; it has the database to itself from the start. */
enum err_code db_begin(struct db *db, struct err *e) MUST_USE;
enum err_code db_commit(struct db *db, struct err *e) MUST_USE;
void db_rollback(struct db *db); /* nothing when there is no transaction */
/* False also when an error made the database give the whole transaction up. */
bool db_in_transaction(const struct db *db);
/* The one level inside it. */
enum err_code db_savepoint(struct db *db, struct err *e) MUST_USE;
enum err_code db_release(struct db *db, struct err *e) MUST_USE;
enum err_code db_rollback_to(struct db *db, struct err *e) MUST_USE; /* and releases */

/* A copy of the whole database as it is at one moment, into a file that is made; others go on reading and writing meanwhile. It is synced. */
enum err_code db_snapshot(struct db *db, const char *to, struct err *e) MUST_USE;

/* Upkeep for a moment when nobody waits: for SQLite, the WAL's pages go into the database when there are many. What fails is
 * tried again later and raised as an event. */
void db_tend(struct db *db);

#endif
