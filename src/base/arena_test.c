#include "base/arena.h"

#include "base/test_support.h"

static void memory_is_aligned_and_zero(void **state)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(64, 65536);

	(void)state;
	for (size_t n = 0; n < 300; n++) {
		uint8_t *p = arena_alloc(a, n);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xa5, n);
	}
}

/* What was used before arena_reset() must come back as zeroes, or one request would see another's data. */
static void reset_memory_is_zero_again(void **state)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(256, 256);

	(void)state;
	uint8_t *p = arena_alloc(a, 256);
	assert_non_null(p);
	memset(p, 0xff, 256);
	arena_reset(a);
	uint8_t *q = arena_alloc(a, 256);
	assert_ptr_equal(p, q);
	for (size_t i = 0; i < 256; i++)
		assert_int_equal(q[i], 0);
}

static void the_maximum_holds(void **state)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(64, 1024);
	volatile size_t huge = SIZE_MAX; /* the compiler would refuse it outright */
	size_t got = 0;

	(void)state;
	while (arena_alloc(a, 16))
		got += 16;
	assert_int_equal(got, 1024);
	assert_null(arena_alloc(a, 0));
	arena_reset(a);
	assert_null(arena_alloc(a, 1025));
	assert_null(arena_alloc(a, huge));
	assert_null(arena_alloc(a, huge - 15));
	assert_null(arena_alloc(a, 1024)); /* the first chunk is kept and counts */
	assert_non_null(arena_alloc(a, 64));
	assert_non_null(arena_alloc(a, 960));
	assert_null(arena_alloc(a, 1));
}

static void reset_gives_the_room_back(void **state)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(64, 1024);

	(void)state;
	for (int round = 0; round < 100; round++) {
		assert_non_null(arena_alloc(a, 800));
		assert_null(arena_alloc(a, 800));
		arena_reset(a);
	}
}

static void a_maximum_below_the_first_chunk_is_raised(void **state)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(100, 10);

	(void)state;
	assert_non_null(arena_alloc(a, 100));
	assert_null(arena_alloc(a, 16));
}

static void arrays_do_not_overflow(void **state)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(64, 4096);

	(void)state;
	assert_non_null(arena_array(a, 10, 8));
	assert_non_null(arena_array(a, 0, 8));
	assert_null(arena_array(a, SIZE_MAX / 8 + 2, 8)); /* 8 bytes, if the product wrapped */
	assert_null(arena_array(a, SIZE_MAX, SIZE_MAX));
	assert_null(arena_array(a, 513, 8));
}

static void copies_live_on_their_own(void **state)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(64, 4096);
	uint8_t in[] = { 'a', 0, 'b' };

	(void)state;
	struct bytes copy = arena_copy(a, BYTES_ARRAY(in));
	const char *text = arena_str(a, BYTES_LIT("order"));
	memset(in, 'x', sizeof in);
	ASSERT_TEXT(copy, "a\0b");
	assert_string_equal(text, "order");
	assert_string_equal(arena_str(a, BYTES_NONE), "");

	struct bytes empty = arena_copy(a, BYTES_NONE);
	assert_non_null(empty.ptr);
	assert_int_equal(empty.len, 0);

	uint8_t big[8192] = { 0 };
	assert_null(arena_copy(a, BYTES_ARRAY(big)).ptr);
	assert_null(arena_str(a, BYTES_ARRAY(big)));
}

static void formatting_ends_with_a_nul_that_does_not_count(void **state)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(64, 256);

	(void)state;
	struct bytes b = arena_fmt(a, "%s/%d", "acme", 17);
	ASSERT_TEXT(b, "acme/17");
	assert_int_equal(b.ptr[b.len], 0);
	ASSERT_TEXT(arena_fmt(a, "%s", ""), "");
	assert_null(arena_fmt(a, "%300d", 1).ptr);
}

static void objects_and_cleanup(void **state)
{
	struct pair {
		uint64_t a, b;
	};
	struct arena *none CLEANUP(arena_free_p) = NULL;
	struct arena *a CLEANUP(arena_free_p) = arena_new(0, 128);

	(void)state;
	struct pair *p = arena_new_obj(a, struct pair);
	assert_non_null(p);
	assert_int_equal(p->a + p->b, 0);
	struct arena *taken = TAKE(a);
	assert_null(a);
	assert_null(none);
	arena_free(taken);
	arena_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_aligned_and_zero),
		cmocka_unit_test(reset_memory_is_zero_again),
		cmocka_unit_test(the_maximum_holds),
		cmocka_unit_test(reset_gives_the_room_back),
		cmocka_unit_test(a_maximum_below_the_first_chunk_is_raised),
		cmocka_unit_test(arrays_do_not_overflow),
		cmocka_unit_test(copies_live_on_their_own),
		cmocka_unit_test(formatting_ends_with_a_nul_that_does_not_count),
		cmocka_unit_test(objects_and_cleanup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
