#include "base/json.h"

#include "base/test_support.h"

#include <stdio.h>

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_new(4096, 1 << 20);
	return arena ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

/* ---- the grammar ---- */

static void valid_texts_are_accepted(void **state)
{
	static const char *const good[] = { "{}", "[]", "null", "true", "false", "0", "-0", "-1", "10", "1.5", "-0.25e+10", "1E5", "1e-05",
		"\"\"", "\"abcdefghijklmnopqrstuvwxyz\"", " \t\r\n{ \"a\" : [ 1 , { } , [ ] ] , \"b\" : null } \n",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u00E9\"", "\"\\ud83d\\udd12\"", "\"\\u0000\"", "\"\x7f\"",
		"\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x92 \xef\xbf\xbf\"", "\"\\uffff\"", "{\"\":1}", "{\"a\":1,\"A\":2,\"a \":3}",
		"123456789012345678901234567890", "1e999", "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
		"{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}]}", "{\"\\u0000\":1}" };
	struct err e;

	(void)state;
	for (size_t i = 0; i < LENGTH(good); i++)
		if (json_check(bytes_str(good[i]), &e) != ERR_OK)
			fail_msg("%s: %s", good[i], e.detail);
}

static void everything_else_is_refused(void **state)
{
	static const char *const bad[] = { "", " ", "{", "}", "[", "]", "{]", "[}", "nul", "nulll", "True", "NaN", "Infinity", "-", "+1",
		"--1", "01", "-01", "00", "1.", ".5", "1.e5", "1e", "1e+", "1e5.5", "0x10", "1 2", "{} {}", "{},", "[1,]", "[,1]", "[1 2]",
		"[1,,2]", "{\"a\":1,}", "{,\"a\":1}", "{\"a\" 1}", "{\"a\":}", "{\"a\"}", "{\"a\":1 \"b\":2}", "{a:1}", "{'a':1}", "{1:1}",
		"{null:1}", "[1;2]", "\"", "\"a", "\"a\\\"", "\"\\", "\"\\x41\"", "\"\\'\"", "\"\\u\"", "\"\\u12\"", "\"\\u123\"",
		"\"\\u12g4\"", "\"\\U0041\"", "\"\\u 041\"", "\"a\nb\"", "\"a\tb\"", "\"\x1f\"", "\"\x01\"", "// x\n1", "/* x */ 1",
		"\xef\xbb\xbf{}", "\v1", "\f1", "\xc2\xa0[]", "1\x01", "'a'", "undefined", "[\"a\":1]", "{\"a\":1", "{\"a\":1]",
		"[{\"a\":1]", "{\"a\":[1}" };
	struct err e;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		if (json_check(bytes_str(bad[i]), &e) != ERR_MALFORMED)
			fail_msg("accepted: %s", bad[i]);
		ASSERT_SAYS(e, "the JSON text, byte ");
	}
	assert_int_equal(json_check(BYTES_LIT("1\0"), &e), ERR_MALFORMED);
	assert_int_equal(json_check(BYTES_LIT("\0"), &e), ERR_MALFORMED);
	assert_int_equal(json_check(BYTES_LIT("\"a\0b\""), &e), ERR_MALFORMED);
	assert_int_equal(json_check(BYTES_NONE, &e), ERR_MALFORMED);
}

/* Every prefix of a text that ends with its bracket is refused, whichever token it cuts. */
static void every_cut_is_refused(void **state)
{
	struct bytes whole = BYTES_LIT("{\"a\":[1.5e+3,true,false,null,\"\\ud83d\\udd12 caf\xc3\xa9\",{\"b\":{}}],\"c\":-1}");

	(void)state;
	assert_int_equal(json_check(whole, NULL), ERR_OK);
	for (size_t n = 0; n < whole.len; n++) {
		uint8_t exact[128]; /* the sanitizer sees a read past n only at the end of an object */
		memcpy(exact + sizeof exact - n, whole.ptr, n);
		assert_int_equal(json_check((struct bytes){ exact + sizeof exact - n, n }, NULL), ERR_MALFORMED);
	}
}

