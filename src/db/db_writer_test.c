#include "db/db_fault.h"
#include "db/db_pool.h"
#include "db/db_test_folder.h"
#include "db/db_writer.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

static char folder[TEST_FOLDER_SIZE], path[TEST_FOLDER_SIZE + 16];
static struct db_writer *writer;
static struct db_pool *pool;

static int open_all(void **state)
{
	static const struct db_migration step = { "001", "CREATE TABLE a (k INTEGER PRIMARY KEY) STRICT;" };
	struct db *db;

	(void)state;
	test_folder_make(folder);
	snprintf(path, sizeof path, "%s/t.db", folder);
	assert_int_equal(db_open(path, DB_READ_WRITE, &db, NULL), ERR_OK);
	assert_int_equal(db_migrate(db, &step, 1, NULL), ERR_OK);
	assert_int_equal(db_pool_new(path, 2, &pool, NULL), ERR_OK);
	assert_int_equal(db_writer_new(db, 100, &writer, NULL), ERR_OK);
	db_fault_arm(0, DB_FAULT_ONCE);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	db_fault_arm(0, DB_FAULT_ONCE);
	db_pool_free(pool);
	db_writer_free(writer);
	test_folder_clear(folder, 1);
	db_fault_reset();
	return 0;
}

static enum err_code insert(struct db *db, int64_t k, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t n;

	TRY(db_prepare(db, "INSERT INTO a (k) VALUES ($1)", &st, e));
	db_bind_int(st, 1, k);
	return db_run(st, &n, e);
}

static enum err_code insert_unit(struct db *db, void *ctx, struct err *e)
{
	return insert(db, *(int64_t *)ctx, e);
}

/* Writes, and only then finds that it does not want to. */
static enum err_code refusing_unit(struct db *db, void *ctx, struct err *e)
{
	TRY(insert(db, *(int64_t *)ctx, e));
	TRY(insert(db, *(int64_t *)ctx + 1000, e));
	FAIL(e, UNAUTHORIZED, "no");
}

static enum err_code sum_unit(struct db *db, void *ctx, struct err *e)
{
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	int64_t *ret = ctx;
	bool row;

	TRY(db_prepare(db, "SELECT count(*), coalesce(sum(k), 0) FROM a", &st, e));
	TRY(db_step(st, &row, e));
	ret[0] = db_int(st, 0);
	ret[1] = db_int(st, 1);
	return ERR_OK;
}

static void assert_rows(int64_t count, int64_t sum)
{
	int64_t got[2];

	assert_int_equal(db_pool_read(pool, sum_unit, got, NULL), ERR_OK);
	assert_int_equal(got[0], count);
	assert_int_equal(got[1], sum);
}

/* Holds the writer's thread until the test has queued what it wants in one batch. */
struct gate {
	sem_t entered, leave;
};

static enum err_code gate_unit(struct db *db, void *ctx, struct err *e)
{
	struct gate *g = ctx;

	(void)db, (void)e;
	sem_post(&g->entered);
	sem_wait(&g->leave);
	return ERR_OK;
}

/* A caller in a thread of its own. */
struct call {
	pthread_t thread;
	db_unit *unit;
	void *ctx;
	enum err_code rc;
	struct err e;
};

static void *call_main(void *arg)
{
	struct call *c = arg;

	c->rc = db_writer_run(writer, c->unit, c->ctx, &c->e);
	return NULL;
}

static void call_start(struct call *c, db_unit *unit, void *ctx)
{
	*c = (struct call){ .unit = unit, .ctx = ctx };
	assert_int_equal(pthread_create(&c->thread, NULL, call_main, c), 0);
}

static enum err_code call_end(struct call *c)
{
	pthread_join(c->thread, NULL);
	return c->rc;
}

static void gate_close(struct gate *g, struct call *c)
{
	sem_init(&g->entered, 0, 0);
	sem_init(&g->leave, 0, 0);
	call_start(c, gate_unit, g);
	sem_wait(&g->entered);
}

static void gate_open(struct gate *g, struct call *c)
{
	sem_post(&g->leave);
	assert_int_equal(call_end(c), ERR_OK);
	sem_destroy(&g->entered);
	sem_destroy(&g->leave);
}

