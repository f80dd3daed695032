#include "acme/ari.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct arena *arena;

/* The example of RFC 9773 §4.1. */
static void an_id_is_key_and_serial(void **state)
{
	static const uint8_t key[] = { 0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3, 0x7b, 0x84, 0x7b, 0xa0, 0xae, 0x2c, 0xde,
		0x01, 0xc8, 0xd4 };
	static const uint8_t serial[] = { 0x00, 0x87, 0x65, 0x43, 0x21 };
	struct ari_id id;

	(void)state;
	assert_int_equal(ari_id_read(arena, BYTES_LIT("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"), &id, NULL), ERR_OK);
	assert_true(bytes_eq(id.key_id, BYTES_ARRAY(key)));
	assert_true(bytes_eq(id.serial, BYTES_ARRAY(serial)));
}

static void other_forms_are_refused(void **state)
{
	static const char *const bad[] = { "", ".", "aYhb", "aYhb.", ".aYhb", "aYhb.aYhb.aYhb", "aYhb=.aYhb", "aY+b.aYhb", "aYhb.a",
		"aYhb.aYhb ", "aYhbaYhbaYhbaYhbaYhbaYhbaYhbaYhbaYhbaYhbaYhbaYhb.aYhb", "aYhb.aYhbaYhbaYhbaYhbaYhbaYhbaYhbaYhb" };
	struct ari_id id;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(ari_id_read(arena, bytes_str(bad[i]), &id, &e), ERR_MALFORMED);
	assert_non_null(strstr(e.detail, "dot"));
}

static void the_window_lies_two_thirds_in(void **state)
{
	struct ari_window w = ari_window_usual(0, 90 * 86400 - 1);

	(void)state;
	assert_int_equal(w.start_s, 60 * 86400 - 1 - 77760);
	assert_int_equal(w.end_s - w.start_s, 2 * 77760); /* a fiftieth of 90 days */
	w = ari_window_usual(0, 6 * 86400 - 1);
	assert_int_equal((w.start_s + w.end_s) / 2, 3 * 86400 - 1);
}

/* RFC 9773 §4.2: a window whose end is not behind its start is none. */
static void a_window_has_a_length_whatever_the_lifetime(void **state)
{
	(void)state;
	for (int64_t lifetime = 1; lifetime < 400 * INT64_C(86400); lifetime = lifetime * 3 / 2 + 1) {
		struct ari_window w = ari_window_usual(1000, 1000 + lifetime - 1);
		assert_true(w.start_s < w.end_s);
		assert_true(w.end_s <= 1000 + lifetime - 1);
	}
	assert_true(ari_window_past(5000).end_s < 5000);
	assert_true(ari_window_past(5000).start_s < ari_window_past(5000).end_s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(an_id_is_key_and_serial), cmocka_unit_test(other_forms_are_refused),
		cmocka_unit_test(the_window_lies_two_thirds_in), cmocka_unit_test(a_window_has_a_length_whatever_the_lifetime) };

	arena = arena_new(4096, 1u << 20);
	int rc = arena ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
	arena_free(arena);
	return rc;
}
