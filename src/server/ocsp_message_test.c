#include "server/ocsp_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t twenty[20] = { 1 }, thirty_two[32] = { 2 }, serial[SERIAL_SIZE] = { 2, 3 };

static struct ocsp_request good(void)
{
	struct ocsp_request r = { .n_ids = OCSP_IDS_MAX, .nonce = BYTES_ARRAY(thirty_two) };

	for (size_t i = 0; i < r.n_ids; i++) {
		struct bytes digest =
		    ocsp_hash_size((enum ocsp_hash)(i % OCSP_HASH__MAX)) == 20 ? BYTES_ARRAY(twenty) : BYTES_ARRAY(thirty_two);
		r.ids[i] = (struct ocsp_id){ (enum ocsp_hash)(i % OCSP_HASH__MAX), digest, digest, BYTES_ARRAY(serial) };
	}
	return r;
}

static void a_question_goes_both_ways(void **state)
{
	struct ocsp_request in = good(), out;
	struct buf b = buf_new(CHANNEL_BODY_MAX);

	(void)state;
	ocsp_ask_write(&in, &b);
	assert_true(buf_ok(&b) && b.len <= message_rules[MESSAGE_OCSP].body_max);
	assert_int_equal(ocsp_ask_read(buf_bytes(&b), &out, NULL), ERR_OK);
	assert_int_equal(out.n_ids, in.n_ids);
	assert_true(bytes_eq(out.nonce, in.nonce));
	for (size_t i = 0; i < in.n_ids; i++)
		assert_true(out.ids[i].hash == in.ids[i].hash && bytes_eq(out.ids[i].name_hash, in.ids[i].name_hash) &&
			    bytes_eq(out.ids[i].key_hash, in.ids[i].key_hash) && bytes_eq(out.ids[i].serial, in.ids[i].serial));
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(ocsp_ask_read(bytes_slice(buf_bytes(&b), 0, i), &out, NULL), ERR_MALFORMED);
	buf_add_u8(&b, 0);
	assert_int_equal(ocsp_ask_read(buf_bytes(&b), &out, NULL), ERR_MALFORMED);
	buf_free(&b);
}

/* RFC 9654 lets a request have 128 octets of nonce; an answer repeats none that is longer than 32. */
static void a_long_nonce_is_left_out(void **state)
{
	static const uint8_t nonce[OCSP_NONCE_MAX + 1];
	struct ocsp_request in = good(), out;
	struct buf b = buf_new(CHANNEL_BODY_MAX);

	(void)state;
	in.nonce = BYTES_ARRAY(nonce);
	ocsp_ask_write(&in, &b);
	assert_int_equal(ocsp_ask_read(buf_bytes(&b), &out, NULL), ERR_OK);
	assert_int_equal(out.nonce.len, 0);
	buf_free(&b);
}

static void refuses(struct ocsp_request r)
{
	struct buf b = buf_new(CHANNEL_BODY_MAX);

	ocsp_ask_write(&r, &b);
	assert_int_equal(ocsp_ask_read(buf_bytes(&b), &r, NULL), ERR_MALFORMED);
	buf_free(&b);
}

static void ids_that_are_none(void **state)
{
	static const uint8_t long_serial[OCSP_SERIAL_MAX + 1] = { 1 };
	struct ocsp_request r;

	(void)state;
#define SPOILT(what)        \
	do {                \
		r = good(); \
		(what);     \
		refuses(r); \
	} while (0)
	SPOILT(r.n_ids = 0);
	SPOILT(r.ids[3].hash = OCSP_HASH__MAX);
	SPOILT(r.ids[0].hash = OCSP_SHA256);
	SPOILT(r.ids[0].name_hash.len = 19);
	SPOILT(r.ids[2].key_hash.len = 20);
	SPOILT(r.ids[0].serial = BYTES_LIT(""));
	SPOILT(r.ids[0].serial = BYTES_LIT("\0\1"));
	SPOILT(r.ids[0].serial = BYTES_ARRAY(long_serial));
#undef SPOILT
}

static void an_answer_goes_both_ways(void **state)
{
	struct ocsp_done in = { .issuer = { 1, 2 }, .this_update_s = 1790000000, .next_update_s = 1790345600, .response = BYTES_LIT("DER") },
			 out;
	struct buf b = buf_new(CHANNEL_BODY_MAX);

	(void)state;
	ocsp_done_write(&in, &b);
	assert_int_equal(ocsp_done_read(buf_bytes(&b), &out, NULL), ERR_OK);
	assert_memory_equal(out.issuer, in.issuer, sizeof in.issuer);
	assert_true(out.this_update_s == in.this_update_s && out.next_update_s == in.next_update_s && bytes_eq(out.response, in.response));
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(ocsp_done_read(bytes_slice(buf_bytes(&b), 0, i), &out, NULL), ERR_MALFORMED);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_question_goes_both_ways), cmocka_unit_test(a_long_nonce_is_left_out),
		cmocka_unit_test(ids_that_are_none), cmocka_unit_test(an_answer_goes_both_ways) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
