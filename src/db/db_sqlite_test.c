#include "db/db.h"
#include "db/db_pool.h"
#include "db/db_test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

static char folder[TEST_FOLDER_SIZE], path[TEST_FOLDER_SIZE + 16];

static int make_folder(void **state)
{
	(void)state;
	test_folder_make(folder);
	snprintf(path, sizeof path, "%s/t.db", folder);
	return 0;
}

static int clear_folder(void **state)
{
	(void)state;
	test_folder_clear(folder, 1);
	return 0;
}

static const struct db_migration steps[] = {
	{ "001_first", "CREATE TABLE a (k BLOB PRIMARY KEY, v INTEGER NOT NULL, b BLOB) STRICT, WITHOUT ROWID;" },
	{ "002_second", "ALTER TABLE a ADD COLUMN c INTEGER; CREATE TABLE z (k INTEGER PRIMARY KEY) STRICT;" },
};

static struct db *open_new(void)
{
	struct db *db;

	assert_int_equal(db_open(path, DB_READ_WRITE, &db, NULL), ERR_OK);
	assert_int_equal(db_migrate(db, steps, 2, NULL), ERR_OK);
	return db;
}

static enum err_code put(struct db *db, const char *k, int64_t v, struct bytes b, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(db, "INSERT INTO a (k, v, b) VALUES ($1, $2, $3)", &st, e));
	db_bind_bytes(st, 1, bytes_str(k));
	db_bind_int(st, 2, v);
	db_bind_bytes(st, 3, b);
	TRY(db_run(st, &n, e));
	assert_int_equal(n, 1);
	return ERR_OK;
}

static int64_t count(struct db *db)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row;

	assert_int_equal(db_prepare(db, "SELECT count(*) FROM a", &st, NULL), ERR_OK);
	assert_int_equal(db_step(st, &row, NULL), ERR_OK);
	assert_true(row);
	return db_int(st, 0);
}

/* $n is the n-th parameter wherever it stands, though SQLite numbers names by appearance. */
static void parameters_go_by_number(void **state)
{
	CLEANUP(db_close_p) struct db *db = open_new();
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row;

	(void)state;
	assert_int_equal(db_prepare(db, "SELECT $3, $1, $2, $1", &st, NULL), ERR_OK);
	db_bind_int(st, 1, 11);
	db_bind_int(st, 2, 22);
	db_bind_int(st, 3, 33);
	assert_int_equal(db_step(st, &row, NULL), ERR_OK);
	assert_true(row);
	assert_int_equal(db_int(st, 0), 33);
	assert_int_equal(db_int(st, 1), 11);
	assert_int_equal(db_int(st, 2), 22);
	assert_int_equal(db_int(st, 3), 11);
	assert_int_equal(db_step(st, &row, NULL), ERR_OK);
	assert_false(row);
}

static void wrong_parameters_are_a_bug(void **state)
{
	CLEANUP(db_close_p) struct db *db = open_new();
	CLEANUP(db_done_p) struct db_stmt *st = NULL, *again = NULL;
	static const char sql[] = "SELECT $1";
	static const unsigned wrong[] = { 0, 2, DB_PARAMS_MAX + 1 };
	bool row;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(db_prepare(db, sql, &st, NULL), ERR_OK);
		db_bind_int(st, wrong[i], 1);
		assert_int_equal(db_step(st, &row, NULL), ERR_BUG);
		db_done(TAKE(st));
	}
	/* and forgotten with the use that made it */
	assert_int_equal(db_prepare(db, sql, &st, NULL), ERR_OK);
	db_bind_int(st, 1, 1);
	assert_int_equal(db_step(st, &row, NULL), ERR_OK);
	assert_int_equal(db_prepare(db, sql, &again, NULL), ERR_BUG);
	assert_null(again);
}

