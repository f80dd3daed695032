/* A database that holds what this program would not have written. */
#include "db/db_test_folder.h"
#include "server/store/store_sample.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

#define HTTP_01 CHALLENGE_TYPE_HTTP_01

static char folder[TEST_FOLDER_SIZE];
static struct store *store;
static struct arena *arena;
static struct sample a;

static int open_all(void **state)
{
	(void)state;
	test_folder_make(folder);
	assert_int_equal(store_open(folder, &store, NULL), ERR_OK);
	arena = arena_new(4096, 1u << 20);
	sample_make(&a, 1, 1, 1);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	store_close(store);
	arena_free(arena);
	test_folder_clear(folder, 1);
	return 0;
}

#define OK(call)       assert_int_equal((call), ERR_OK)
#define FAILS(c, call) assert_int_equal((call), ERR_##c)

static void run_sql(const char *sql)
{
	char path[TEST_FOLDER_SIZE + 16];
	sqlite3 *raw;

	snprintf(path, sizeof path, "%s/store.db", folder);
	assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
	assert_int_equal(sqlite3_exec(raw, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(raw), SQLITE_OK);
}

static void newer_schema_is_refused(void **state)
{
	struct store *other = NULL;
	struct err e = { 0 };

	(void)state;
	run_sql("PRAGMA user_version=1000");
	FAILS(CONFIG, store_open(folder, &other, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_null(other);
}

/* Whatever stands in the rows, reading and changing them ends with an error and not with the process. */
static void corrupt_rows(void **state)
{
	static const char *const order_sql[] = {
		"UPDATE orders SET state = 5",
		"UPDATE orders SET state = -1",
		"UPDATE orders SET authzs = x''",
		"UPDATE orders SET authzs = x'0011'",
		"UPDATE orders SET authzs = zeroblob(16 * 101)",
		"UPDATE orders SET account = x'01'",
		"UPDATE orders SET serial = x'01'",
	};
	static const char *const read_sql[] = {
		"UPDATE orders SET identifiers = x''",
		"UPDATE orders SET identifiers = zeroblob(7)",
		"UPDATE orders SET identifiers = x'0000ffffffff00'",
		"UPDATE orders SET identifiers = x'090000000000'",
		"UPDATE orders SET identifiers = x'000200000000'",
	};
	static const char *const authz_sql[] = {
		"UPDATE authzs SET state = 99",
		"UPDATE authzs SET order_id = x'00'",
		"UPDATE authzs SET challenges = x''",
		"UPDATE authzs SET challenges = x'ff'",
		"UPDATE authzs SET challenges = x'0100'",
		"UPDATE authzs SET challenges = zeroblob(70000)",
		"UPDATE authzs SET challenges = x'01ff00000000000000000000000000000000'",
		"DELETE FROM orders",
	};
	struct store_order o;
	struct store_authz z;

	(void)state;
	for (uint32_t i = 0; i < sizeof order_sql / sizeof *order_sql + sizeof read_sql / sizeof *read_sql; i++) {
		bool head = i < sizeof order_sql / sizeof *order_sql;
		sample_make(&a, 1, 50 + i, 1);
		OK(sample_add(store, &a, NULL));
		run_sql(head ? order_sql[i] : read_sql[i - sizeof order_sql / sizeof *order_sql]);
		FAILS(STORE, store_get_order(store, arena, a.order.id, &o, NULL));
		if (head && i != 5) /* the account is not looked at there */
			FAILS(STORE, store_begin_finalize(store, a.order.id, a.finalize, NULL));
		run_sql("DELETE FROM orders");
	}
	for (uint32_t i = 0; i < sizeof authz_sql / sizeof *authz_sql; i++) {
		bool row = i + 1 < sizeof authz_sql / sizeof *authz_sql;
		struct store_validation v;
		sample_make(&a, 1, 80 + i, 1);
		OK(sample_add(store, &a, NULL));
		OK(store_begin_challenge(store, a.authz_ids[0], HTTP_01, NULL));
		run_sql(authz_sql[i]);
		v = sample_validation(&a, 0, true);
		assert_int_equal(store_end_challenge(store, &v, NULL), row ? ERR_STORE : ERR_NOT_FOUND);
		if (row)
			FAILS(STORE, store_get_authz(store, arena, a.authz_ids[0], &z, NULL));
		run_sql("DELETE FROM authzs");
	}
}

/* Every byte of the encoded columns changed, one at a time: any answer, but no crash. */
static void every_byte_of_the_blobs(void **state)
{
	char sql[256];
	struct store_order o;
	struct store_authz z;

	(void)state;
	OK(sample_add(store, &a, NULL));
	for (int at = 1; at <= 60; at++) {
		static const char *const columns[3][2] = { { "orders", "identifiers" }, { "authzs", "identifier" },
			{ "authzs", "challenges" } };
		for (int c = 0; c < 3; c++) {
			snprintf(sql, sizeof sql,
			    "CREATE TEMP TABLE t AS SELECT %s AS v FROM %s;"
			    "UPDATE %s SET %s = CAST(substr(%s, 1, %d) || x'ff' || substr(%s, %d) AS BLOB)",
			    columns[c][1], columns[c][0], columns[c][0], columns[c][1], columns[c][1], at - 1, columns[c][1], at + 1);
			run_sql(sql);
		}
		arena_reset(arena);
		(void)!store_get_order(store, arena, a.order.id, &o, NULL);
		(void)!store_get_authz(store, arena, a.authz_ids[0], &z, NULL);
		run_sql("DELETE FROM orders; DELETE FROM authzs");
		OK(sample_add(store, &a, NULL));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(newer_schema_is_refused, open_all, close_all),
		cmocka_unit_test_setup_teardown(corrupt_rows, open_all, close_all),
		cmocka_unit_test_setup_teardown(every_byte_of_the_blobs, open_all, close_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