static void bytes_that_are_not_utf8_are_refused_wherever_they_stand(void **state)
{
	static const char *const bad[] = { "\x80", "\xc0\xaf", "\xc1\x81", "\xc3", "\xe0\x80\xaf", "\xe2\x82", "\xed\xa0\x80",
		"\xed\xb0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff" };
	static const char *const around[] = { "\"%s\"", "\"abcdefgh%s\"", "{\"%s\":1}", "{\"a\":[{\"b\":\"%s\"}]}" };
	struct err e;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++)
		for (size_t k = 0; k < LENGTH(around); k++) {
			char text[64], *hole;
			const char *rest = strchr(around[k], '%') + 2;
			size_t head = (size_t)(rest - 2 - around[k]);
			memcpy(text, around[k], head);
			hole = stpcpy(text + head, bad[i]);
			strcpy(hole, rest);
			assert_int_equal(json_check(bytes_str(text), &e), ERR_MALFORMED);
			ASSERT_SAYS(e, "not UTF-8");
		}
}

/* RFC 8259 §8.2 */
static void lone_surrogates_are_refused(void **state)
{
	static const char *const bad[] = { "\"\\ud800\"", "\"\\udbff\"", "\"\\udc00\"", "\"\\udfff\"", "\"\\ud83d\\ud83d\"",
		"\"\\udd12\\ud83d\"", "\"\\ud83d \\udd12\"", "\"\\ud83dx\"", "\"\\ud83d\\n\"", "\"\\ud83d\\u0041\"", "\"\\ud83d\\udd1\"",
		"\"\\ud83d\\\"", "\"\\ud83d\\u\"", "\"\\ud83d\\udd1g\"", "{\"\\ud83d\":1}", "{\"x\":[\"\\ud83d\"]}" };
	struct err e;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		assert_int_equal(json_check(bytes_str(bad[i]), &e), ERR_MALFORMED);
		ASSERT_SAYS(e, "an escape that names no character");
	}
}

static void duplicate_keys_are_refused_at_any_depth_and_in_any_spelling(void **state)
{
	static const char *const bad[] = { "{\"a\":1,\"a\":1}", "{\"a\":1,\"b\":2,\"a\":3}", "{\"\":1,\"\":2}", "{\"a\":1,\"\\u0061\":2}",
		"{\"\\u0061\":1,\"a\":2}", "{\"\\u0061\":1,\"\\u0061\":2}", "{\"\xc3\xa9\":1,\"\\u00e9\":2}",
		"{\"\\u00E9\":1,\"\\u00e9\":2}", "{\"/\":1,\"\\/\":2}", "{\"\\n\":1,\"\\u000a\":2}",
		"{\"\xf0\x9f\x94\x92\":1,\"\\ud83d\\udd12\":2}", "{\"x\":{\"a\":1,\"a\":2}}", "[{\"a\":1,\"a\":2}]",
		"{\"x\":[[{\"y\":{\"a\":1,\"b\":{},\"a\":2}}]]}", "{\"a\":{\"a\":1},\"a\":2}",
		"{\"a key of more than thirty-two bytes\":1,\"\\u0061 key of more than thirty-tw\\u006f bytes\":2}",
		"{\"\\u0061 key of more than thirty-two bytes \\u00e9\":1,\"a key of more than thirty-two bytes \xc3\xa9\":2}",
		"{\"\\u0000\":1,\"\\u0000\":2}", "{\"ab\":1,\"a\\u0062\":2}" };
	static const char *const good[] = { "{\"a\":1,\"aa\":2,\"\":3}",
		"{\"a key of more than thirty-two bytes\":1,\"\\u0061 key of more than thirty-two bytez\":2}",
		"{\"\\u0061\":1,\"\\u0062\":2}", "{\"ab\":1,\"a\\u0063\":2}", "{\"a\":{\"a\":{\"a\":1}}}", "[{\"a\":1},{\"a\":2}]",
		"{\"\\u00e9\":1,\"e\":2}", "{\"\\u0000\":1,\"\\u0001\":2}", "{\"\\\\u0061\":1,\"a\":2}",
		"{\"\xc3\xa9\":1,\"\\u00c3\\u00a9\":2}" };
	struct err e;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		if (json_check(bytes_str(bad[i]), &e) != ERR_MALFORMED)
			fail_msg("accepted: %s", bad[i]);
		ASSERT_SAYS(e, "two members");
	}
	for (size_t i = 0; i < LENGTH(good); i++)
		if (json_check(bytes_str(good[i]), &e) != ERR_OK)
			fail_msg("refused: %s: %s", good[i], e.detail);
}

