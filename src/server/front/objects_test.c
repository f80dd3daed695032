#include "server/front/objects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

#define NOW_S 1800000000

/* Time ends what is open, and nothing else (RFC 8555 §7.1.6). */
static void orders_end_with_their_time(void **state)
{
	(void)state;
	for (unsigned s = 0; s < ORDER__MAX; s++) {
		bool open = s == ORDER_PENDING || s == ORDER_READY;
		struct store_order o = { .state = (enum order_state)s, .expires_s = NOW_S + 10, .holds_s = NOW_S + 10 };
		assert_int_equal(order_state_now(&o, NOW_S), s);
		assert_int_equal(order_state_now(&o, NOW_S + 9), s);
		assert_int_equal(order_state_now(&o, NOW_S + 10), open ? ORDER_INVALID : s);
		o.holds_s = NOW_S; /* one of its authorizations ends earlier */
		assert_int_equal(order_state_now(&o, NOW_S - 1), s);
		assert_int_equal(order_state_now(&o, NOW_S), open ? ORDER_INVALID : s);
		o.holds_s = 0; /* one was deactivated */
		assert_int_equal(order_state_now(&o, NOW_S), open ? ORDER_INVALID : s);
	}
}

static void authorizations_expire(void **state)
{
	(void)state;
	for (unsigned s = 0; s < AUTHZ__MAX; s++) {
		bool open = s == AUTHZ_PENDING || s == AUTHZ_VALID;
		struct store_authz z = { .state = (enum authz_state)s, .expires_s = NOW_S };
		assert_int_equal(authz_state_now(&z, NOW_S - 1), s);
		assert_int_equal(authz_state_now(&z, NOW_S), open ? AUTHZ_EXPIRED : s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(orders_end_with_their_time), cmocka_unit_test(authorizations_expire) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
