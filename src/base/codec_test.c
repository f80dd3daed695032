#include "base/codec.h"

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

static void hex_goes_there_and_back(void **state)
{
	uint8_t in[256], out[256];
	char text[HEX_LEN(sizeof in) + 1];

	(void)state;
	for (size_t i = 0; i < sizeof in; i++)
		in[i] = (uint8_t)i;
	hex_encode(BYTES_ARRAY(in), text);
	assert_memory_equal(text, "000102", 6);
	assert_memory_equal(text + 508, "feff", 5);
	assert_int_equal(hex_decode(bytes_str(text), out, sizeof out, NULL), ERR_OK);
	assert_memory_equal(in, out, sizeof in);
	assert_int_equal(hex_decode(BYTES_LIT("aAFf"), out, 2, NULL), ERR_OK);
	assert_memory_equal(out, "\xaa\xff", 2);
	hex_encode(BYTES_NONE, text);
	assert_string_equal(text, "");
	assert_int_equal(hex_decode(BYTES_NONE, out, 0, NULL), ERR_OK);
}

static void what_is_not_hex_is_refused(void **state)
{
	static const char *const bad[] = { "", "0", "000", "00000", "0g00", "00 0", "0x00", "@000", "`000", "00:0", "000/", "\xffxyz" };
	uint8_t out[2] = { 7, 7 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		assert_int_equal(hex_decode(bytes_str(bad[i]), out, 2, &e), ERR_MALFORMED);
		ASSERT_SAYS(e, "hexadecimal");
	}
	assert_memory_equal(out, "\7\7", 2);
}

/* RFC 4648 §10, in the alphabet of §5 and without padding. */
static void base64url_has_the_rfcs_vectors(void **state)
{
	static const struct {
		const char *plain, *text;
	} cases[] = { { "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy" }, { "\xfb\xff\xbf", "-_-_" } };

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		char text[16];
		struct buf b CLEANUP(buf_free_p) = buf_new(strlen(cases[i].text));
		struct bytes back;
		base64url_encode(bytes_str(cases[i].plain), text);
		assert_string_equal(text, cases[i].text);
		base64url_add(&b, bytes_str(cases[i].plain));
		assert_true(buf_ok(&b));
		assert_true(bytes_eq_str(buf_bytes(&b), cases[i].text));
		assert_int_equal(base64url_decode(arena, bytes_str(cases[i].text), &back, NULL), ERR_OK);
		assert_non_null(back.ptr);
		assert_true(bytes_eq_str(back, cases[i].plain));
	}
}

static void base64url_goes_there_and_back(void **state)
{
	uint8_t in[200], out[200];
	char text[BASE64URL_LEN(sizeof in) + 1];
	struct bytes back;

	(void)state;
	random_bytes(in, sizeof in);
	for (size_t n = 0; n <= sizeof in; n++) {
		base64url_encode((struct bytes){ in, n }, text);
		assert_int_equal(strlen(text), BASE64URL_LEN(n));
		assert_int_equal(base64url_decode(arena, bytes_str(text), &back, NULL), ERR_OK);
		assert_true(bytes_eq(back, (struct bytes){ in, n }));
		assert_int_equal(base64url_decode_fixed(bytes_str(text), out, n, NULL), ERR_OK);
		assert_memory_equal(out, in, n);
		assert_int_equal(base64url_is(bytes_str(text)), n > 0);
	}
}

/* One value, one text: of all texts of two to four characters, exactly those decode that encode back to themselves. */
static void base64url_is_canonical(void **state)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned accepted = 0;

	(void)state;
	for (int i = 0; i < 64; i++)
		for (int j = 0; j < 64; j++) {
			char text[3] = { alphabet[i], alphabet[j], 0 }, again[8];
			uint8_t one;
			if (base64url_decode_fixed(bytes_str(text), &one, 1, NULL) != ERR_OK)
				continue;
			base64url_encode((struct bytes){ &one, 1 }, again);
			assert_string_equal(again, text);
			accepted++;
		}
	assert_int_equal(accepted, 256);
	accepted = 0;
	for (int k = 0; k < 64; k++) {
		char text[4] = { 'Z', 'm', alphabet[k], 0 };
		accepted += base64url_decode_fixed(bytes_str(text), (uint8_t[2]){ 0 }, 2, NULL) == ERR_OK;
	}
	assert_int_equal(accepted, 16);
}