static void one_unit(void **state)
{
	int64_t k = 7;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(db_writer_run(writer, insert_unit, &k, &e), ERR_OK);
	assert_rows(1, 7);
	assert_int_equal(db_writer_run(writer, insert_unit, &k, &e), ERR_CONFLICT);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_int_equal(db_writer_run(writer, refusing_unit, &(int64_t){ 8 }, NULL), ERR_UNAUTHORIZED);
	assert_rows(1, 7);
}

#define WAITING 9

/* The writer stands at the gate, so what is queued stays queued. */
static void wait_for_queue(size_t n)
{
	while (db_writer_waiting(writer) != n)
		usleep(1000);
}

static void start_waiting(struct call calls[WAITING], int64_t keys[WAITING], db_unit *third)
{
	for (int i = 0; i < WAITING; i++) {
		keys[i] = i + 1;
		call_start(&calls[i], i == 2 ? third : insert_unit, &keys[i]);
	}
	wait_for_queue(WAITING);
}

/* Units that wait together share one sync; the one that fails takes nobody with it. */
static void batch_shares_a_commit(void **state)
{
	struct gate g;
	struct call at_gate, calls[WAITING];
	int64_t keys[WAITING];

	(void)state;
	gate_close(&g, &at_gate);
	start_waiting(calls, keys, refusing_unit);
	db_fault_arm(0, DB_FAULT_ONCE);
	sem_post(&g.leave);
	for (int i = 0; i < WAITING; i++)
		assert_int_equal(call_end(&calls[i]), i == 2 ? ERR_UNAUTHORIZED : ERR_OK);
	assert_int_equal(calls[2].e.code, ERR_UNAUTHORIZED);
	assert_int_equal(call_end(&at_gate), ERR_OK);
	assert_rows(WAITING - 1, WAITING * (WAITING + 1) / 2 - 3);
	assert_int_equal(db_fault_syncs(), 1);
}

/* Fails every operation of the commit in turn: nothing of the batch is there, and the writer goes on. */
static void failing_commit_fails_all(void **state)
{
	(void)state;
	for (unsigned nth = 1;; nth++) {
		struct gate g;
		struct call at_gate, calls[WAITING];
		int64_t keys[WAITING], before[2];

		assert_int_equal(db_pool_read(pool, sum_unit, before, NULL), ERR_OK);
		gate_close(&g, &at_gate);
		start_waiting(calls, keys, refusing_unit);
		db_fault_arm(nth, DB_FAULT_ONCE);
		sem_post(&g.leave);
		enum err_code gate_rc = call_end(&at_gate);
		for (int i = 0; i < WAITING; i++)
			call_end(&calls[i]);
		if (gate_rc == ERR_OK)
			break; /* the commit has fewer operations than nth */
		assert_int_equal(gate_rc, ERR_STORE);
		for (int i = 0; i < WAITING; i++) {
			assert_int_equal(calls[i].rc, ERR_STORE);
			assert_int_equal(calls[i].e.code, ERR_STORE);
			assert_non_null(strstr(calls[i].e.detail, "SQLite"));
		}
		assert_rows(before[0], before[1]);
	}
	assert_rows(WAITING - 1, WAITING * (WAITING + 1) / 2 - 3);
}

static enum err_code losing_unit(struct db *db, void *ctx, struct err *e)
{
	(void)ctx;
	db_rollback(db); /* as SQLite does by itself after some errors */
	FAIL(e, STORE, "lost");
}

static void lost_transaction_fails_all(void **state)
{
	struct gate g;
	struct call at_gate, calls[WAITING];
	int64_t keys[WAITING];

	(void)state;
	gate_close(&g, &at_gate);
	start_waiting(calls, keys, losing_unit);
	sem_post(&g.leave);
	assert_int_equal(call_end(&at_gate), ERR_STORE);
	/* those before it are lost, those after it run in the next transaction */
	int64_t count = 0, sum = 0;
	for (int i = 0; i < WAITING; i++)
		if (call_end(&calls[i]) == ERR_OK) {
			count++;
			sum += keys[i];
		} else {
			assert_int_equal(calls[i].rc, ERR_STORE);
			assert_string_equal(calls[i].e.detail, "lost");
		}
	assert_rows(count, sum);
}