static void depth_has_a_limit(void **state)
{
	struct err e;

	(void)state;
	for (size_t kind = 0; kind < 2; kind++)
		for (size_t depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
			struct buf b CLEANUP(buf_free_p) = buf_new(1024);
			for (size_t i = 0; i < depth; i++)
				buf_add_str(&b, kind ? "{\"a\":" : "[");
			buf_add_str(&b, "1");
			for (size_t i = 0; i < depth; i++)
				buf_add_str(&b, kind ? "}" : "]");
			enum err_code rc = json_check(buf_bytes(&b), &e);
			assert_int_equal(rc, depth > JSON_DEPTH_MAX ? ERR_MALFORMED : ERR_OK);
			if (rc)
				ASSERT_SAYS(e, "nested too deep");
		}
	/* levels that were left do not count, and what never ends does not recurse */
	struct buf flat CLEANUP(buf_free_p) = buf_new(4096), deep CLEANUP(buf_free_p) = buf_new(1 << 20);
	for (size_t i = 0; i < 200; i++)
		buf_add_str(&flat, i ? ",[[]]" : "[[[]]");
	buf_add_str(&flat, "]");
	assert_int_equal(json_check(buf_bytes(&flat), NULL), ERR_OK);
	memset(buf_extend(&deep, 1 << 20), '[', 1 << 20);
	assert_int_equal(json_check(buf_bytes(&deep), NULL), ERR_MALFORMED);
}

static void put_numbered_members(struct buf *b, size_t n)
{
	buf_add_u8(b, '{');
	for (size_t i = 0; i < n; i++)
		buf_add_fmt(b, "%s\"m%zu\":%zu", i ? "," : "", i, i);
	buf_add_u8(b, '}');
}

static void members_have_a_limit(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(65536);
	struct err e;

	(void)state;
	put_numbered_members(&b, JSON_MEMBERS_MAX);
	assert_int_equal(json_check(buf_bytes(&b), &e), ERR_OK);
	assert_int_equal(json_read(arena, buf_bytes(&b), "x", NULL, 0, NULL, &e), ERR_OK);
	buf_reset(&b);
	put_numbered_members(&b, JSON_MEMBERS_MAX + 1);
	assert_int_equal(json_check(buf_bytes(&b), &e), ERR_MALFORMED);
	ASSERT_SAYS(e, "too many members");
	assert_int_equal(json_read(arena, buf_bytes(&b), "x", NULL, 0, NULL, &e), ERR_MALFORMED);
	/* an array may have more */
	buf_reset(&b);
	buf_add_str(&b, "[0");
	for (int i = 1; i < 5000; i++)
		buf_add_fmt(&b, ",%d", i);
	buf_add_str(&b, "]");
	assert_int_equal(json_check(buf_bytes(&b), NULL), ERR_OK);
}

/* ---- field tables ---- */

struct sample {
	struct bytes s;
	struct json_bool b;
	struct json_uint u;
	struct bytes o, a;
	struct json_strings ss;
	struct bytes any;
};

