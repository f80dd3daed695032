#include "server/front/nonce.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct nonces *make(void)
{
	struct nonces *n = NULL;

	assert_int_equal(nonces_new(&n, NULL), ERR_OK);
	return n;
}

static void a_nonce_is_good_once(void **state)
{
	struct nonces *n = make();
	char a[NONCE_LEN + 1], b[NONCE_LEN + 1];

	(void)state;
	nonce_make(n, a);
	nonce_make(n, b);
	assert_string_not_equal(a, b);
	assert_int_equal(nonce_use(n, bytes_str(b), NULL), ERR_OK); /* in any order */
	assert_int_equal(nonce_use(n, bytes_str(a), NULL), ERR_OK);
	assert_int_equal(nonce_use(n, bytes_str(a), NULL), ERR_BAD_NONCE);
	assert_int_equal(nonce_use(n, bytes_str(b), NULL), ERR_BAD_NONCE);
	nonces_free(n);
}

static void foreign_and_changed_nonces_are_refused(void **state)
{
	struct nonces *n = make(), *other = make();
	char a[NONCE_LEN + 1];

	(void)state;
	nonce_make(other, a);
	assert_int_equal(nonce_use(n, bytes_str(a), NULL), ERR_BAD_NONCE);
	nonce_make(n, a);
	for (size_t i = 0; i < NONCE_LEN; i++) {
		char saved = a[i];
		a[i] = saved == 'A' ? 'Q' : 'A';
		assert_int_equal(nonce_use(n, bytes_str(a), NULL), ERR_BAD_NONCE);
		a[i] = saved;
	}
	assert_int_equal(nonce_use(n, BYTES_LIT(""), NULL), ERR_BAD_NONCE);
	assert_int_equal(nonce_use(n, BYTES_LIT("AAAAAAAAAAAAAAAAAAAAAA"), NULL), ERR_BAD_NONCE);
	assert_int_equal(nonce_use(n, bytes_str(a), NULL), ERR_OK);
	nonces_free(n);
	nonces_free(other);
}

static void what_leaves_the_window_is_refused(void **state)
{
	struct nonces *n = make();
	char oldest[NONCE_LEN + 1], next[NONCE_LEN + 1], any[NONCE_LEN + 1];

	(void)state;
	nonce_make(n, oldest);
	nonce_make(n, next);
	for (unsigned i = 0; i < NONCE_WINDOW - 1; i++)
		nonce_make(n, any);
	assert_int_equal(nonce_use(n, bytes_str(oldest), NULL), ERR_BAD_NONCE);
	assert_int_equal(nonce_use(n, bytes_str(next), NULL), ERR_OK);
	nonces_free(n);
}

struct racer {
	struct nonces *n;
	const char (*nonces)[NONCE_LEN + 1];
	unsigned won;
};

#define RACE 2000

static void *race(void *ctx)
{
	struct racer *r = ctx;

	for (unsigned i = 0; i < RACE; i++)
		r->won += nonce_use(r->n, bytes_str(r->nonces[i]), NULL) == ERR_OK;
	return NULL;
}

static void of_two_who_use_it_one_wins(void **state)
{
	static char nonces[RACE][NONCE_LEN + 1];
	struct nonces *n = make();
	struct racer racers[2] = { { n, (const char(*)[NONCE_LEN + 1]) nonces, 0 }, { n, (const char(*)[NONCE_LEN + 1]) nonces, 0 } };
	pthread_t threads[2];

	(void)state;
	for (unsigned i = 0; i < RACE; i++)
		nonce_make(n, nonces[i]);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(racers[0].won + racers[1].won, RACE);
	nonces_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_nonce_is_good_once),
		cmocka_unit_test(foreign_and_changed_nonces_are_refused), cmocka_unit_test(what_leaves_the_window_is_refused),
		cmocka_unit_test(of_two_who_use_it_one_wins) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
