#include "pki/der.h"

#include "base/clock.h"
#include "pki/oid.h"
#include "pki/test_support.h"

#include <stdio.h>

static struct bytes octets(const char *hex)
{
	return test_hex(hex);
}

#define ASSERT_BYTES(got, hex)                                       \
	do {                                                         \
		struct bytes got_ = (got), want_ = octets(hex);      \
		assert_int_equal(got_.len, want_.len);               \
		assert_memory_equal(got_.ptr, want_.ptr, want_.len); \
	} while (0)

static void elements_are_read_in_turn(void **state)
{
	struct der d = der_of(octets("3003 020105 0500 0c02 6869"));

	(void)state;
	assert_true(der_more(&d));
	assert_int_equal(der_peek(&d), DER_SEQUENCE);
	struct der s = der_enter(&d, DER_SEQUENCE);
	ASSERT_BYTES(der_get_unsigned(&s), "05");
	assert_int_equal(der_peek(&s), -1);
	assert_int_equal(der_end(&s, ERR_MALFORMED, "s", NULL), ERR_OK);
	ASSERT_BYTES(der_get_element(&d), "0500");
	ASSERT_BYTES(der_get(&d, DER_UTF8_STRING), "6869");
	assert_false(der_more(&d));
	assert_int_equal(der_end(&d, ERR_MALFORMED, "d", NULL), ERR_OK);
}

static void what_is_not_der_fails(void **state)
{
	static const char *const bad[] = {
		"",                /* nothing */
		"04",              /* no length */
		"0401",            /* no content */
		"0480 00 0000",    /* indefinite */
		"2480 0401aa0000", /* indefinite, constructed */
		"048101 aa",       /* long form where the short one does */
		"048100",          /* likewise */
		"04820001aa",      /* leading zero octet */
		"0482008000",      /* leading zero octet before a length over 127 */
		"0481",            /* the length cut off */
		"048200",          /* likewise */
		"0484ffffffff",    /* past the end */
		"048500000000 01", /* more octets than anything has */
		"04ff",            /* reserved (X.690 §8.1.3.5) */
		"1f0100",          /* high tag number */
		"bf1f00",          /* likewise, context-specific */
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct der d = der_of(octets(bad[i]));
		assert_null(der_get_element(&d).ptr);
		assert_true(d.failed);
		assert_false(der_more(&d));
		assert_int_equal(der_peek(&d), -1);
		struct err e;
		assert_int_equal(der_end(&d, ERR_BAD_CSR, "the thing", &e), ERR_BAD_CSR);
		assert_non_null(strstr(e.detail, "the thing"));
	}
}

static void failure_sticks(void **state)
{
	struct der d = der_of(octets("020101 020102"));

	(void)state;
	assert_null(der_get(&d, DER_OCTET_STRING).ptr);
	assert_true(d.failed);
	assert_null(der_get_unsigned(&d).ptr);
	assert_null(der_get_bits(&d).ptr);
	assert_false(der_get_bool(&d));
	assert_int_equal(der_get_time(&d), 0);
	struct der child = der_enter(&d, DER_INTEGER);
	assert_true(child.failed);
	assert_false(der_more(&child));
}

static void what_is_left_over_is_named(void **state)
{
	struct der d = der_of(octets("020101 0500"));
	struct err e;

	(void)state;
	(void)der_get_unsigned(&d);
	assert_int_equal(der_end(&d, ERR_MALFORMED, "the list", &e), ERR_MALFORMED);
	assert_string_equal(e.detail, "the list has 2 bytes more than its DER structure");
}

static void integers(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
	} rows[] = {
		{ "020100", "00" },
		{ "02017f", "7f" },
		{ "02020080", "80" },
		{ "020200ff", "ff" },
		{ "02020100", "0100" },
		{ "0203 00ffff", "ffff" },
		{ "0200", NULL },
		{ "020180", NULL },
		{ "0201ff", NULL },
		{ "02020001", NULL },
		{ "0202007f", NULL },
		{ "0203 000080", NULL },
		{ "0101ff", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct der d = der_of(octets(rows[i].in));
		struct bytes v = der_get_unsigned(&d);
		assert_int_equal(d.failed, !rows[i].out);
		if (rows[i].out)
			ASSERT_BYTES(v, rows[i].out);
		else
			assert_null(v.ptr);
	}
}

static void booleans_and_bit_strings(void **state)
{
	struct der d = der_of(octets("010100 0101ff 0303 00abcd 030100"));

	(void)state;
	assert_false(der_get_bool(&d));
	assert_true(der_get_bool(&d));
	ASSERT_BYTES(der_get_bits(&d), "abcd");
	assert_int_equal(der_get_bits(&d).len, 0);
	assert_int_equal(der_end(&d, ERR_MALFORMED, "d", NULL), ERR_OK);
	static const char *const bad_bools[] = { "010101", "0100", "0102ffff", "020100" };
	for (size_t i = 0; i < 4; i++) {
		d = der_of(octets(bad_bools[i]));
		assert_false(der_get_bool(&d));
		assert_true(d.failed);
	}
	static const char *const bad_bits[] = { "0300", "030201fe", "03020880", "0401aa" };
	for (size_t i = 0; i < 4; i++) {
		d = der_of(octets(bad_bits[i]));
		assert_null(der_get_bits(&d).ptr);
		assert_true(d.failed);
	}
}

