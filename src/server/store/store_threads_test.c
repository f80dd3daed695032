#include "db/db.h"
#include "db/db_test_folder.h"
#include "server/store/store_sample.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

static char folder[TEST_FOLDER_SIZE];
static struct store *store;

static int open_all(void **state)
{
	(void)state;
	test_folder_make(folder);
	assert_int_equal(store_open(folder, &store, NULL), ERR_OK);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	store_close(store);
	test_folder_clear(folder, 1);
	return 0;
}

#define OK(call) assert_int_equal((call), ERR_OK)

#define THREADS  8
#define PER_EACH 100

/* Each thread takes its own orders through to the certificate, every seventh to its failure. */
static void *issue_main(void *arg)
{
	uint32_t base = (uint32_t)(uintptr_t)arg * 100000;
	intptr_t wrong = 0;
	struct sample s;

	for (uint32_t i = 1; i <= PER_EACH; i++) {
		bool made;
		sample_make(&s, base + i % 5, base + i, 1 + i % 3);
		wrong += store_add_account(store, &s.account, &made, NULL) != ERR_OK || made != (i <= 5);
		wrong += sample_add(store, &s, NULL) != ERR_OK;
		for (size_t k = 0; k < s.order.n_identifiers; k++)
			wrong += sample_validate(store, &s, k, i % 7 != 0, NULL) != ERR_OK;
		wrong += sample_finalize(store, &s, NULL) != (i % 7 != 0 ? ERR_OK : ERR_CONFLICT);
	}
	return (void *)wrong;
}

static int64_t count_rows(const char *sql)
{
	char path[TEST_FOLDER_SIZE + 16];
	CLEANUP(db_close_p) struct db *db = NULL;
	CLEANUP(db_done_p) struct db_stmt *st = NULL;
	bool row;

	snprintf(path, sizeof path, "%s/store.db", folder);
	OK(db_open(path, DB_READ_ONLY, &db, NULL));
	OK(db_prepare(db, sql, &st, NULL));
	OK(db_step(st, &row, NULL));
	return db_int(st, 0);
}

static void run_threads(void *(*f)(void *), intptr_t *ret_sum)
{
	pthread_t threads[THREADS];

	*ret_sum = 0;
	for (uintptr_t t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, f, (void *)(t + 1)), 0);
	for (int t = 0; t < THREADS; t++) {
		void *got;
		pthread_join(threads[t], &got);
		*ret_sum += (intptr_t)got;
	}
}

static void many_threads(void **state)
{
	intptr_t wrong;
	int64_t names = 0, certificates = 0;

	(void)state;
	run_threads(issue_main, &wrong);
	assert_int_equal(wrong, 0);
	for (int i = 1; i <= PER_EACH; i++) {
		names += 1 + i % 3;
		certificates += i % 7 != 0;
	}
	assert_int_equal(count_rows("SELECT count(*) FROM accounts"), THREADS * 5);
	assert_int_equal(count_rows("SELECT count(*) FROM orders"), THREADS * PER_EACH);
	assert_int_equal(count_rows("SELECT count(*) FROM authzs"), THREADS * names);
	assert_int_equal(count_rows("SELECT count(*) FROM certificates"), THREADS * certificates);
	assert_int_equal(count_rows("SELECT count(*) FROM orders WHERE state = 3"), THREADS * certificates);
	assert_int_equal(count_rows("SELECT count(*) FROM orders WHERE state = 4"), THREADS * (PER_EACH - certificates));
}

#define RACES 100

/* All threads try each step of the same orders: exactly one of them wins each. */
static void *race_main(void *arg)
{
	intptr_t won = 0;
	struct sample s;

	(void)arg;
	for (uint32_t i = 1; i <= RACES; i++) {
		sample_make(&s, 1, i, 1);
		won += sample_add(store, &s, NULL) == ERR_OK;
		struct store_validation v = sample_validation(&s, 0, true);
		if (store_begin_challenge(store, v.authz, v.type, NULL) == ERR_OK) {
			won++;
			won += store_end_challenge(store, &v, NULL) == ERR_OK;
		}
		won += store_begin_finalize(store, s.order.id, s.finalize, NULL) == ERR_OK;
	}
	return (void *)won;
}

static void one_wins_each_race(void **state)
{
	intptr_t won;

	(void)state;
	run_threads(race_main, &won);
	assert_int_equal(won, 4 * RACES);
	assert_int_equal(count_rows("SELECT count(*) FROM orders WHERE state = 2"), RACES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(many_threads, open_all, close_all),
		cmocka_unit_test_setup_teardown(one_wins_each_race, open_all, close_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
