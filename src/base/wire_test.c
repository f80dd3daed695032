#include "base/wire.h"

#include "base/test_support.h"

/* The format itself, byte by byte: docs/protocol/ is normative, and a change here breaks every log that was written. */
static void the_encoding_is_big_endian_and_length_prefixed(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(64);

	(void)state;
	wire_put_u8(&b, 0x01);
	wire_put_u16(&b, 0x0203);
	wire_put_u32(&b, 0x04050607);
	wire_put_u64(&b, UINT64_C(0x08090a0b0c0d0e0f));
	wire_put_bytes(&b, BYTES_LIT("ab"));
	wire_put_bytes(&b, BYTES_NONE);
	wire_put_fixed(&b, BYTES_LIT("c"));
	ASSERT_TEXT(buf_bytes(&b), "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\0\0\0\x02"
				   "ab\0\0\0\0c");
}

static void values_go_there_and_back(void **state)
{
	static const uint64_t values[] = { 0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0xffffffff, UINT64_C(0x100000000), UINT64_MAX };
	struct buf b CLEANUP(buf_free_p) = buf_new(4096);
	struct err e;

	(void)state;
	for (size_t i = 0; i < LENGTH(values); i++) {
		wire_put_u8(&b, (uint8_t)values[i]);
		wire_put_u16(&b, (uint16_t)values[i]);
		wire_put_u32(&b, (uint32_t)values[i]);
		wire_put_u64(&b, values[i]);
		wire_put_bytes(&b, (struct bytes){ (const uint8_t *)"abcdefghijklmnop", i });
	}
	struct wire w = wire_of(buf_bytes(&b));
	for (size_t i = 0; i < LENGTH(values); i++) {
		assert_int_equal(wire_u8(&w), (uint8_t)values[i]);
		assert_int_equal(wire_u16(&w), (uint16_t)values[i]);
		assert_int_equal(wire_u32(&w), (uint32_t)values[i]);
		assert_true(wire_u64(&w) == values[i]);
		assert_true(bytes_eq(wire_bytes(&w, i), (struct bytes){ (const uint8_t *)"abcdefghijklmnop", i }));
	}
	assert_int_equal(wire_end(&w, "the message", &e), ERR_OK);
}

/* A message cut at any place is refused, and no field reads past its end or as anything but zero after it. */
static void every_cut_is_refused(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(64);
	struct err e;

	(void)state;
	wire_put_u8(&b, 0xff);
	wire_put_u16(&b, 0xffff);
	wire_put_u32(&b, 0xffffffff);
	wire_put_u64(&b, UINT64_MAX);
	wire_put_bytes(&b, BYTES_LIT("abc"));
	wire_put_fixed(&b, BYTES_LIT("de"));
	for (size_t n = 0; n < b.len; n++) {
		struct wire w = wire_of(bytes_slice(buf_bytes(&b), 0, n));
		assert_int_equal(wire_u8(&w), n < 1 ? 0 : 0xff);
		assert_int_equal(wire_u16(&w), n < 3 ? 0 : 0xffff);
		assert_true(wire_u32(&w) == (n < 7 ? 0 : 0xffffffff));
		assert_true(wire_u64(&w) == (n < 15 ? 0 : UINT64_MAX));
		assert_int_equal(wire_bytes(&w, 100).len, n < 22 ? 0 : 3);
		assert_int_equal(wire_fixed(&w, 2).len, 0);
		assert_int_equal(wire_end(&w, "the receipt", &e), ERR_MALFORMED);
		ASSERT_SAYS(e, "the receipt is cut short");
	}
}

static void what_is_left_over_is_refused(void **state)
{
	struct wire w = wire_of(BYTES_LIT("\x01\x02\x03"));
	struct err e;

	(void)state;
	assert_int_equal(wire_u8(&w), 1);
	assert_int_equal(wire_end(&w, "the message", &e), ERR_MALFORMED);
	ASSERT_SAYS(e, "2 bytes too many");
}

static void a_length_past_the_limit_or_the_end_is_refused(void **state)
{
	struct err e;

	(void)state;
	struct wire w = wire_of(BYTES_LIT("\0\0\0\x03xyz"));
	struct bytes v = wire_bytes(&w, 2);
	assert_int_equal(v.len, 0);
	assert_non_null(v.ptr);
	assert_int_equal(wire_u8(&w), 0); /* the failure stays */
	assert_int_equal(wire_end(&w, "the message", &e), ERR_MALFORMED);

	w = wire_of(BYTES_LIT("\xff\xff\xff\xffxyz"));
	assert_int_equal(wire_bytes(&w, SIZE_MAX).len, 0);
	assert_true(w.failed);
	w = wire_of(BYTES_LIT("xyz"));
	assert_int_equal(wire_fixed(&w, SIZE_MAX).len, 0);
	assert_true(w.failed);
	w = wire_of(BYTES_LIT("xyz"));
	assert_int_equal(wire_fixed(&w, 4).len, 0);
	assert_int_equal(wire_u8(&w), 0);
	assert_int_equal(wire_fixed(&w, 0).len, 0);
	assert_int_equal(wire_end(&w, "the message", &e), ERR_MALFORMED);
}

static void an_empty_message_is_whole(void **state)
{
	struct wire w = wire_of(BYTES_NONE);

	(void)state;
	assert_non_null(wire_fixed(&w, 0).ptr);
	assert_int_equal(wire_end(&w, "the message", NULL), ERR_OK);
}

static void byte_strings_are_views_into_the_input(void **state)
{
	struct bytes in = BYTES_LIT("\0\0\0\x03xyz");
	struct wire w = wire_of(in);

	(void)state;
	assert_ptr_equal(wire_bytes(&w, 3).ptr, in.ptr + 4);
}

static void a_full_buffer_shows_in_its_flag(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(5);

	(void)state;
	wire_put_bytes(&b, BYTES_LIT("ab"));
	assert_false(buf_ok(&b));
	buf_reset(&b);
	/* longer than the length field can tell; the bytes themselves are never looked at */
	wire_put_bytes(&b, (struct bytes){ (const uint8_t *)"", (size_t)UINT32_MAX + 1 });
	assert_false(buf_ok(&b));
	assert_int_equal(b.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_encoding_is_big_endian_and_length_prefixed),
		cmocka_unit_test(values_go_there_and_back),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(what_is_left_over_is_refused),
		cmocka_unit_test(a_length_past_the_limit_or_the_end_is_refused),
		cmocka_unit_test(an_empty_message_is_whole),
		cmocka_unit_test(byte_strings_are_views_into_the_input),
		cmocka_unit_test(a_full_buffer_shows_in_its_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
