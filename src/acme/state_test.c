/* The state machines of RFC 8555 §7.1.6, walked whole. */
#include "acme/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void order_goes_only_forward(void **state)
{
	(void)state;
	assert_true(order_may(ORDER_PENDING, ORDER_READY));
	assert_true(order_may(ORDER_PENDING, ORDER_INVALID));
	assert_true(order_may(ORDER_READY, ORDER_PROCESSING));
	assert_true(order_may(ORDER_PROCESSING, ORDER_VALID));
	assert_false(order_may(ORDER_PENDING, ORDER_VALID));
	assert_false(order_may(ORDER_PENDING, ORDER_PROCESSING));
	for (unsigned to = 0; to < ORDER__MAX; to++) { /* what has ended stays so */
		assert_false(order_may(ORDER_VALID, (enum order_state)to));
		assert_false(order_may(ORDER_INVALID, (enum order_state)to));
	}
}

static void authz_never_comes_back(void **state)
{
	(void)state;
	assert_true(authz_may(AUTHZ_PENDING, AUTHZ_VALID));
	assert_true(authz_may(AUTHZ_VALID, AUTHZ_DEACTIVATED));
	for (unsigned to = 0; to < AUTHZ__MAX; to++) {
		assert_false(authz_may(AUTHZ_INVALID, (enum authz_state)to));
		assert_false(authz_may(AUTHZ_EXPIRED, (enum authz_state)to));
		assert_false(authz_may((enum authz_state)to, AUTHZ_PENDING));
	}
}

static void names_go_both_ways(void **state)
{
	enum order_state o;
	enum authz_state a;

	(void)state;
	for (unsigned i = 0; i < ORDER__MAX; i++) {
		assert_true(order_state_from_name(bytes_str(order_state_name((enum order_state)i)), &o));
		assert_int_equal(o, i);
	}
	for (unsigned i = 0; i < AUTHZ__MAX; i++) {
		assert_true(authz_state_from_name(bytes_str(authz_state_name((enum authz_state)i)), &a));
		assert_int_equal(a, i);
	}
	assert_false(order_state_from_name(BYTES_LIT("Valid"), &o));
	assert_false(authz_state_from_name(BYTES_LIT(""), &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(order_goes_only_forward), cmocka_unit_test(authz_never_comes_back),
		cmocka_unit_test(names_go_both_ways) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
