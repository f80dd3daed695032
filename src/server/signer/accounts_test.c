#include "server/signer/accounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct accounts *a;

struct thumb {
	uint8_t v[SHA256_SIZE];
};

static struct thumb thumb(uint32_t n)
{
	struct thumb t;

	sha256_one((struct bytes){ (const uint8_t *)&n, sizeof n }, t.v);
	return t;
}
#define T(n) (thumb(n).v)

static enum err_code speaks_for(uint32_t key, uint32_t account)
{
	uint8_t id[SHA256_SIZE];
	enum err_code rc = accounts_speaking(a, T(key), id, NULL);

	if (rc == ERR_OK)
		assert_memory_equal(id, T(account), SHA256_SIZE);
	return rc;
}

static void reserve(size_t n)
{
	assert_int_equal(accounts_reserve(a, n, NULL), ERR_OK);
}

static void an_unknown_key_is_its_own_account(void **state)
{
	(void)state;
	assert_int_equal(speaks_for(1, 1), ERR_OK);
	assert_null(accounts_of_key(a, T(1)));
	assert_true(accounts_owns(a, T(1), T(1)));
	assert_false(accounts_owns(a, T(1), T(2)));
	assert_false(accounts_rolled(a, T(1), T(1), T(2)));
}

/* RFC 8555 §7.3.5: the account stays, its key is another. */
static void a_rollover_moves_the_account_to_the_new_key(void **state)
{
	(void)state;
	reserve(2);
	accounts_roll(a, T(1), T(2));
	assert_int_equal(speaks_for(2, 1), ERR_OK);
	assert_int_equal(speaks_for(1, 1), ERR_UNAUTHORIZED);
	assert_true(accounts_rolled(a, T(1), T(1), T(2)));
	accounts_roll(a, T(1), T(3));
	assert_int_equal(speaks_for(3, 1), ERR_OK);
	assert_int_equal(speaks_for(2, 1), ERR_UNAUTHORIZED);
	assert_int_equal(speaks_for(1, 1), ERR_UNAUTHORIZED);
	for (uint32_t key = 1; key <= 3; key++)
		assert_true(accounts_owns(a, T(1), T(key)));
	assert_false(accounts_owns(a, T(2), T(2)));
	assert_true(accounts_rolled(a, T(1), T(2), T(3)));
	assert_false(accounts_rolled(a, T(1), T(1), T(3)));
	assert_false(accounts_rolled(a, T(2), T(2), T(3)));
	assert_int_equal(accounts_count(a), 1);
	assert_int_equal(accounts_keys(a), 3);
}

/* §7.3.6: for good, by whichever key. */
static void a_deactivated_account_speaks_by_no_key(void **state)
{
	(void)state;
	reserve(2);
	accounts_roll(a, T(1), T(2));
	accounts_deactivate(a, T(1));
	assert_int_equal(speaks_for(1, 1), ERR_UNAUTHORIZED);
	assert_int_equal(speaks_for(2, 1), ERR_UNAUTHORIZED);
	reserve(1);
	accounts_deactivate(a, T(7));
	assert_int_equal(speaks_for(7, 7), ERR_UNAUTHORIZED);
	assert_int_equal(speaks_for(8, 8), ERR_OK);
}

static void a_binding_stays_with_the_account(void **state)
{
	static const uint8_t kid[ACCOUNT_KID_SIZE] = "0123456789", other[ACCOUNT_KID_SIZE] = "9876543210";

	(void)state;
	reserve(3);
	accounts_bind(a, T(1), kid);
	accounts_roll(a, T(1), T(2));
	accounts_bind(a, T(1), other);
	const struct account_known *k = accounts_of_key(a, T(2));
	assert_true(k->bound);
	assert_memory_equal(k->kid, kid, sizeof kid);
	assert_memory_equal(k->id, T(1), SHA256_SIZE);
}

static void many_accounts_stay_apart(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3000; i++) {
		reserve(1);
		accounts_roll(a, T(2 * i), T(2 * i + 1));
	}
	for (uint32_t i = 0; i < 3000; i++) {
		assert_int_equal(speaks_for(2 * i + 1, 2 * i), ERR_OK);
		assert_int_equal(speaks_for(2 * i, 2 * i), ERR_UNAUTHORIZED);
	}
	assert_int_equal(accounts_count(a), 3000);
	assert_int_equal(accounts_keys(a), 6000);
}

static void too_many_are_refused_before_they_are_logged(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(accounts_reserve(a, ACCOUNTS_MAX, &e), ERR_BUSY);
	assert_int_equal(accounts_reserve(a, 1, NULL), ERR_OK);
}

static int setup(void **state)
{
	(void)state;
	crypto_init();
	a = accounts_new();
	return a ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	accounts_free(a);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_unknown_key_is_its_own_account, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rollover_moves_the_account_to_the_new_key, setup, teardown),
		cmocka_unit_test_setup_teardown(a_deactivated_account_speaks_by_no_key, setup, teardown),
		cmocka_unit_test_setup_teardown(a_binding_stays_with_the_account, setup, teardown),
		cmocka_unit_test_setup_teardown(many_accounts_stay_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_are_refused_before_they_are_logged, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
