#include "server/store/inflight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

#define T0 CHALLENGE_TYPE_HTTP_01
#define T1 CHALLENGE_TYPE_DNS_01

static struct inflight *f;

static int make(void **state)
{
	(void)state;
	f = inflight_new();
	return f ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	inflight_free(f);
	return 0;
}

/* home: where the table puts it first; n tells those with the same home apart. */
static const uint8_t *id(uint32_t home, uint32_t n)
{
	static uint8_t out[4][STORE_AUTHZ_ID];
	static unsigned turn;
	uint8_t *p = out[turn++ % 4];

	memset(p, 0, STORE_AUTHZ_ID);
	memcpy(p, &n, sizeof n);
	memcpy(p + STORE_AUTHZ_ID - sizeof home, &home, sizeof home);
	return p;
}

static void claims(void **state)
{
	(void)state;
	assert_int_equal(inflight_types(f, id(1, 1)), 0);
	assert_int_equal(inflight_claim(f, id(1, 1), T0, NULL), ERR_OK);
	assert_int_equal(inflight_claim(f, id(1, 1), T0, NULL), ERR_CONFLICT);
	assert_int_equal(inflight_claim(f, id(1, 2), T0, NULL), ERR_OK);
	assert_int_equal(inflight_types(f, id(1, 1)), 1u << T0);
	inflight_abandon(f, id(1, 1), T0);
	inflight_abandon(f, id(1, 1), T0);
	assert_int_equal(inflight_types(f, id(1, 1)), 0);
	assert_int_equal(inflight_types(f, id(1, 2)), 1u << T0);
}

/* One authorization has one validation at a time, of whichever type; an end of another type does not touch it. */
static void one_type_at_a_time(void **state)
{
	(void)state;
	assert_int_equal(inflight_claim(f, id(1, 1), T1, NULL), ERR_OK);
	assert_int_equal(inflight_claim(f, id(1, 1), T0, NULL), ERR_CONFLICT);
	assert_int_equal(inflight_begin_end(f, id(1, 1), T0, NULL), ERR_CONFLICT);
	inflight_abandon(f, id(1, 1), T0);
	inflight_end(f, id(1, 1), T0);
	assert_int_equal(inflight_types(f, id(1, 1)), 1u << T1);
	inflight_abandon(f, id(1, 1), T1);
	assert_int_equal(inflight_claim(f, id(1, 1), T0, NULL), ERR_OK);
	assert_int_equal(inflight_types(f, id(1, 1)), 1u << T0);
}

static void ends(void **state)
{
	(void)state;
	assert_int_equal(inflight_begin_end(f, id(5, 1), T0, NULL), ERR_CONFLICT);
	assert_int_equal(inflight_claim(f, id(5, 1), T0, NULL), ERR_OK);
	assert_int_equal(inflight_begin_end(f, id(5, 1), T0, NULL), ERR_OK);
	assert_int_equal(inflight_begin_end(f, id(5, 1), T0, NULL), ERR_CONFLICT);
	/* it does not take away what is being stored */
	inflight_abandon(f, id(5, 1), T0);
	assert_int_equal(inflight_claim(f, id(5, 1), T0, NULL), ERR_CONFLICT);
	inflight_cancel_end(f, id(5, 1), T0);
	assert_int_equal(inflight_begin_end(f, id(5, 1), T0, NULL), ERR_OK);
	inflight_end(f, id(5, 1), T0);
	assert_int_equal(inflight_types(f, id(5, 1)), 0);
	inflight_end(f, id(5, 1), T0);
	inflight_cancel_end(f, id(5, 1), T0);
	assert_int_equal(inflight_claim(f, id(5, 1), T0, NULL), ERR_OK);
}

/* A run of neighbours over the table's end: whichever goes, the others are still found. */
static void holes_close(void **state)
{
	enum { RUN = 6 };
	const uint32_t last = 2 * INFLIGHT_MAX - 3;

	(void)state;
	for (uint32_t mask = 0; mask < 1u << RUN; mask++) {
		for (uint32_t i = 0; i < RUN; i++)
			assert_int_equal(inflight_claim(f, id(last + i / 2 % 4, i), T0, NULL), ERR_OK);
		for (uint32_t i = 0; i < RUN; i++)
			if (mask & 1u << i)
				inflight_abandon(f, id(last + i / 2 % 4, i), T0);
		for (uint32_t i = 0; i < RUN; i++)
			assert_int_equal(inflight_types(f, id(last + i / 2 % 4, i)), mask & 1u << i ? 0 : 1u << T0);
		for (uint32_t i = 0; i < RUN; i++)
			inflight_abandon(f, id(last + i / 2 % 4, i), T0);
		for (uint32_t i = 0; i < RUN; i++)
			assert_int_equal(inflight_types(f, id(last + i / 2 % 4, i)), 0);
	}
}

static void abandoning_spares_the_ending(void **state)
{
	const uint32_t last = 2 * INFLIGHT_MAX - 1;

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(inflight_claim(f, id(last, i), T0, NULL), ERR_OK);
		if (i % 3 == 0)
			assert_int_equal(inflight_begin_end(f, id(last, i), T0, NULL), ERR_OK);
	}
	for (uint32_t i = 0; i < 100; i++)
		inflight_abandon(f, id(last, i), T0);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(inflight_types(f, id(last, i)), i % 3 == 0 ? 1u << T0 : 0);
}

static void full_is_busy(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < INFLIGHT_MAX; i++)
		assert_int_equal(inflight_claim(f, id(i * 2654435761u, i), T0, NULL), ERR_OK);
	assert_int_equal(inflight_claim(f, id(7, INFLIGHT_MAX), T0, NULL), ERR_BUSY);
	assert_int_equal(inflight_claim(f, id(0, 0), T0, NULL), ERR_CONFLICT);
	inflight_abandon(f, id(0, 0), T0);
	assert_int_equal(inflight_claim(f, id(7, INFLIGHT_MAX), T0, NULL), ERR_OK);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, make, unmake)
	const struct CMUnitTest tests[] = { T(claims), T(one_type_at_a_time), T(ends), T(holes_close), T(abandoning_spares_the_ending),
		T(full_is_busy) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