static void full_queue_is_busy(void **state)
{
	struct db *db;
	struct gate g;
	struct call at_gate, calls[2];
	int64_t keys[2] = { 1, 2 };
	struct err e = { 0 };

	(void)state;
	db_writer_free(writer);
	assert_int_equal(db_open(path, DB_READ_WRITE, &db, NULL), ERR_OK);
	assert_int_equal(db_writer_new(db, 2, &writer, NULL), ERR_OK);
	gate_close(&g, &at_gate);
	for (int i = 0; i < 2; i++)
		call_start(&calls[i], insert_unit, &keys[i]);
	wait_for_queue(2);
	assert_int_equal(db_writer_run(writer, insert_unit, &(int64_t){ 3 }, &e), ERR_BUSY);
	assert_int_equal(e.code, ERR_BUSY);
	gate_open(&g, &at_gate);
	assert_int_equal(call_end(&calls[0]), ERR_OK);
	assert_int_equal(call_end(&calls[1]), ERR_OK);
	assert_int_equal(db_writer_run(writer, insert_unit, &(int64_t){ 3 }, &e), ERR_OK);
	assert_rows(3, 6);
}

static void *close_main(void *arg)
{
	(void)arg;
	db_writer_free(writer);
	return NULL;
}

static void closing_ends_what_waits(void **state)
{
	struct gate g;
	struct call at_gate, calls[WAITING];
	int64_t keys[WAITING];
	pthread_t closer;

	(void)state;
	gate_close(&g, &at_gate);
	start_waiting(calls, keys, insert_unit);
	assert_int_equal(pthread_create(&closer, NULL, close_main, NULL), 0);
	usleep(20000);
	gate_open(&g, &at_gate);
	for (int i = 0; i < WAITING; i++)
		assert_int_equal(call_end(&calls[i]), ERR_OK);
	pthread_join(closer, NULL);
	writer = NULL;
	assert_rows(WAITING, WAITING * (WAITING + 1) / 2);
}

#define THREADS  8
#define PER_EACH 300

static void *hammer_main(void *arg)
{
	int64_t base = (int64_t)(intptr_t)arg * 10000;
	int64_t got[2];
	struct err e;
	intptr_t wrong = 0;

	for (int64_t i = 1; i <= PER_EACH; i++) {
		int64_t k = base + i;
		if (i % 3 == 0)
			wrong += db_writer_run(writer, refusing_unit, &k, &e) != ERR_UNAUTHORIZED;
		else
			wrong += db_writer_run(writer, insert_unit, &k, &e) != ERR_OK;
		if (i % 10 == 0) /* what was committed before is seen, by whatever reader */
			wrong += db_pool_read(pool, sum_unit, got, &e) != ERR_OK || got[0] < i - i / 3;
	}
	return (void *)wrong;
}

static void many_threads(void **state)
{
	pthread_t threads[THREADS];
	int64_t count = 0, sum = 0;

	(void)state;
	for (intptr_t t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, hammer_main, (void *)t), 0);
	for (int t = 0; t < THREADS; t++) {
		void *wrong;
		pthread_join(threads[t], &wrong);
		assert_null(wrong);
		for (int64_t i = 1; i <= PER_EACH; i++)
			if (i % 3 != 0) {
				count++;
				sum += t * 10000 + i;
			}
	}
	assert_rows(count, sum);
}

/* More rows than db_tend() lets lie in the WAL: it does not grow for ever. */
static void wal_is_emptied(void **state)
{
	char wal[sizeof path + 4];
	long size;

	(void)state;
	for (int64_t k = 1; k <= 2500; k++)
		assert_int_equal(db_writer_run(writer, insert_unit, &k, NULL), ERR_OK);
	snprintf(wal, sizeof wal, "%s-wal", path);
	FILE *f = fopen(wal, "r");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size = ftell(f);
	fclose(f);
	assert_in_range(size, 1, 1100 * 8300);
	assert_rows(2500, 2500 * 2501 / 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
	const struct CMUnitTest tests[] = {
		T(one_unit),
		T(batch_shares_a_commit),
		T(failing_commit_fails_all),
		T(lost_transaction_fails_all),
		T(full_queue_is_busy),
		T(closing_ends_what_waits),
		T(many_threads),
		T(wal_is_emptied),
	};
	db_fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