static const struct json_field sample_fields[] = {
	JSON_FIELD(struct sample, s, "string", JSON_STRING, false, 8),
	JSON_FIELD(struct sample, b, "bool", JSON_BOOL, false, 0),
	JSON_FIELD(struct sample, u, "uint", JSON_UINT, false, 0),
	JSON_FIELD(struct sample, o, "object", JSON_OBJECT, false, 0),
	JSON_FIELD(struct sample, a, "array", JSON_ARRAY, false, 3),
	JSON_FIELD(struct sample, ss, "strings", JSON_STRINGS, false, 3),
	JSON_FIELD(struct sample, any, "any", JSON_ANY, false, 0),
};

static enum err_code read_sample(const char *text, struct sample *ret, struct err *e)
{
	return json_read(arena, bytes_str(text), "the sample", sample_fields, LENGTH(sample_fields), ret, e);
}

static void every_kind_is_read(void **state)
{
	struct sample v;
	struct err e;

	(void)state;
	assert_int_equal(
	    read_sample(" { \"ignored\" : {\"x\":[1]} , \"string\" : \"abc\" , \"bool\" : true , \"uint\" : 17 ,"
			"\"object\" : { \"k\" : 1 } , \"array\" : [ 1 , [2] , {} ] , \"strings\" : [ \"x\" , \"\" , \"\\u00e9\" ] ,"
			"\"any\" : null } ",
		&v, &e),
	    ERR_OK);
	ASSERT_TEXT(v.s, "abc");
	assert_true(v.b.set && v.b.value);
	assert_true(v.u.set);
	assert_int_equal(v.u.value, 17);
	ASSERT_TEXT(v.o, "{ \"k\" : 1 }");
	ASSERT_TEXT(v.a, "[ 1 , [2] , {} ]");
	assert_true(v.ss.set);
	assert_int_equal(v.ss.n, 3);
	ASSERT_TEXT(v.ss.v[0], "x");
	ASSERT_TEXT(v.ss.v[1], "");
	ASSERT_TEXT(v.ss.v[2], "\xc3\xa9");
	ASSERT_TEXT(v.any, "null");
}

static void what_is_not_there_reads_as_absent(void **state)
{
	struct sample v;

	(void)state;
	memset(&v, 0xff, sizeof v);
	assert_int_equal(read_sample("{}", &v, NULL), ERR_OK);
	assert_null(v.s.ptr);
	assert_false(v.b.set);
	assert_false(v.u.set);
	assert_null(v.o.ptr);
	assert_null(v.a.ptr);
	assert_false(v.ss.set);
	assert_null(v.any.ptr);
	/* and what is empty does not */
	assert_int_equal(
	    read_sample("{\"string\":\"\",\"strings\":[],\"bool\":false,\"uint\":0,\"array\":[],\"object\":{}}", &v, NULL), ERR_OK);
	ASSERT_TEXT(v.s, "");
	assert_true(v.b.set && !v.b.value);
	assert_true(v.u.set && v.u.value == 0);
	assert_true(v.ss.set && v.ss.n == 0);
	ASSERT_TEXT(v.a, "[]");
	ASSERT_TEXT(v.o, "{}");
}

