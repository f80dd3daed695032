#include "base/test_support.h"
#include "crypto/digest.h"
#include "crypto/seal.h"

#include <stdlib.h>
#include <string.h>

#define FEW  10 /* scrypt's cost in tests */
#define PASS BYTES_LIT("correct horse battery")

static uint8_t plain[SEAL_CHUNK_SIZE], sealed[3][SEAL_CHUNK_SIZE + SEAL_TAG_SIZE], out[SEAL_CHUNK_SIZE];

/* A stream of two whole chunks and a last one of n bytes. */
static void make(size_t n, uint8_t head[SEAL_HEAD_SIZE])
{
	CLEANUP(seal_free_p) struct seal *s = NULL;
	struct err e = { 0 };

	memset(plain, 'x', sizeof plain);
	assert_int_equal(seal_new(PASS, FEW, &s, head, &e), ERR_OK);
	assert_int_equal(seal_put(s, false, BYTES_ARRAY(plain), sealed[0], &e), ERR_OK);
	assert_int_equal(seal_put(s, false, BYTES_ARRAY(plain), sealed[1], &e), ERR_OK);
	assert_int_equal(seal_put(s, true, (struct bytes){ plain, n }, sealed[2], &e), ERR_OK);
	assert_int_equal(seal_put(s, true, (struct bytes){ plain, n }, out, NULL), ERR_TOO_LARGE);
}

static struct bytes whole(size_t i)
{
	return BYTES_ARRAY(sealed[i]);
}

static struct seal *opened(struct bytes pass, const uint8_t head[SEAL_HEAD_SIZE])
{
	struct seal *s = NULL;

	assert_int_equal(seal_open(pass, (struct bytes){ head, SEAL_HEAD_SIZE }, &s, NULL), ERR_OK);
	return s;
}

static void what_was_put_is_got(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, SEAL_CHUNK_SIZE };
	uint8_t head[SEAL_HEAD_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		make(sizes[i], head);
		assert_memory_not_equal(sealed[0], plain, 64);
		assert_memory_not_equal(sealed[0], sealed[1], 64);
		CLEANUP(seal_free_p) struct seal *s = opened(PASS, head);
		for (size_t k = 0; k < 2; k++) {
			memset(out, 0, sizeof out);
			assert_int_equal(seal_get(s, false, whole(k), out, NULL), ERR_OK);
			assert_memory_equal(out, plain, sizeof plain);
		}
		assert_int_equal(seal_get(s, true, (struct bytes){ sealed[2], sizes[i] + SEAL_TAG_SIZE }, out, NULL), ERR_OK);
	}
}

/* Reads the chunks in this order, and returns how the one that must fail does. */
static enum err_code read_in_order(const uint8_t head[SEAL_HEAD_SIZE], const size_t *order, const bool *last, size_t n)
{
	CLEANUP(seal_free_p) struct seal *s = opened(PASS, head);
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < n && rc == ERR_OK; i++)
		rc = seal_get(s, last[i], whole(order[i]), out, NULL);
	return rc;
}

static void chunks_cannot_be_moved_left_out_or_cut_off(void **state)
{
	uint8_t head[SEAL_HEAD_SIZE];

	(void)state;
	make(SEAL_CHUNK_SIZE, head);
	assert_int_equal(read_in_order(head, (size_t[]){ 0, 1, 2 }, (bool[]){ false, false, true }, 3), ERR_OK);
	assert_int_equal(read_in_order(head, (size_t[]){ 1, 0 }, (bool[]){ false, false }, 2), ERR_UNAUTHORIZED);
	assert_int_equal(read_in_order(head, (size_t[]){ 0, 2 }, (bool[]){ false, true }, 2), ERR_UNAUTHORIZED);
	assert_int_equal(read_in_order(head, (size_t[]){ 0, 1 }, (bool[]){ false, true }, 2), ERR_UNAUTHORIZED);
	assert_int_equal(read_in_order(head, (size_t[]){ 0, 1, 2 }, (bool[]){ false, false, false }, 3), ERR_UNAUTHORIZED);
}