static void what_is_not_base64url_is_refused(void **state)
{
	static const char *const bad[] = { "A", "AAAAA", "Zg==", "Zm8=", "Zg=", "=", "Zm9v\n", " Zm9v", "Zm 9v", "Zm9v====", "-+-_", "-/-_",
		"Zh", "Zm9", "Z\xc3\xa9", "Zm9v.", "Z,8v", "Zm9[", "{m9v", "^m9v", "@m9v", "Zm9`" };
	struct bytes out = BYTES_LIT("untouched");
	struct err e;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		assert_int_equal(base64url_decode(arena, bytes_str(bad[i]), &out, &e), ERR_MALFORMED);
		ASSERT_SAYS(e, "base64url");
	}
	assert_int_equal(base64url_decode(arena, BYTES_LIT("Zm\0v"), &out, &e), ERR_MALFORMED);
	ASSERT_TEXT(out, "untouched");
}

static void a_fixed_place_takes_its_size_alone_and_is_untouched_on_failure(void **state)
{
	uint8_t out[3] = { 7, 7, 7 };
	struct err e;

	(void)state;
	assert_int_equal(base64url_decode_fixed(BYTES_LIT("Zm8"), out, 3, &e), ERR_MALFORMED);
	ASSERT_SAYS(e, "4 characters of base64url are due, not 3");
	assert_int_equal(base64url_decode_fixed(BYTES_LIT("Zm9vYg"), out, 3, &e), ERR_MALFORMED);
	assert_int_equal(base64url_decode_fixed(BYTES_LIT("Zm9="), out, 3, &e), ERR_MALFORMED);
	assert_int_equal(base64url_decode_fixed(BYTES_LIT("Zm9"), out, 2, &e), ERR_MALFORMED);
	assert_memory_equal(out, "\7\7\7", 3);
}

static void tokens_are_told_from_other_text(void **state)
{
	(void)state;
	assert_true(base64url_is(BYTES_LIT("DGyRejmCefe7v4NfDGDKfA")));
	assert_true(base64url_is(BYTES_LIT("A"))); /* the alphabet, not the length: RFC 8555 §8 */
	assert_false(base64url_is(BYTES_LIT("")));
	assert_false(base64url_is(BYTES_NONE));
	assert_false(base64url_is(BYTES_LIT("../etc")));
	assert_false(base64url_is(BYTES_LIT("abc=")));
}

static void without_room_decoding_fails_cleanly(void **state)
{
	struct arena *small CLEANUP(arena_free_p) = arena_new(16, 16);
	struct bytes out, text = BYTES_LIT("-----BEGIN X-----\nAAAAAAAAAAAAAAAAAAAAAAAA\n-----END X-----\n");
	struct err e;

	(void)state;
	assert_int_equal(base64url_decode(small, BYTES_LIT("AAAAAAAAAAAAAAAAAAAAAAAA"), &out, &e), ERR_NOMEM);
	assert_int_equal(pem_next(small, &text, "X", &out, &e), ERR_NOMEM);
}

static void pem_goes_there_and_back_at_every_length(void **state)
{
	uint8_t der[200];

	(void)state;
	random_bytes(der, sizeof der);
	for (size_t n = 1; n <= sizeof der; n++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(1024);
		struct bytes back;
		pem_add(&b, "CERTIFICATE", (struct bytes){ der, n });
		assert_true(buf_ok(&b));
		struct bytes text = buf_bytes(&b), line, rest = text;
		while (bytes_split(rest, '\n', &line, &rest))
			assert_true(line.len > 0 && line.len <= 64);
		assert_int_equal(rest.len, 0);
		assert_int_equal(pem_next(arena, &text, "CERTIFICATE", &back, NULL), ERR_OK);
		assert_true(bytes_eq(back, (struct bytes){ der, n }));
		ASSERT_TEXT(text, "\n");
		arena_reset(arena);
	}
}

static void pem_lines_have_64_characters(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(1024);
	uint8_t der[50] = { 0 };

	(void)state;
	pem_add(&b, "X", (struct bytes){ der, 50 });
	ASSERT_TEXT(buf_bytes(&b), "-----BEGIN X-----\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAA=\n"
				   "-----END X-----\n");
	buf_reset(&b);
	pem_add(&b, "X", (struct bytes){ der, 48 });
	ASSERT_TEXT(
	    buf_bytes(&b), "-----BEGIN X-----\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END X-----\n");
}