static void a_wrong_member_is_named_with_what_is_allowed(void **state)
{
	static const struct {
		const char *text, *detail;
	} cases[] = {
		{ "{\"string\":1}", "the sample: \"string\" must be a string of at most 8 bytes" },
		{ "{\"string\":null}", "the sample: \"string\" must be a string of at most 8 bytes" },
		{ "{\"string\":\"123456789\"}", "the sample: \"string\" must be a string of at most 8 bytes" },
		{ "{\"string\":\"a\\u0000b\"}", "the sample: \"string\": a string must not contain U+0000" },
		{ "{\"bool\":1}", "the sample: \"bool\" must be true or false" },
		{ "{\"bool\":null}", "the sample: \"bool\" must be true or false" },
		{ "{\"bool\":\"true\"}", "the sample: \"bool\" must be true or false" },
		{ "{\"uint\":\"1\"}", "the sample: \"uint\" must be an integer from 0 to 9007199254740992" },
		{ "{\"uint\":null}", "the sample: \"uint\" must be an integer from 0 to 9007199254740992" },
		{ "{\"object\":[]}", "the sample: \"object\" must be an object" },
		{ "{\"object\":null}", "the sample: \"object\" must be an object" },
		{ "{\"array\":{}}", "the sample: \"array\" must be an array of at most 3 elements" },
		{ "{\"array\":null}", "the sample: \"array\" must be an array of at most 3 elements" },
		{ "{\"array\":[1,2,3,4]}", "the sample: \"array\" must be an array of at most 3 elements" },
		{ "{\"strings\":\"x\"}", "the sample: \"strings\" must be an array of at most 3 strings" },
		{ "{\"strings\":[\"x\",1]}", "the sample: \"strings\" must be an array of at most 3 strings" },
		{ "{\"strings\":[null]}", "the sample: \"strings\" must be an array of at most 3 strings" },
		{ "{\"strings\":[[\"x\"]]}", "the sample: \"strings\" must be an array of at most 3 strings" },
		{ "{\"strings\":[\"\",\"\",\"\",\"\"]}", "the sample: \"strings\" must be an array of at most 3 strings" },
		{ "{\"strings\":[\"\\u0000\"]}", "the sample: \"strings\": a string must not contain U+0000" },
		{ "[]", "the sample must be a JSON object" },
		{ "\"x\"", "the sample must be a JSON object" },
		{ "", "the sample must be a JSON object" },
		{ "{\"x\":1,\"x\":2}", "the sample: an object with two members \"x\"" },
		{ "{\"bool\":true,\"bo\\u006fl\":true}", "the sample: an object with two members \"bo\\u006fl\"" },
		{ "{\"any\":{\"x\":1,\"x\":2}}", "the sample: an object with two members \"x\"" },
		{ "{\"bool\":tru}", "the sample, byte 8: neither a string, a number, an object, an array, true, false nor null" },
		{ "{\"skipped\":[1,}", "the sample, byte 14: neither a string, a number, an object, an array, true, false nor null" },
		{ "{} x", "the sample, byte 3: something follows the value" },
		{ "{\"string\":\"a\nb\"}", "the sample, byte 12: a control character in a string" },
	};
	struct sample v;
	struct err e;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		assert_int_equal(read_sample(cases[i].text, &v, &e), ERR_MALFORMED);
		assert_string_equal(e.detail, cases[i].detail);
		assert_int_equal(read_sample(cases[i].text, &v, NULL), ERR_MALFORMED);
	}
}

static void a_missing_member_is_named(void **state)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct sample, s, "nonce", JSON_STRING, true, 0),
		JSON_FIELD(struct sample, u, "uint", JSON_UINT, false, 0),
	};
	struct sample v;
	struct err e;

	(void)state;
	assert_int_equal(json_read(arena, BYTES_LIT("{\"uint\":1}"), "the protected header", fields, 2, &v, &e), ERR_MALFORMED);
	assert_string_equal(e.detail, "the protected header: \"nonce\" is missing; it must be a string");
	assert_int_equal(json_read(arena, BYTES_LIT("{\"nonce\":7}"), "the protected header", fields, 2, &v, &e), ERR_MALFORMED);
	assert_string_equal(e.detail, "the protected header: \"nonce\" must be a string");
	assert_int_equal(json_read(arena, BYTES_LIT("{\"no\\u006ece\":\"x\"}"), "the protected header", fields, 2, &v, &e), ERR_OK);
	ASSERT_TEXT(v.s, "x");
}

