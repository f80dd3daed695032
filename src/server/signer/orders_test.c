/* The table of orders that have their certificate. */
#include "server/signer/orders.h"

#include "base/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR_MS INT64_C(3600000)

/* Any id of this time. */
static struct order_done done_at(int64_t time_ms, uint32_t i)
{
	struct order_done d = { .segment = 1 + i, .offset = i };

	order_id_make(time_ms, BYTES_LIT("newOrder"), d.order);
	memset(d.csr_digest, (int)(i & 0xff), sizeof d.csr_digest);
	return d;
}

static void add(struct orders *o, const struct order_done *d)
{
	struct err e = { 0 };

	assert_int_equal(orders_reserve(o, d->order, 1, &e), ERR_OK);
	orders_add(o, d);
}

static void finds_what_was_added(void **state)
{
	enum { MANY = 5000 };
	CLEANUP(orders_free_p) struct orders *o = orders_new();
	static struct order_done d[MANY];

	(void)state;
	assert_non_null(o);
	for (uint32_t i = 0; i < MANY; i++) {
		d[i] = done_at(1000 * HOUR_MS + (int64_t)i * 5000, i);
		assert_null(orders_find(o, d[i].order));
		add(o, &d[i]);
	}
	assert_int_equal(orders_count(o), MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		const struct order_done *got = orders_find(o, d[i].order);
		assert_non_null(got);
		assert_int_equal(got->segment, d[i].segment);
		assert_int_equal(got->offset, d[i].offset);
		assert_memory_equal(got->csr_digest, d[i].csr_digest, sizeof d[i].csr_digest);
	}
}

static void the_first_stays(void **state)
{
	CLEANUP(orders_free_p) struct orders *o = orders_new();
	struct order_done d = done_at(HOUR_MS, 1), again = d;

	(void)state;
	again.segment = 9;
	add(o, &d);
	add(o, &again);
	assert_int_equal(orders_count(o), 1);
	assert_int_equal(orders_find(o, d.order)->segment, 2);
}

/* Nothing is forgotten within the longest time that an order may be used, both skews counted in. */
static void forgets_whole_hours_and_never_too_early(void **state)
{
	CLEANUP(orders_free_p) struct orders *o = orders_new();
	struct order_done d[40];
	struct err e = { 0 };

	(void)state;
	for (uint32_t h = 0; h < 40; h++) {
		d[h] = done_at(500 * HOUR_MS + h * HOUR_MS + 1234, h);
		add(o, &d[h]);
		for (uint32_t back = 0; back <= 10 && back <= h; back++)
			assert_non_null(orders_find(o, d[h - back].order));
	}
	assert_int_equal(orders_count(o), ORDERS_HOURS);
	assert_null(orders_find(o, d[0].order));
	assert_null(orders_find(o, d[40 - ORDERS_HOURS - 1].order));
	/* One so old does not push out a newer one. */
	assert_int_equal(orders_reserve(o, d[0].order, 1, &e), ERR_BUSY);
	orders_add(o, &d[0]);
	assert_null(orders_find(o, d[0].order));
	assert_non_null(orders_find(o, d[39].order));
}

static void refuses_more_than_an_hour_holds(void **state)
{
	CLEANUP(orders_free_p) struct orders *o = orders_new();
	struct order_done d = done_at(HOUR_MS, 1);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(orders_reserve(o, d.order, (size_t)ORDERS_PER_HOUR + 1, &e), ERR_BUSY);
	assert_int_equal(orders_reserve(o, d.order, 64, &e), ERR_OK);
	assert_null(orders_find(o, d.order));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_added),
		cmocka_unit_test(the_first_stays),
		cmocka_unit_test(forgets_whole_hours_and_never_too_early),
		cmocka_unit_test(refuses_more_than_an_hour_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
