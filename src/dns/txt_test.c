#include "dns/txt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void strings_are_joined(void **state)
{
	const struct {
		struct bytes rdata, text;
	} cases[] = {
		{ BYTES_LIT("\3abc"), BYTES_LIT("abc") },
		{ BYTES_LIT("\0"), BYTES_LIT("") },
		{ BYTES_LIT("\0\3abc\0"), BYTES_LIT("abc") },
		{ BYTES_LIT("\1a\2bc\1d"), BYTES_LIT("abcd") },
		{ BYTES_LIT("\4a\0\"b"), BYTES_LIT("a\0\"b") },
	};
	CLEANUP(arena_free_p) struct arena *a = arena_new(1024, 65536);
	struct bytes text;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(txt_read(a, cases[i].rdata, &text, NULL), ERR_OK);
		assert_non_null(text.ptr);
		assert_true(bytes_eq(text, cases[i].text));
	}
}

static void a_string_of_255_characters_can_be_followed(void **state)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(1024, 65536);
	uint8_t rdata[258];
	struct bytes text;

	(void)state;
	memset(rdata, 'x', sizeof rdata);
	rdata[0] = 255;
	rdata[256] = 1;
	assert_int_equal(txt_read(a, BYTES_ARRAY(rdata), &text, NULL), ERR_OK);
	assert_int_equal(text.len, 256);
}

static void what_is_cut_is_refused(void **state)
{
	const struct bytes bad[] = { BYTES_LIT(""), BYTES_LIT("\1"), BYTES_LIT("\3ab"), BYTES_LIT("\1a\1"), BYTES_LIT("\377abc") };
	CLEANUP(arena_free_p) struct arena *a = arena_new(1024, 65536);
	struct bytes text = BYTES_NONE;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(txt_read(a, bad[i], &text, NULL), ERR_MALFORMED);
	assert_null(text.ptr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_joined),
		cmocka_unit_test(a_string_of_255_characters_can_be_followed),
		cmocka_unit_test(what_is_cut_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