static void integers_have_one_form_and_end_at_2_to_the_53(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = { { "0", 0 }, { "7", 7 }, { "9007199254740991", UINT64_C(9007199254740991) },
		{ "9007199254740992", UINT64_C(9007199254740992) } };
	static const char *const bad[] = { "-0", "-1", "0.0", "1.0", "1e3", "1E3", "0e0", "01", "9007199254740993", "9999999999999999",
		"10000000000000000", "18446744073709551616", "18446744073709551617", "99999999999999999999999999", "1.", "+1", "true",
		"[]" };
	struct sample v;
	char text[64];

	(void)state;
	for (size_t i = 0; i < LENGTH(good); i++) {
		(void)snprintf(text, sizeof text, "{\"uint\":%s}", good[i].text);
		assert_int_equal(read_sample(text, &v, NULL), ERR_OK);
		assert_true(v.u.set && v.u.value == good[i].value);
	}
	for (size_t i = 0; i < LENGTH(bad); i++) {
		(void)snprintf(text, sizeof text, "{\"uint\":%s}", bad[i]);
		if (read_sample(text, &v, NULL) != ERR_MALFORMED)
			fail_msg("accepted: %s", text);
	}
}

static void strings_are_unescaped_and_limits_count_what_comes_out(void **state)
{
	struct sample v;
	struct bytes in = BYTES_LIT("{\"string\":\"plain\"}");

	(void)state;
	assert_int_equal(read_sample("{\"string\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", &v, NULL), ERR_OK);
	ASSERT_TEXT(v.s, "\"\\/\b\f\n\r\t");
	assert_int_equal(read_sample("{\"string\":\"\\u0041\\u00e9\\u20AC\"}", &v, NULL), ERR_OK);
	ASSERT_TEXT(v.s, "A\xc3\xa9\xe2\x82\xac");
	assert_int_equal(read_sample("{\"string\":\"\\ud83d\\uDD12\\ud83d\\udd12\"}", &v, NULL), ERR_OK); /* 24 characters, 8 bytes */
	ASSERT_TEXT(v.s, "\xf0\x9f\x94\x92\xf0\x9f\x94\x92");
	assert_int_equal(read_sample("{\"string\":\"\\ud83d\\uDD12\\ud83d\\udd12x\"}", &v, NULL), ERR_MALFORMED);
	assert_int_equal(read_sample("{\"string\":\"12345678\"}", &v, NULL), ERR_OK);
	/* without escapes a string is a view */
	assert_int_equal(json_read(arena, in, "x", sample_fields, LENGTH(sample_fields), &v, NULL), ERR_OK);
	assert_ptr_equal(v.s.ptr, in.ptr + 11);
}

static void strings_without_a_limit_of_their_own_end_at_the_rooms(void **state)
{
	static const struct json_field fields[] = { JSON_FIELD(struct sample, ss, "ss", JSON_STRINGS, true, 0) };
	struct sample v;
	struct err e;

	(void)state;
	for (int n = JSON_ARRAY_MAX; n <= JSON_ARRAY_MAX + 1; n++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(65536);
		buf_add_str(&b, "{\"ss\":[\"\"");
		for (int i = 1; i < n; i++)
			buf_add_str(&b, ",\"\"");
		buf_add_str(&b, "]}");
		assert_int_equal(json_read(arena, buf_bytes(&b), "x", fields, 1, &v, &e), n > JSON_ARRAY_MAX ? ERR_MALFORMED : ERR_OK);
	}
	assert_string_equal(e.detail, "x: \"ss\" must be an array of at most 1024 strings");
}

static void an_arena_that_is_full_is_not_the_peers_fault(void **state)
{
	struct arena *small CLEANUP(arena_free_p) = arena_new(16, 16);
	struct bytes text = BYTES_LIT("{\"strings\":[\"a\",\"b\"]}"), *v;
	struct json_member *m;
	struct sample s;
	size_t n;

	(void)state;
	assert_int_equal(json_read(small, text, "x", sample_fields, LENGTH(sample_fields), &s, NULL), ERR_NOMEM);
	assert_int_equal(json_elements(small, BYTES_LIT("[1,2]"), 8, &v, &n, NULL), ERR_NOMEM);
	assert_int_equal(json_members(small, text, 8, &m, &n, NULL), ERR_NOMEM);
	assert_non_null(arena_alloc(small, 16));
	assert_int_equal(json_string(small, BYTES_LIT("\"\\n\""), v = &s.s, NULL), ERR_NOMEM);
}

