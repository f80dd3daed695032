#include "base/bytes.h"

#include "base/test_support.h"

#include <fcntl.h>
#include <unistd.h>

static void spans_compare(void **state)
{
	struct bytes abc = BYTES_LIT("abc");

	(void)state;
	assert_true(bytes_eq(abc, bytes_str("abc")));
	assert_false(bytes_eq(abc, BYTES_LIT("abd")));
	assert_false(bytes_eq(abc, BYTES_LIT("ab")));
	assert_true(bytes_eq(BYTES_NONE, BYTES_LIT("")));
	assert_true(bytes_eq_str(abc, "abc"));
	assert_false(bytes_eq_str(BYTES_LIT("abc\0"), "abc"));
	assert_true(bytes_cmp(abc, BYTES_LIT("abd")) < 0);
	assert_true(bytes_cmp(abc, BYTES_LIT("ab")) > 0);
	assert_true(bytes_cmp(BYTES_LIT("ab"), abc) < 0);
	assert_true(bytes_cmp(BYTES_LIT("\xff"), BYTES_LIT("a")) > 0);
	assert_int_equal(bytes_cmp(BYTES_NONE, BYTES_LIT("")), 0);
	assert_null(bytes_str(NULL).ptr);
	assert_non_null(bytes_str("").ptr);
}

static void spans_are_cut(void **state)
{
	struct bytes abc = BYTES_LIT("abc"), head = BYTES_NONE, tail = BYTES_NONE;

	(void)state;
	ASSERT_TEXT(bytes_slice(abc, 1, 2), "b");
	ASSERT_TEXT(bytes_slice(abc, 1, 99), "bc");
	ASSERT_TEXT(bytes_slice(abc, 7, 9), "");
	ASSERT_TEXT(bytes_slice(abc, 2, 1), "");
	assert_null(bytes_slice(BYTES_NONE, 1, 2).ptr);
	assert_true(bytes_starts_with(abc, BYTES_LIT("ab")));
	assert_true(bytes_starts_with(abc, BYTES_LIT("")));
	assert_false(bytes_starts_with(abc, BYTES_LIT("bc")));
	assert_false(bytes_starts_with(abc, BYTES_LIT("abcd")));
	assert_true(bytes_ends_with(abc, BYTES_LIT("bc")));
	assert_false(bytes_ends_with(abc, BYTES_LIT("ab")));
	assert_false(bytes_ends_with(abc, BYTES_LIT("0abc")));

	assert_false(bytes_split(abc, '.', &head, &tail));
	assert_null(head.ptr);
	assert_false(bytes_split(BYTES_NONE, '.', &head, &tail));
	assert_true(bytes_split(BYTES_LIT("a.b.c"), '.', &head, &tail));
	ASSERT_TEXT(head, "a");
	ASSERT_TEXT(tail, "b.c");
	assert_true(bytes_split(BYTES_LIT("."), '.', &head, &tail));
	ASSERT_TEXT(head, "");
	ASSERT_TEXT(tail, "");
}