static void columns(void **state)
{
	CLEANUP(db_close_p) struct db *db = open_new();
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	CLEANUP(arena_free_p) struct arena *a = arena_new(64, 1024), *tiny = arena_new(16, 16);
	struct bytes v = BYTES_LIT("untouched");
	uint8_t three[3];
	bool row;

	(void)state;
	assert_int_equal(db_prepare(db, "SELECT x'010203', x'', NULL, 'text', -5, zeroblob(100)", &st, NULL), ERR_OK);
	assert_int_equal(db_step(st, &row, NULL), ERR_OK);
	assert_int_equal(db_copy(st, 0, a, &v, NULL), ERR_OK);
	assert_true(bytes_eq(v, (struct bytes){ (const uint8_t *)"\1\2\3", 3 }));
	assert_int_equal(db_fixed(st, 0, three, 3, NULL), ERR_OK);
	assert_memory_equal(three, "\1\2\3", 3);
	assert_int_equal(db_fixed(st, 0, three, 2, NULL), ERR_STORE);
	assert_int_equal(db_fixed(st, 2, three, 0, NULL), ERR_STORE);
	assert_int_equal(db_copy(st, 1, a, &v, NULL), ERR_OK);
	assert_non_null(v.ptr);
	assert_int_equal(v.len, 0);
	assert_int_equal(db_copy(st, 2, a, &v, NULL), ERR_OK);
	assert_null(v.ptr);
	assert_null(db_view(st, 3).ptr);
	assert_int_equal(db_int(st, 4), -5);
	v = BYTES_LIT("untouched");
	assert_int_equal(db_copy(st, 5, tiny, &v, NULL), ERR_NOMEM);
	assert_true(bytes_eq_str(v, "untouched"));
}

static void same_key_is_a_conflict_and_null_an_error(void **state)
{
	CLEANUP(db_close_p) struct db *db = open_new();
	struct err e = { 0 };

	(void)state;
	assert_int_equal(put(db, "k", INT64_MIN, BYTES_NONE, NULL), ERR_OK);
	assert_int_equal(put(db, "k", 2, BYTES_NONE, &e), ERR_CONFLICT);
	assert_null(strstr(e.detail, "a.k")); /* a peer may read it */
	assert_int_equal(put(db, NULL, 2, BYTES_NONE, &e), ERR_STORE);
	assert_int_equal(count(db), 1);
}

static void bad_sql_is_an_error(void **state)
{
	CLEANUP(db_close_p) struct db *db = open_new();
	struct db_stmt *st = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(db_prepare(db, "SELECT x FROM nowhere", &st, &e), ERR_STORE);
	assert_non_null(strstr(e.detail, "nowhere"));
	assert_null(st);
}

static void savepoints_and_transactions(void **state)
{
	CLEANUP(db_close_p) struct db *db = open_new();

	(void)state;
	assert_false(db_in_transaction(db));
	assert_int_equal(db_begin(db, NULL), ERR_OK);
	assert_true(db_in_transaction(db));
	assert_int_equal(db_savepoint(db, NULL), ERR_OK);
	assert_int_equal(put(db, "a", 1, BYTES_NONE, NULL), ERR_OK);
	assert_int_equal(db_release(db, NULL), ERR_OK);
	assert_int_equal(db_savepoint(db, NULL), ERR_OK);
	assert_int_equal(put(db, "b", 1, BYTES_NONE, NULL), ERR_OK);
	assert_int_equal(db_rollback_to(db, NULL), ERR_OK);
	assert_int_equal(count(db), 1);
	assert_int_equal(db_commit(db, NULL), ERR_OK);
	assert_int_equal(count(db), 1);
	assert_int_equal(db_begin(db, NULL), ERR_OK);
	assert_int_equal(put(db, "c", 1, BYTES_NONE, NULL), ERR_OK);
	db_rollback(db);
	db_rollback(db);
	assert_int_equal(count(db), 1);
	assert_int_equal(db_commit(db, NULL), ERR_STORE);
}