static void too_long_a_table_is_a_bug(void **state)
{
	static struct json_field fields[65];
	struct bytes out;

	(void)state;
	for (size_t i = 0; i < LENGTH(fields); i++)
		fields[i] = (struct json_field){ .name = "x", .kind = JSON_ANY };
	assert_int_equal(json_read(arena, BYTES_LIT("{}"), "x", fields, 65, &out, NULL), ERR_BUG);
	assert_int_equal(json_read(arena, BYTES_LIT("{\"x\":[1]}"), "x", fields, 64, &out, NULL), ERR_OK);
	ASSERT_TEXT(out, "[1]");
}

/* ---- parts ---- */

static void an_array_is_split(void **state)
{
	static const char *const bad[] = { "", "{}", "1", "[1", "[1,]", "[1] 2", "[\"\\x\"]", "[{\"a\":1,\"a\":2}]" };
	struct bytes *v = NULL;
	size_t n = 42;
	struct err e;

	(void)state;
	assert_int_equal(json_elements(arena, BYTES_LIT("[ 1 , \"a,b]\" , [ 2,3 ] ,{\"x\":4} ]"), 4, &v, &n, &e), ERR_OK);
	assert_int_equal(n, 4);
	ASSERT_TEXT(v[0], "1");
	ASSERT_TEXT(v[1], "\"a,b]\"");
	ASSERT_TEXT(v[2], "[ 2,3 ]");
	ASSERT_TEXT(v[3], "{\"x\":4}");
	assert_int_equal(json_elements(arena, BYTES_LIT("[]"), 0, &v, &n, &e), ERR_OK);
	assert_int_equal(n, 0);
	v = NULL;
	assert_int_equal(json_elements(arena, BYTES_LIT("[1,2,3]"), 2, &v, &n, &e), ERR_MALFORMED);
	ASSERT_SAYS(e, "more than 2 elements");
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_int_equal(json_elements(arena, bytes_str(bad[i]), 8, &v, &n, &e), ERR_MALFORMED);
	assert_null(v);
	assert_int_equal(n, 0);
}

static void an_object_is_split(void **state)
{
	static const char *const bad[] = { "", "[]", "{\"a\":1", "{\"a\":1,}", "{\"a\":1} 2", "{\"a\":1,\"a\":2}", "{\"\\u0000\":1}" };
	struct json_member *v = NULL;
	size_t n = 42;
	struct err e;

	(void)state;
	assert_int_equal(json_members(arena, BYTES_LIT("{ \"a\" : 1 ,\"\\u00e9\": [ ] , \"\":{\"a\":2} }"), 3, &v, &n, &e), ERR_OK);
	assert_int_equal(n, 3);
	ASSERT_TEXT(v[0].key, "a");
	ASSERT_TEXT(v[0].value, "1");
	ASSERT_TEXT(v[1].key, "\xc3\xa9");
	ASSERT_TEXT(v[1].value, "[ ]");
	ASSERT_TEXT(v[2].key, "");
	ASSERT_TEXT(v[2].value, "{\"a\":2}");
	assert_int_equal(json_members(arena, BYTES_LIT("{}"), 0, &v, &n, &e), ERR_OK);
	assert_int_equal(n, 0);
	v = NULL;
	assert_int_equal(json_members(arena, BYTES_LIT("{\"a\":1,\"b\":2}"), 1, &v, &n, &e), ERR_MALFORMED);
	ASSERT_SAYS(e, "more than 1 members");
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_int_equal(json_members(arena, bytes_str(bad[i]), SIZE_MAX, &v, &n, &e), ERR_MALFORMED);
	assert_null(v);
}

