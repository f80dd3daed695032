#include "server/receipt.h"

#include "base/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t key_bytes[RECEIPT_KEY_SIZE] = { 1, 2, 3 }, other_bytes[RECEIPT_KEY_SIZE] = { 1, 2, 4 };

static struct receipt sample(enum receipt_kind kind)
{
	struct receipt r = { .key_id = 7,
		.perspective = BYTES_LIT("local"),
		.kind = kind,
		.identifier = { .type = IDENTIFIER_DNS, .value = BYTES_LIT("example.org") },
		.scope = SCOPE_EXACT,
		.account_url = BYTES_LIT("https://ca.example/acme/acct/x"),
		.dnssec = DNSSEC_SECURE,
		.time_ms = 1790000000123,
		.method = CHALLENGE_TYPE_HTTP_01 };

	if (kind == RECEIPT_CONTROL) {
		r.domain = BYTES_LIT("example.org");
		r.token = BYTES_LIT("token");
		r.relaxed_address = true;
	} else {
		r.issuer_domain = BYTES_LIT("ca.example");
		r.node = BYTES_LIT("example.org");
		r.ttl_s = 300;
		r.outcome = CAA_PERMITTED;
	}
	memset(r.thumbprint, 9, sizeof r.thumbprint);
	return r;
}

static void what_is_written_is_read(void **state)
{
	static const enum receipt_kind kinds[] = { RECEIPT_CONTROL, RECEIPT_CAA };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct receipt in = sample(kinds[i]), out;
		struct buf b = buf_new(RECEIPT_SIZE_MAX);
		receipt_write(&in, BYTES_ARRAY(key_bytes), &b);
		assert_int_equal(receipt_read(buf_bytes(&b), BYTES_ARRAY(key_bytes), &out, NULL), ERR_OK);
		assert_int_equal(out.key_id, 7);
		assert_int_equal(out.kind, kinds[i]);
		assert_true(bytes_eq_str(out.identifier.value, "example.org"));
		assert_true(bytes_eq(out.account_url, in.account_url));
		assert_memory_equal(out.thumbprint, in.thumbprint, 32);
		assert_int_equal(out.time_ms, in.time_ms);
		assert_int_equal(out.dnssec, DNSSEC_SECURE);
		assert_true(bytes_eq(out.token, in.token));
		assert_int_equal(out.relaxed_address, in.relaxed_address);
		assert_true(bytes_eq(out.issuer_domain, in.issuer_domain));
		assert_int_equal(out.ttl_s, in.ttl_s);
		buf_free(&b);
	}
}

static void every_changed_byte_and_every_cut_is_refused(void **state)
{
	struct receipt in = sample(RECEIPT_CONTROL), out;
	struct buf b = buf_new(RECEIPT_SIZE_MAX);

	(void)state;
	receipt_write(&in, BYTES_ARRAY(key_bytes), &b);
	for (size_t i = 0; i < b.len; i++) {
		b.ptr[i] ^= 1;
		assert_int_not_equal(receipt_read(buf_bytes(&b), BYTES_ARRAY(key_bytes), &out, NULL), ERR_OK);
		b.ptr[i] ^= 1;
		assert_int_not_equal(receipt_read(bytes_slice(buf_bytes(&b), 0, i), BYTES_ARRAY(key_bytes), &out, NULL), ERR_OK);
	}
	assert_int_equal(receipt_read(buf_bytes(&b), BYTES_ARRAY(other_bytes), &out, NULL), ERR_UNAUTHORIZED);
	assert_int_equal(receipt_read(buf_bytes(&b), BYTES_ARRAY(key_bytes), &out, NULL), ERR_OK);
	buf_free(&b);
}

static void tokens_are_ours_and_fresh(void **state)
{
	char token[44], other[44];
	int64_t now = 1790000000000;

	(void)state;
	token_mint(BYTES_ARRAY(key_bytes), now, token);
	token_mint(BYTES_ARRAY(key_bytes), now, other);
	assert_int_equal(strlen(token), 43);
	assert_true(base64url_is(bytes_str(token)));
	assert_string_not_equal(token, other);
	assert_int_equal(token_check(BYTES_ARRAY(key_bytes), now, bytes_str(token), NULL), ERR_OK);
	assert_int_equal(token_check(BYTES_ARRAY(key_bytes), now + TOKEN_AGE_MAX_MS, bytes_str(token), NULL), ERR_OK);
	assert_int_equal(token_check(BYTES_ARRAY(key_bytes), now + TOKEN_AGE_MAX_MS + 1, bytes_str(token), NULL), ERR_UNAUTHORIZED);
	assert_int_equal(token_check(BYTES_ARRAY(key_bytes), now - 60000, bytes_str(token), NULL), ERR_UNAUTHORIZED);
	assert_int_equal(token_check(BYTES_ARRAY(other_bytes), now, bytes_str(token), NULL), ERR_UNAUTHORIZED);
	assert_int_equal(token_check(BYTES_ARRAY(key_bytes), now, BYTES_LIT("../../etc/passwd"), NULL), ERR_UNAUTHORIZED);
	for (size_t i = 0; i < 43; i++) {
		char saved = token[i];
		token[i] = saved == 'A' ? 'B' : 'A';
		assert_int_equal(token_check(BYTES_ARRAY(key_bytes), now, bytes_str(token), NULL), ERR_UNAUTHORIZED);
		token[i] = saved;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(every_changed_byte_and_every_cut_is_refused), cmocka_unit_test(tokens_are_ours_and_fresh) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