static void readers_see_commits_and_write_nothing(void **state)
{
	CLEANUP(db_close_p) struct db *db = open_new(), *reader = NULL;

	(void)state;
	assert_int_equal(db_open(path, DB_READ_ONLY, &reader, NULL), ERR_OK);
	assert_int_equal(db_begin(db, NULL), ERR_OK);
	assert_int_equal(put(db, "a", 1, BYTES_NONE, NULL), ERR_OK);
	assert_int_equal(count(reader), 0);
	assert_int_equal(db_commit(db, NULL), ERR_OK);
	assert_int_equal(count(reader), 1);
	assert_int_equal(put(reader, "b", 1, BYTES_NONE, NULL), ERR_STORE);
	assert_int_equal(count(reader), 1);
}

static void opening_what_is_not_there(void **state)
{
	struct db *db = NULL;
	struct db_pool *pool = NULL;

	(void)state;
	assert_int_equal(db_open(path, DB_READ_ONLY, &db, NULL), ERR_STORE);
	assert_int_equal(db_open("/nowhere/at/all/t.db", DB_READ_WRITE, &db, NULL), ERR_STORE);
	assert_int_equal(db_pool_new(path, 3, &pool, NULL), ERR_STORE);
	assert_null(db);
	assert_null(pool);
}

static void opening_what_is_no_database(void **state)
{
	struct db *db = NULL;
	FILE *f = fopen(path, "w");

	(void)state;
	assert_non_null(f);
	for (int i = 0; i < 1000; i++)
		fputs("this is no database ", f);
	fclose(f);
	assert_int_equal(db_open(path, DB_READ_WRITE, &db, NULL), ERR_STORE);
	assert_null(db);
}

static void migrations_run_once_and_in_order(void **state)
{
	struct db *db;

	(void)state;
	assert_int_equal(db_open(path, DB_READ_WRITE, &db, NULL), ERR_OK);
	assert_int_equal(db_migrate(db, steps, 1, NULL), ERR_OK);
	assert_int_equal(put(db, "old", 1, BYTES_NONE, NULL), ERR_OK);
	db_close(db);
	db = open_new();
	assert_int_equal(db_migrate(db, steps, 2, NULL), ERR_OK);
	assert_int_equal(count(db), 1);
	db_close(db);
}

static void newer_schema_is_refused(void **state)
{
	CLEANUP(db_close_p) struct db *db = open_new();
	struct err e = { 0 };

	(void)state;
	assert_int_equal(db_migrate(db, steps, 1, &e), ERR_CONFIG);
	assert_non_null(strstr(e.detail, "schema 2"));
}

static void failing_migration_leaves_nothing(void **state)
{
	static const struct db_migration bad[] = {
		{ "001_first", "CREATE TABLE a (k BLOB PRIMARY KEY, v INTEGER NOT NULL, b BLOB) STRICT, WITHOUT ROWID;" },
		{ "002_bad", "CREATE TABLE half (k INTEGER) STRICT; CREATE TABLE a (k INTEGER) STRICT;" },
	};
	static const struct db_migration mended[] = {
		{ "001_first", "" },
		{ "002_good", "CREATE TABLE half (k INTEGER) STRICT;" },
	};
	CLEANUP(db_close_p) struct db *db = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(db_open(path, DB_READ_WRITE, &db, NULL), ERR_OK);
	assert_int_equal(db_migrate(db, bad, 2, &e), ERR_STORE);
	assert_non_null(strstr(e.detail, "002_bad"));
	assert_false(db_in_transaction(db));
	assert_int_equal(count(db), 0);
	assert_int_equal(db_migrate(db, mended, 2, NULL), ERR_OK);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, clear_folder)
	const struct CMUnitTest tests[] = {
		T(parameters_go_by_number),
		T(wrong_parameters_are_a_bug),
		T(columns),
		T(same_key_is_a_conflict_and_null_an_error),
		T(bad_sql_is_an_error),
		T(savepoints_and_transactions),
		T(readers_see_commits_and_write_nothing),
		T(opening_what_is_not_there),
		T(opening_what_is_no_database),
		T(migrations_run_once_and_in_order),
		T(newer_schema_is_refused),
		T(failing_migration_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