static void one_string_is_unescaped(void **state)
{
	static const char *const bad[] = { "", "1", "\"", "\"a", "\"a\" b", "\"\\u0000\"", "null", "\"\\ud800\"" };
	struct bytes out = BYTES_LIT("untouched");

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_int_equal(json_string(arena, bytes_str(bad[i]), &out, NULL), ERR_MALFORMED);
	ASSERT_TEXT(out, "untouched");
	assert_int_equal(json_string(arena, BYTES_LIT("\"a\\tb\""), &out, NULL), ERR_OK);
	ASSERT_TEXT(out, "a\tb");
	assert_int_equal(json_string(arena, BYTES_LIT("\"\""), &out, NULL), ERR_OK);
	ASSERT_TEXT(out, "");
}

/* A peer's name of a member may stand in the detail, but nothing that a log or a terminal would act on. */
static void details_are_printable(void **state)
{
	static const char *const keys[] = { "\\u001b[2J",
		"\xc2\x9b"
		"2J",
		"\xe2\x80\xae"
		"abc",
		"\x7f",
		"\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92"
		"a\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92" };
	struct err e;

	(void)state;
	for (size_t i = 0; i < LENGTH(keys); i++) {
		char text[256];
		(void)snprintf(text, sizeof text, "{\"%s\":1,\"%s\":2}", keys[i], keys[i]);
		assert_int_equal(json_check(bytes_str(text), &e), ERR_MALFORMED);
		ASSERT_SAYS(e, "two members");
		for (const char *p = e.detail; *p; p++)
			assert_true((uint8_t)*p >= ' ' && *p != 0x7f);
		assert_null(strstr(e.detail, "\xc2\x9b"));
		assert_null(strstr(e.detail, "\xe2\x80\xae"));
		/* a problem document can carry it */
		struct buf b CLEANUP(buf_free_p) = buf_new(4096);
		struct json_out w = json_out_to(&b);
		json_put_string(&w, bytes_str(e.detail));
		assert_null(memmem(b.ptr, b.len, "\xef\xbf\xbd", 3));
	}
}

static void values_are_found_by_their_path(void **state)
{
	struct bytes in = BYTES_LIT("{\"a\":{\"b\":{\"c\":7},\"d\":[1]},\"e\":true}");

	(void)state;
	assert_true(bytes_eq_str(json_find(arena, in, "a.b.c"), "7"));
	assert_true(bytes_eq_str(json_find(arena, in, "a.d"), "[1]"));
	assert_true(bytes_eq_str(json_find(arena, in, "e"), "true"));
	assert_null(json_find(arena, in, "x").ptr);
	assert_null(json_find(arena, in, "a.x.c").ptr);
	assert_null(json_find(arena, in, "e.x").ptr);
	assert_null(json_find(arena, in, "a.b.c.d").ptr);
	assert_null(json_find(arena, in, "").ptr);
	assert_null(json_find(arena, BYTES_LIT("[1]"), "a").ptr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found_by_their_path),
		cmocka_unit_test(valid_texts_are_accepted),
		cmocka_unit_test(everything_else_is_refused),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(bytes_that_are_not_utf8_are_refused_wherever_they_stand),
		cmocka_unit_test(lone_surrogates_are_refused),
		cmocka_unit_test(duplicate_keys_are_refused_at_any_depth_and_in_any_spelling),
		cmocka_unit_test(depth_has_a_limit),
		cmocka_unit_test(members_have_a_limit),
		cmocka_unit_test(every_kind_is_read),
		cmocka_unit_test(what_is_not_there_reads_as_absent),
		cmocka_unit_test(a_wrong_member_is_named_with_what_is_allowed),
		cmocka_unit_test(a_missing_member_is_named),
		cmocka_unit_test(integers_have_one_form_and_end_at_2_to_the_53),
		cmocka_unit_test(strings_are_unescaped_and_limits_count_what_comes_out),
		cmocka_unit_test(strings_without_a_limit_of_their_own_end_at_the_rooms),
		cmocka_unit_test(an_arena_that_is_full_is_not_the_peers_fault),
		cmocka_unit_test(too_long_a_table_is_a_bug),
		cmocka_unit_test(an_array_is_split),
		cmocka_unit_test(an_object_is_split),
		cmocka_unit_test(one_string_is_unescaped),
		cmocka_unit_test(details_are_printable),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
