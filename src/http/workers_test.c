#include "http/workers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

static pthread_barrier_t barrier;

static void meet(void *ctx)
{
	(void)ctx;
	pthread_barrier_wait(&barrier);
}

/* Tasks that wait for each other: each must get a thread of its own, though threads are woken one at a time. */
static void gives_each_blocking_task_a_thread(void **state)
{
	struct workers *w = NULL;
	struct err e;

	(void)state;
	assert_int_equal(workers_new(4, 8, &w, &e), ERR_OK);
	pthread_barrier_init(&barrier, NULL, 5);
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 4; i++)
			assert_true(workers_put(w, meet, NULL));
		pthread_barrier_wait(&barrier);
	}
	workers_stop(w);
	workers_free(w);
	pthread_barrier_destroy(&barrier);
}

static int order[8];
static unsigned n_done;

static void note(void *ctx)
{
	order[n_done++] = *(int *)ctx;
}

static void is_bounded_and_in_order(void **state)
{
	struct workers *w = NULL;
	struct err e;
	int numbers[] = { 0, 1, 2, 3 };

	(void)state;
	n_done = 0;
	assert_int_equal(workers_new(1, 4, &w, &e), ERR_OK);
	pthread_barrier_init(&barrier, NULL, 2);
	/* The one thread is in the first meet when the barrier lets us through; it stays in the second. */
	assert_true(workers_put(w, meet, NULL));
	assert_true(workers_put(w, meet, NULL));
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 3; i++)
		assert_true(workers_put(w, note, &numbers[i]));
	bool fourth = workers_put(w, note, &numbers[3]); /* unless the second meet is still queued */
	assert_false(fourth && workers_put(w, note, &numbers[3]));
	pthread_barrier_wait(&barrier);
	workers_stop(w); /* runs what is queued */
	assert_false(workers_put(w, note, &numbers[0]));
	workers_free(w);
	pthread_barrier_destroy(&barrier);
	assert_int_equal(n_done, 3 + fourth);
	for (int i = 0; i < 3 + fourth; i++)
		assert_int_equal(order[i], i);
}

static _Atomic unsigned counted;

static void count(void *ctx)
{
	(void)ctx;
	atomic_fetch_add(&counted, 1);
}

static void *put_many(void *arg)
{
	struct workers *w = arg;

	for (int i = 0; i < 5000; i++)
		while (!workers_put(w, count, NULL))
			;
	return NULL;
}

static void loses_nothing(void **state)
{
	struct workers *w = NULL;
	pthread_t putting[2];
	struct err e;

	(void)state;
	assert_int_equal(workers_new(3, 16, &w, &e), ERR_OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&putting[i], NULL, put_many, w), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(putting[i], NULL);
	workers_stop(w);
	workers_free(w);
	assert_int_equal(counted, 10000);
	workers_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_each_blocking_task_a_thread),
		cmocka_unit_test(is_bounded_and_in_order),
		cmocka_unit_test(loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
