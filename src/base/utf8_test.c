#include "base/utf8.h"

#include "base/test_support.h"

static void every_character_goes_there_and_back(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		uint8_t out[4];
		uint32_t back = 0;
		if (c == 0xd800)
			c = 0xe000;
		size_t n = utf8_put(c, out);
		assert_int_equal(n, c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
		assert_int_equal(utf8_get(out, out + n, &back), n);
		assert_int_equal(back, c);
		for (size_t cut = 1; cut < n; cut++)
			assert_int_equal(utf8_get(out, out + cut, &back), 0);
	}
}

/* RFC 3629 §3 and §10, and Markus Kuhn's list of what decoders get wrong. */
static void what_is_not_utf8_is_refused(void **state)
{
	static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xc2\x41", "\xc2\xc2",
		"\xe0\x80\x80", "\xe0\x9f\xbf", "\xe1\x80", "\xe1\x80\x41", "\xe1\x41\x80", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80\x41", "\xf1\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xfe", "\xff" };

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		const uint8_t *p = (const uint8_t *)bad[i];
		uint32_t c = 42;
		assert_int_equal(utf8_get(p, p + strlen(bad[i]), &c), 0);
		assert_int_equal(c, 42);
	}
}

static void what_steers_a_terminal_is_not_printable(void **state)
{
	static const uint32_t hidden[] = { 0, '\n', 0x1b, 0x1f, 0x7f, 0x80, 0x85, 0x9b, 0x9f, 0xad, 0x200b, 0x200e, 0x200f, 0x2028, 0x2029,
		0x202a, 0x202e, 0x2060, 0x2066, 0x2069, 0xd800, 0xdfff, 0xfeff, 0xfffe, 0xffff, 0xe0041, 0x1fffe, 0x10ffff, 0x110000 };
	static const uint32_t shown[] = { ' ', 'a', '~', 0xa0, 0xe9, 0x20ac, 0x4e2d, 0xfffd, 0x1f512 };

	(void)state;
	for (size_t i = 0; i < LENGTH(hidden); i++)
		assert_false(utf8_is_printable(hidden[i]));
	for (size_t i = 0; i < LENGTH(shown); i++)
		assert_true(utf8_is_printable(shown[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_character_goes_there_and_back),
		cmocka_unit_test(what_is_not_utf8_is_refused),
		cmocka_unit_test(what_steers_a_terminal_is_not_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
