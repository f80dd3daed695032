#include "server/signer/entries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Serial numbers that come in no order: a multiplier that is odd gives each number once. */
static struct revoked_entry entry(uint32_t i)
{
	uint32_t mixed = i * UINT32_C(2654435761);
	struct revoked_entry n = { .serial = { 2, (uint8_t)(mixed >> 24), (uint8_t)(mixed >> 16), (uint8_t)(mixed >> 8), (uint8_t)mixed },
		.time_s = i,
		.not_after_s = 1000 + i };

	return n;
}

static void found_in_any_order(void **state)
{
	struct entries x = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		struct revoked_entry n = entry(i);
		assert_null(entries_find(&x, n.serial));
		assert_int_equal(entries_add(&x, &n, NULL), ERR_OK);
		assert_int_equal(entries_find(&x, n.serial)->time_s, i);
	}
	assert_true(x.n - x.sorted <= ENTRIES_TAIL);
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(entries_find(&x, entry(i).serial)->time_s, i);
	entries_settle(&x);
	assert_int_equal(x.sorted, 5000);
	for (size_t i = 1; i < x.n; i++)
		assert_true(memcmp(x.v[i - 1].serial, x.v[i].serial, SERIAL_SIZE) < 0);
	entries_settle(&x);
	assert_int_equal(x.n, 5000);
	entries_free(&x);
	entries_settle(&x); /* an empty one */
	assert_null(entries_find(&x, entry(1).serial));
}

static bool keeps_late(void *ctx, const struct revoked_entry *n)
{
	return n->not_after_s >= *(int64_t *)ctx;
}

static void what_is_over_is_forgotten(void **state)
{
	int64_t from_s = 1700;
	struct entries x = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		struct revoked_entry n = entry(i);
		assert_int_equal(entries_add(&x, &n, NULL), ERR_OK);
	}
	entries_keep(&x, keeps_late, &from_s);
	assert_int_equal(x.n, 300);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(entries_find(&x, entry(i).serial) != NULL, i >= 700);
	entries_free(&x);
}

/* What a million takes is what they are, and at most a quarter more. */
static void memory_is_what_they_are(void **state)
{
	struct entries x = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 1000000; i++) {
		struct revoked_entry n = entry(i);
		assert_int_equal(entries_add(&x, &n, NULL), ERR_OK);
	}
	assert_int_equal(x.n, 1000000);
	assert_true(x.capacity <= 1250016);
	assert_true(sizeof(struct revoked_entry) <= 40);
	entries_free(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_in_any_order),
		cmocka_unit_test(what_is_over_is_forgotten),
		cmocka_unit_test(memory_is_what_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
