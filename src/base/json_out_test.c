#include "base/json.h"

#include "base/test_support.h"

static void commas_stand_where_they_belong(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(4096);
	struct json_out w = json_out_to(&b);

	(void)state;
	json_put_object(&w);
	json_put_member_str(&w, "status", "valid");
	json_put_key(&w, "identifiers");
	json_put_array(&w);
	json_put_object(&w);
	json_put_member(&w, "type", BYTES_LIT("dns"));
	json_end_object(&w);
	json_put_object(&w);
	json_end_object(&w);
	json_put_array(&w);
	json_end_array(&w);
	json_put_raw(&w, BYTES_LIT("null"));
	json_end_array(&w);
	json_put_member_uint(&w, "n", UINT64_MAX);
	json_put_member_bool(&w, "yes", true);
	json_put_member_bool(&w, "no", false);
	json_put_member_strs(&w, "names", (const char *const[]){ "a.test", "\"" }, 2);
	json_put_member_strs(&w, "none", NULL, 0);
	json_put_key(&w, "raw");
	json_put_raw(&w, BYTES_LIT("[1,2]"));
	json_put_key(&w, "ints");
	json_put_array(&w);
	json_put_int(&w, INT64_MIN);
	json_put_uint(&w, 0);
	json_put_bool(&w, true);
	json_put_string(&w, BYTES_NONE);
	json_end_array(&w);
	json_end_object(&w);
	assert_true(buf_ok(&b));
	ASSERT_TEXT(buf_bytes(&b),
	    "{\"status\":\"valid\",\"identifiers\":[{\"type\":\"dns\"},{},[],null],\"n\":18446744073709551615,"
	    "\"yes\":true,\"no\":false,\"names\":[\"a.test\",\"\\\"\"],\"none\":[],\"raw\":[1,2],\"ints\":[-9223372036854775808,0,true,\"\"]}");
	assert_int_equal(json_check(buf_bytes(&b), NULL), ERR_OK);
}

#define ASSERT_WRITES(in, want)                              \
	do {                                                 \
		struct buf b_ = buf_new(4096);               \
		struct json_out w_ = json_out_to(&b_);       \
		json_put_string(&w_, BYTES_LIT(in));         \
		ASSERT_TEXT(buf_bytes(&b_), "\"" want "\""); \
		buf_free(&b_);                               \
	} while (0)

static void strings_are_escaped(void **state)
{
	(void)state;
	ASSERT_WRITES("", "");
	ASSERT_WRITES("plain text, more than eight bytes", "plain text, more than eight bytes");
	ASSERT_WRITES("a\"b\\c/d", "a\\\"b\\\\c/d");
	ASSERT_WRITES("\b\f\n\r\t", "\\b\\f\\n\\r\\t");
	ASSERT_WRITES("\0\x01\x1f", "\\u0000\\u0001\\u001f");
	ASSERT_WRITES("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x92", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x92");
	/* what would end a line, turn the text around or not be seen */
	ASSERT_WRITES("\xc2\x85\xe2\x80\xa8\xe2\x80\xae", "\\u0085\\u2028\\u202e");
	ASSERT_WRITES("\xf3\xa0\x81\x81", "\\udb40\\udc41");
	/* what is no UTF-8 */
	ASSERT_WRITES("a\xff", "a\xef\xbf\xbd");
	ASSERT_WRITES("\xc3", "\xef\xbf\xbd");
	ASSERT_WRITES("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	ASSERT_WRITES("\xc3(", "\xef\xbf\xbd(");
}

/* Any bytes at all become JSON that our own reader takes, and what was text comes back as it was. */
static void whatever_is_written_is_json(void **state)
{
	struct arena *a CLEANUP(arena_free_p) = arena_new(4096, 65536);
	uint64_t x = 88172645463325252u;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(4096);
		struct json_out w = json_out_to(&b);
		uint8_t raw[24];
		struct bytes back;
		for (size_t i = 0; i < sizeof raw; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			raw[i] = (uint8_t)(round & 1 ? 1 + x % 127 : x);
		}
		struct bytes in = { raw, (size_t)(x % (sizeof raw + 1)) };
		json_put_string(&w, in);
		assert_int_equal(json_check(buf_bytes(&b), NULL), ERR_OK);
		if (round & 1) {
			assert_int_equal(json_string(a, buf_bytes(&b), &back, NULL), ERR_OK);
			assert_true(bytes_eq(back, in));
		}
		arena_reset(a);
	}
}

static void overflow_shows_in_the_buffer(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(10);
	struct json_out w = json_out_to(&b);

	(void)state;
	json_put_object(&w);
	json_put_member_str(&w, "long", "longer");
	json_end_object(&w);
	assert_true(w.out->failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_stand_where_they_belong),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(whatever_is_written_is_json),
		cmocka_unit_test(overflow_shows_in_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