/* A time element of this text. */
static struct der time_of(int tag, const char *text)
{
	static struct buf b;

	buf_free(&b);
	b = buf_new(64);
	der_put(&b, tag, bytes_str(text));
	return der_of(buf_bytes(&b));
}

static void times_are_those_of_rfc_5280(void **state)
{
	static const struct {
		int tag;
		const char *text;
		int64_t unix_s;
	} good[] = {
		{ DER_UTC_TIME, "500101000000Z", -631152000 },
		{ DER_UTC_TIME, "700101000000Z", 0 },
		{ DER_UTC_TIME, "261124000000Z", TEST_NOW_S },
		{ DER_UTC_TIME, "491231235959Z", 2524607999 },
		{ DER_UTC_TIME, "240229120000Z", 1709208000 },
		{ DER_GENERALIZED_TIME, "20500101000000Z", 2524608000 },
		{ DER_GENERALIZED_TIME, "99991231235959Z", 253402300799 },
	};
	static const struct {
		int tag;
		const char *text;
	} bad[] = {
		{ DER_UTC_TIME, "261124000000" },
		{ DER_UTC_TIME, "2611240000Z" },
		{ DER_UTC_TIME, "261124000000+0000" },
		{ DER_UTC_TIME, "261324000000Z" },
		{ DER_UTC_TIME, "260230000000Z" },
		{ DER_UTC_TIME, "261124240000Z" },
		{ DER_UTC_TIME, "261124006000Z" },
		{ DER_UTC_TIME, "261124000060Z" },
		{ DER_UTC_TIME, "26112400000 Z" },
		{ DER_UTC_TIME, "-61124000000Z" },
		{ DER_UTC_TIME, "20500101000000Z" },
		{ DER_UTC_TIME, "" },
		{ DER_GENERALIZED_TIME, "20491231235959Z" },
		{ DER_GENERALIZED_TIME, "20500101000000.5Z" },
		{ DER_GENERALIZED_TIME, "20500101000000" },
		{ DER_GENERALIZED_TIME, "500101000000Z" },
		{ DER_OCTET_STRING, "261124000000Z" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct der d = time_of(good[i].tag, good[i].text);
		struct bytes whole = d.rest;
		assert_int_equal(der_get_time(&d), good[i].unix_s);
		assert_int_equal(der_end(&d, ERR_MALFORMED, "time", NULL), ERR_OK);
		struct buf b CLEANUP(buf_free_p) = buf_new(64);
		der_put_time(&b, good[i].unix_s);
		assert_true(bytes_eq(buf_bytes(&b), whole));
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct der d = time_of(bad[i].tag, bad[i].text);
		assert_int_equal(der_get_time(&d), 0);
		assert_true(d.failed);
	}
	(void)time_of(DER_NULL, "");
}

static void times_out_of_range_are_not_written(void **state)
{
	static const int64_t bad[] = { -631152001, 253402300800 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(64);
		der_put_time(&b, bad[i]);
		assert_false(buf_ok(&b));
	}
}

static void lengths_are_minimal_at_every_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 126, 127, 128, 129, 255, 256, 257, 65535, 65536 };
	static uint8_t content[65536];

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct buf opened CLEANUP(buf_free_p) = buf_new(1 << 20), put CLEANUP(buf_free_p) = buf_new(1 << 20);
		struct bytes in = { content, sizes[i] };
		buf_add_str(&opened, "xy"); /* a mark must be right wherever in the buffer it lies */
		struct der_mark outer = der_open(&opened, DER_SEQUENCE), inner = der_open(&opened, DER_OCTET_STRING);
		buf_add(&opened, in);
		der_close(&opened, inner);
		der_put_bool(&opened, true);
		der_close(&opened, outer);
		der_put(&put, DER_OCTET_STRING, in);

		struct der d = der_of(bytes_slice(buf_bytes(&opened), 2, opened.len)), s = der_enter(&d, DER_SEQUENCE);
		assert_true(bytes_eq(der_get_element(&s), buf_bytes(&put)));
		assert_true(der_get_bool(&s));
		assert_int_equal(der_end(&s, ERR_MALFORMED, "s", NULL), ERR_OK);
		assert_int_equal(der_end(&d, ERR_MALFORMED, "d", NULL), ERR_OK);
		d = der_of(buf_bytes(&put));
		assert_true(bytes_eq(der_get(&d, DER_OCTET_STRING), in));
	}
}