/* What a chain file holds: text between the blocks, other labels, either kind of line end. */
static void pem_blocks_are_found_in_turn(void **state)
{
	struct bytes text = BYTES_LIT("subject: /CN=a\n-----BEGIN CERTIFICATE-----\r\nZm9v\r\n-----END CERTIFICATE-----\r\n"
				      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
				      "see -----BEGIN CERTIFICATE----- within a line\n"
				      "-----BEGIN CERTIFICATE-----  \n\n  Zm\t9vYg\n==\n-----END CERTIFICATE-----"),
		     der;
	struct err e;

	(void)state;
	assert_int_equal(pem_next(arena, &text, "CERTIFICATE", &der, &e), ERR_OK);
	ASSERT_TEXT(der, "foo");
	assert_int_equal(pem_next(arena, &text, "CERTIFICATE", &der, &e), ERR_OK);
	ASSERT_TEXT(der, "foob");
	assert_int_equal(pem_next(arena, &text, "CERTIFICATE", &der, &e), ERR_NOT_FOUND);
	ASSERT_SAYS(e, "\"CERTIFICATE\"");
	assert_int_equal(text.len, 0);
	text = BYTES_NONE;
	assert_int_equal(pem_next(arena, &text, "CERTIFICATE", &der, &e), ERR_NOT_FOUND);
}

static void broken_pem_is_refused_and_the_text_stays(void **state)
{
	static const char *const bad[] = {
		"-----BEGIN X-----\nZm9v\n",                                            /* no end */
		"-----BEGIN X-----\nZm9v\n-----END Y-----\n",                           /* another's end */
		"-----BEGIN X-----\nZm9v-----END X-----\n",                             /* the end within a line */
		"-----BEGIN X-----Zm9v\n-----END X-----\n",                             /* the content on the label's line */
		"-----BEGIN X-----\n-----END X-----\n",                                 /* nothing */
		"-----BEGIN X----------END X-----\n",                                   /* less */
		"-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\nZm9v\n-----END X-----\n", /* RFC 1421 headers */
		"-----BEGIN X-----\nZm9\n-----END X-----\n",                            /* cut */
		"-----BEGIN X-----\nZm9vY\n-----END X-----\n",                          /* cut */
		"-----BEGIN X-----\nZg=\n-----END X-----\n",                            /* cut padding */
		"-----BEGIN X-----\nZ===\n-----END X-----\n",                           /* too much padding */
		"-----BEGIN X-----\n====\n-----END X-----\n",                           /* nothing but padding */
		"-----BEGIN X-----\nZm9v====\n-----END X-----\n",                       /* padding where none is due */
		"-----BEGIN X-----\nZg==Zg==\n-----END X-----\n",                       /* padding in the middle */
		"-----BEGIN X-----\nZm=v\n-----END X-----\n",                           /* likewise */
		"-----BEGIN X-----\nZh==\n-----END X-----\n",                           /* bits that belong to no byte */
		"-----BEGIN X-----\nZm9=\n-----END X-----\n",                           /* likewise */
		"-----BEGIN X-----\n-_-_\n-----END X-----\n",                           /* the other alphabet */
		"-----BEGIN X-----\nZm9v\n-----BEGIN X-----\nZm9v\n-----END X-----\n",  /* a block within a block */
		"-----BEGIN X-----\nZm\xc3\xa9\n-----END X-----\n",
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		struct bytes text = bytes_str(bad[i]), der = BYTES_LIT("untouched");
		assert_int_equal(pem_next(arena, &text, "X", &der, &e), ERR_MALFORMED);
		ASSERT_TEXT(der, "untouched");
		assert_ptr_equal(text.ptr, bad[i]);
		assert_int_equal(text.len, strlen(bad[i]));
		ASSERT_SAYS(e, "PEM");
	}
}

static void random_bytes_fill_everything_and_differ(void **state)
{
	uint8_t a[1000] = { 0 }, b[1000] = { 0 };
	unsigned seen[256] = { 0 }, values = 0;

	(void)state;
	random_bytes(a, sizeof a);
	random_bytes(b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
	for (size_t i = 0; i < sizeof a; i++)
		values += seen[a[i]]++ == 0;
	assert_true(values > 200); /* of 256; 251 are expected, and fewer than 200 never happen */
	random_bytes(a, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_goes_there_and_back),
		cmocka_unit_test(what_is_not_hex_is_refused),
		cmocka_unit_test(base64url_has_the_rfcs_vectors),
		cmocka_unit_test(base64url_goes_there_and_back),
		cmocka_unit_test(base64url_is_canonical),
		cmocka_unit_test(what_is_not_base64url_is_refused),
		cmocka_unit_test(a_fixed_place_takes_its_size_alone_and_is_untouched_on_failure),
		cmocka_unit_test(tokens_are_told_from_other_text),
		cmocka_unit_test(without_room_decoding_fails_cleanly),
		cmocka_unit_test(pem_goes_there_and_back_at_every_length),
		cmocka_unit_test(pem_lines_have_64_characters),
		cmocka_unit_test(pem_blocks_are_found_in_turn),
		cmocka_unit_test(broken_pem_is_refused_and_the_text_stays),
		cmocka_unit_test(random_bytes_fill_everything_and_differ),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