static void a_buffer_grows_to_its_maximum_and_no_further(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(1000);

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_add_u8(&b, (uint8_t)i);
	assert_true(buf_ok(&b));
	assert_int_equal(b.len, 1000);
	assert_true(b.cap <= 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(b.ptr[i], (uint8_t)i);
	buf_add_u8(&b, 'x');
	assert_false(buf_ok(&b));
	assert_int_equal(b.len, 1000);
}

/* Else a writer that asks once at its end could have left a hole. */
static void nothing_is_added_after_a_failure(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(4);

	(void)state;
	buf_add_str(&b, "abc");
	buf_add_str(&b, "de");
	buf_add_str(&b, "f");
	buf_add_fmt(&b, "%c", 'g');
	assert_null(buf_extend(&b, 1));
	assert_false(buf_ok(&b));
	ASSERT_TEXT(buf_bytes(&b), "abc");
	buf_reset(&b);
	assert_true(buf_ok(&b));
	buf_add_str(&b, "wxyz");
	ASSERT_TEXT(buf_bytes(&b), "wxyz");
}

static void formatting_fills_a_buffer_to_the_last_byte(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(8);
	struct buf big CLEANUP(buf_free_p) = buf_new_secret(5000);

	(void)state;
	buf_add_fmt(&b, "%d", 1234);
	buf_add_fmt(&b, "%s", "5678");
	assert_true(buf_ok(&b));
	ASSERT_TEXT(buf_bytes(&b), "12345678");
	buf_add_fmt(&b, "%s", "");
	assert_true(buf_ok(&b));
	buf_add_fmt(&b, "%s", "9");
	assert_false(buf_ok(&b));

	for (int i = 0; i < 50; i++)
		buf_add_fmt(&big, "%100d", i);
	assert_true(buf_ok(&big));
	assert_int_equal(big.len, 5000);
	assert_memory_equal(big.ptr + 4998, "49", 2);
}

static void room_can_be_taken_ahead(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(600);

	(void)state;
	uint8_t *p = buf_extend(&b, 300);
	assert_non_null(p);
	memset(p, 'a', 300);
	p = buf_extend(&b, 300);
	assert_non_null(p);
	memset(p, 'b', 300);
	assert_int_equal(b.ptr[299], 'a');
	assert_int_equal(b.ptr[300], 'b');
	assert_null(buf_extend(&b, SIZE_MAX));
	assert_false(buf_ok(&b));
}

static void an_empty_buffer_is_empty_and_not_absent(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(0);

	(void)state;
	ASSERT_TEXT(buf_bytes(&b), "");
	buf_add(&b, BYTES_NONE);
	assert_non_null(buf_extend(&b, 0));
	assert_true(buf_ok(&b));
	buf_add_u8(&b, 1);
	assert_false(buf_ok(&b));
}

static void consuming_keeps_the_rest(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(64);

	(void)state;
	buf_add_str(&b, "HTTP/1.1");
	buf_consume(&b, 5);
	ASSERT_TEXT(buf_bytes(&b), "1.1");
	buf_consume(&b, 0);
	ASSERT_TEXT(buf_bytes(&b), "1.1");
	buf_consume(&b, 3);
	ASSERT_TEXT(buf_bytes(&b), "");
	buf_consume(&b, 0);
}

static void what_stays_takes_no_more_than_it_is(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(1000), none CLEANUP(buf_free_p) = buf_new(1000);

	(void)state;
	for (int i = 0; i < 300; i++)
		buf_add_u8(&b, (uint8_t)i);
	buf_fit(&b);
	assert_int_equal(b.cap, 300);
	buf_add_u8(&b, 7); /* it may still grow */
	assert_true(buf_ok(&b));
	for (int i = 0; i < 300; i++)
		assert_int_equal(b.ptr[i], (uint8_t)i);
	buf_fit(&none);
	assert_int_equal(buf_bytes(&none).len, 0);
}

static void secrets_are_wiped_on_reset(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new_secret(64);

	(void)state;
	buf_add_str(&b, "eab mac key");
	uint8_t *p = b.ptr;
	size_t cap = b.cap;
	buf_reset(&b);
	for (size_t i = 0; i < cap; i++)
		assert_int_equal(p[i], 0);
}

static void descriptors_are_closed_at_the_end_of_the_scope(void **state)
{
	int outside;

	(void)state;
	{
		int fd CLEANUP(close_p) = open("/dev/null", O_RDONLY | O_CLOEXEC), none CLEANUP(close_p) = -1;
		assert_true(fd >= 0);
		outside = fd;
		(void)none;
	}
	assert_int_equal(fcntl(outside, F_GETFD), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_compare),
		cmocka_unit_test(spans_are_cut),
		cmocka_unit_test(a_buffer_grows_to_its_maximum_and_no_further),
		cmocka_unit_test(nothing_is_added_after_a_failure),
		cmocka_unit_test(formatting_fills_a_buffer_to_the_last_byte),
		cmocka_unit_test(room_can_be_taken_ahead),
		cmocka_unit_test(an_empty_buffer_is_empty_and_not_absent),
		cmocka_unit_test(consuming_keeps_the_rest),
		cmocka_unit_test(what_stays_takes_no_more_than_it_is),
		cmocka_unit_test(secrets_are_wiped_on_reset),
		cmocka_unit_test(descriptors_are_closed_at_the_end_of_the_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