static void write_all(struct buf *b)
{
	struct der_mark outer = der_open(b, DER_SEQUENCE), inner = der_open(b, DER_CONTEXT_CONSTRUCTED(3));

	der_put_unsigned(b, octets("0000"));
	der_put_unsigned(b, BYTES_NONE);
	der_put_unsigned(b, octets("000080"));
	der_put_u64(b, 127);
	der_put_u64(b, 128);
	der_put_u64(b, UINT64_MAX);
	der_put_bool(b, false);
	der_put_bits(b, octets("abcd"));
	der_put_oid(b, "551d11");
	der_put_hex(b, "0500");
	der_close(b, inner);
	for (unsigned i = 0; i < 20; i++)
		der_put_time(b, TEST_NOW_S);
	der_close(b, outer);
}

static void the_writer_writes_what_it_should(void **state)
{
	struct buf b CLEANUP(buf_free_p) = buf_new(4096);

	(void)state;
	write_all(&b);
	assert_true(buf_ok(&b));
	struct der d = der_of(buf_bytes(&b)), s = der_enter(&d, DER_SEQUENCE);
	ASSERT_BYTES(der_get(&s, DER_CONTEXT_CONSTRUCTED(3)),
	    "020100 020100 02020080 02017f 02020080 0209 00ffffffffffffffff 010100 030300abcd 0603551d11 0500");
}

/* Fail at every size: nothing crashes, and the failure is seen. */
static void a_full_buffer_is_a_failure_and_no_more(void **state)
{
	struct buf whole CLEANUP(buf_free_p) = buf_new(4096);

	(void)state;
	write_all(&whole);
	for (size_t max = 0; max < whole.len; max++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(max);
		write_all(&b);
		assert_false(buf_ok(&b));
	}
	struct buf enough CLEANUP(buf_free_p) = buf_new(whole.len);
	write_all(&enough);
	assert_true(buf_ok(&enough));
}

static void a_wrong_constant_is_a_failure(void **state)
{
	static const char *const bad[] = { "0", "0g", "g0", "05 0", "0A" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct buf b CLEANUP(buf_free_p) = buf_new(64);
		der_put_hex(&b, bad[i]);
		assert_false(buf_ok(&b));
	}
}

static void object_identifiers_have_names(void **state)
{
	static const struct {
		const char *hex, *text;
	} rows[] = {
		{ "551d13", "basicConstraints (2.5.29.19)" },
		{ "2a864886f70d010907", "challengePassword (1.2.840.113549.1.9.7)" },
		{ "2b06010505070118", "tlsfeature (1.3.6.1.5.5.7.1.24)" },
		{ "67810c010201", "domain-validated (2.23.140.1.2.1)" },
		{ "2b65 70", "Ed25519 (1.3.101.112)" },
		{ "2b060104018237 0d0203", "1.3.6.1.4.1.311.13.2.3" },
		{ "00", "0.0" },
		{ "27", "0.39" },
		{ "28", "1.0" },
		{ "8837", "2.999" },
		{ "", "?" },
		{ "80", "?" },
		{ "2a86", "1.2.?" },
		{ "2a ffffffffffffffffffffffff7f", "1.2.?" },
	};
	char text[OID_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		oid_text(octets(rows[i].hex), text);
		assert_string_equal(text, rows[i].text);
	}
	/* Longer than any: cut off, never past the end. */
	static uint8_t lots[400];
	memset(lots, 0x7f, sizeof lots);
	oid_text(BYTES_ARRAY(lots), text);
	assert_true(strlen(text) < OID_TEXT_SIZE);
	assert_int_equal(oid_from(BYTES_ARRAY(lots)), OID_UNKNOWN);
	assert_int_equal(oid_from(BYTES_NONE), OID_UNKNOWN);
	assert_false(oid_is(BYTES_ARRAY(lots), OID_COMMON_NAME));
	assert_false(oid_is(BYTES_NONE, OID_COMMON_NAME));
	for (unsigned i = OID_UNKNOWN + 1; i < OID__MAX; i++) {
		struct bytes content = octets(oid_hex((enum oid)i));
		assert_int_equal(oid_from(content), i);
		for (unsigned k = OID_UNKNOWN + 1; k < OID__MAX; k++)
			assert_int_equal(oid_is(content, (enum oid)k), i == k);
	}
	assert_null(oid_hex(OID_UNKNOWN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_are_read_in_turn),
		cmocka_unit_test(what_is_not_der_fails),
		cmocka_unit_test(failure_sticks),
		cmocka_unit_test(what_is_left_over_is_named),
		cmocka_unit_test(integers),
		cmocka_unit_test(booleans_and_bit_strings),
		cmocka_unit_test(times_are_those_of_rfc_5280),
		cmocka_unit_test(times_out_of_range_are_not_written),
		cmocka_unit_test(lengths_are_minimal_at_every_size),
		cmocka_unit_test(the_writer_writes_what_it_should),
		cmocka_unit_test(a_full_buffer_is_a_failure_and_no_more),
		cmocka_unit_test(a_wrong_constant_is_a_failure),
		cmocka_unit_test(object_identifiers_have_names),
	};

	return cmocka_run_group_tests(tests, test_setup, test_teardown);
}