static void a_changed_byte_is_seen(void **state)
{
	uint8_t head[SEAL_HEAD_SIZE];

	(void)state;
	make(7, head);
	for (size_t at = 0; at < SEAL_CHUNK_SIZE + SEAL_TAG_SIZE; at += 4111) {
		sealed[0][at] ^= 1;
		CLEANUP(seal_free_p) struct seal *s = opened(PASS, head);
		assert_int_equal(seal_get(s, false, whole(0), out, NULL), ERR_UNAUTHORIZED);
		sealed[0][at] ^= 1;
	}
	head[16] ^= 1; /* another salt is another key */
	CLEANUP(seal_free_p) struct seal *s = opened(PASS, head);
	assert_int_equal(seal_get(s, false, whole(0), out, NULL), ERR_UNAUTHORIZED);
}

static void the_passphrase_must_be_right(void **state)
{
	uint8_t head[SEAL_HEAD_SIZE];
	struct err e = { 0 };

	(void)state;
	make(7, head);
	CLEANUP(seal_free_p) struct seal *s = opened(BYTES_LIT("correct horse battery."), head);
	assert_int_equal(seal_get(s, false, whole(0), out, &e), ERR_UNAUTHORIZED);
	assert_non_null(strstr(e.detail, "the passphrase is not the right one"));
	struct seal *none = NULL;
	assert_int_equal(seal_new(BYTES_LIT("eleven char"), FEW, &none, head, &e), ERR_CONFIG);
	assert_null(none);
}

static void foreign_heads_are_refused(void **state)
{
	uint8_t head[SEAL_HEAD_SIZE], bad[SEAL_HEAD_SIZE];
	/* magic, version, and what would take all of the memory */
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = { { 0, 'X' }, { 12, 2 }, { 13, 9 }, { 13, 21 }, { 13, 255 }, { 14, 9 }, { 15, 2 } };
	struct seal *s = NULL;

	(void)state;
	make(7, head);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		memcpy(bad, head, sizeof bad);
		bad[changes[i].at] = changes[i].value;
		assert_int_equal(seal_open(PASS, BYTES_ARRAY(bad), &s, NULL), ERR_MALFORMED);
	}
	assert_int_equal(seal_open(PASS, (struct bytes){ head, 47 }, &s, NULL), ERR_MALFORMED);
	assert_null(s);
	assert_true(seal_is_head(BYTES_ARRAY(head)));
	assert_false(seal_is_head(BYTES_LIT("chancery-backup/")));
}

/* By another program's scrypt and AES-GCM (python3-cryptography): docs/protocol/backup.md says enough to read it. */
static void the_format_stays(void **state)
{
	static const uint8_t zeros[32];
	uint8_t head[SEAL_HEAD_SIZE] = "CHNCYSEALED\n\x01\x0a\x08\x01";
	static const uint8_t chunk[] = { 0x0f, 0x14, 0xb3, 0x80, 0xa4, 0x9e, 0x9f, 0x1a, 0x56, 0xf5, 0x88, 0xf3, 0x3f, 0xd1, 0x0e, 0xa7,
		0xa8, 0xff, 0x7e, 0x10, 0xca };

	(void)state;
	memcpy(head + 16, zeros, sizeof zeros);
	CLEANUP(seal_free_p) struct seal *s = opened(PASS, head);
	assert_int_equal(seal_get(s, true, BYTES_ARRAY(chunk), out, NULL), ERR_OK);
	assert_memory_equal(out, "hello", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_got),
		cmocka_unit_test(chunks_cannot_be_moved_left_out_or_cut_off),
		cmocka_unit_test(a_changed_byte_is_seen),
		cmocka_unit_test(the_passphrase_must_be_right),
		cmocka_unit_test(foreign_heads_are_refused),
		cmocka_unit_test(the_format_stays),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
