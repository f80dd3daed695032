#include "dns/packet.h"

#include "base/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define QUESTION "\0\0\x81\x80\0\1"
#define NAME     "\7example\3org\0"
#define OWNER    "\xc0\x0c"
#define A(text)  "\0\1\0\1\0\0\1\x2c\0\4" text
#define CNAME    "\0\5\0\1\0\0\0\x3c\0"

struct fixture {
	struct arena *arena;
	struct packet_answer answer;
	struct err e;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->arena = arena_new(8192, 1u << 20);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_free(f->arena);
	free(f);
	return 0;
}

static enum err_code read_as(struct fixture *f, struct bytes packet, unsigned type)
{
	return packet_read(f->arena, packet, BYTES_LIT("example.org"), type, &f->answer, &f->e);
}

static void reads_records_and_the_least_ttl(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    read_as(f, BYTES_LIT(QUESTION "\0\2\0\0\0\0" NAME "\0\1\0\1" OWNER A("abcd") OWNER "\0\1\0\1\0\0\0\7\0\4wxyz"), 1), ERR_OK);
	assert_int_equal(f->answer.n_records, 2);
	assert_true(bytes_eq_str(f->answer.records[1], "wxyz"));
	assert_int_equal(f->answer.ttl_s, 7);
	assert_int_equal(f->answer.canonical.len, 0);
}

static void records_of_another_class_are_none(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
	    read_as(f, BYTES_LIT(QUESTION "\0\2\0\0\0\0" NAME "\0\1\0\1" OWNER "\0\1\0\3\0\0\0\1\0\4abcd" OWNER A("wxyz")), 1), ERR_OK);
	assert_int_equal(f->answer.n_records, 1);
	assert_true(bytes_eq_str(f->answer.records[0], "wxyz"));
	assert_int_equal(f->answer.ttl_s, 300);
}

static void follows_cnames_in_any_order(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_as(f,
			     BYTES_LIT(QUESTION "\0\2\0\0\0\0" NAME "\0\1\0\1"
						"\3WWW" OWNER A("abcd") OWNER CNAME "\6\3www" OWNER),
			     1),
	    ERR_OK);
	assert_int_equal(f->answer.n_records, 1);
	assert_int_equal(f->answer.ttl_s, 60);
	assert_true(bytes_eq_str(f->answer.canonical, "www.example.org"));
}

static void passes_over_what_belongs_to_others(void **state)
{
	struct fixture *f = *state;

	/* A at another name, AAAA at ours */
	assert_int_equal(read_as(f,
			     BYTES_LIT(QUESTION "\0\2\0\0\0\0" NAME "\0\1\0\1"
						"\1x" OWNER A("abcd") OWNER "\0\x1c\0\1\0\0\0\7\0\4wxyz"),
			     1),
	    ERR_OK);
	assert_int_equal(f->answer.n_records, 0);
}

static void tells_nxdomain_and_other_codes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_as(f, BYTES_LIT("\0\0\x81\x83\0\1\0\0\0\0\0\0" NAME "\0\1\0\1"), 1), ERR_OK);
	assert_int_equal(f->answer.rcode, DNS_RCODE_NXDOMAIN);
	assert_int_equal(read_as(f, BYTES_LIT("\0\0\x81\x82\0\0\0\0\0\0\0\0"), 1), ERR_OK);
	assert_int_equal(f->answer.rcode, DNS_RCODE_SERVFAIL);
}

static void odd_names_are_escaped(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_as(f, BYTES_LIT(QUESTION "\0\1\0\0\0\0" NAME "\0\1\0\1" OWNER CNAME "\6\4a.\\\1\0"), 1), ERR_OK);
	assert_true(bytes_eq_str(f->answer.canonical, "a\\046\\092\\001"));
}

static void refuses(void **state)
{
	struct fixture *f = *state;
	const struct bytes bad[] = {
		{ (const uint8_t *)"", 0 }, BYTES_LIT("\0\0\x81\x80\0\1\0\0\0\0\0"),                 /* a header that is cut */
		BYTES_LIT("\0\0\x83\x80\0\1\0\0\0\0\0\0" NAME "\0\1\0\1"),                           /* TC */
		BYTES_LIT(QUESTION "\0\1\0\0\0\0" NAME "\0\1\0\1"),                                  /* no record where one is due */
		BYTES_LIT(QUESTION "\0\1\0\0\0\0" NAME "\0\1\0\1" OWNER "\0\1\0\1\0\0\0\7\0\5wxyz"), /* rdata that is cut */
		BYTES_LIT(QUESTION "\0\1\0\0\0\0" NAME "\0\1\0\1"
				   "\xc0\x1d" A("abcd")), /* a pointer to itself */
		BYTES_LIT(QUESTION "\0\1\0\0\0\0" NAME "\0\1\0\1"
				   "\xc0\x30" A("abcd")), /* forward */
		BYTES_LIT(QUESTION "\0\1\0\0\0\0" NAME "\0\1\0\1"
				   "\1a\xc0\x1d" A("abcd")), /* round and round */
		BYTES_LIT(QUESTION "\0\1\0\0\0\0" NAME "\0\1\0\1"
				   "\x40" A("abcd")),                                      /* a label of unknown kind */
		BYTES_LIT(QUESTION "\0\1\0\0\0\0" NAME "\0\1\0\1" OWNER CNAME "\2" OWNER), /* a CNAME to itself */
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (read_as(f, bad[i], 1) != ERR_MALFORMED)
			fail_msg("case %zu was taken", i);
}

static void refuses_too_many_records_and_too_long_names(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_free_p) struct buf b = buf_new(65536);

	buf_add(&b, BYTES_LIT(QUESTION "\1\1\0\0\0\0" NAME "\0\1\0\1"));
	for (int i = 0; i <= PACKET_RECORDS_MAX; i++)
		buf_add(&b, BYTES_LIT(OWNER A("abcd")));
	assert_int_equal(read_as(f, buf_bytes(&b), 1), ERR_MALFORMED);
	buf_reset(&b);
	buf_add(&b, BYTES_LIT(QUESTION "\0\1\0\0\0\0" NAME "\0\1\0\1"));
	for (int i = 0; i < 128; i++)
		buf_add(&b, BYTES_LIT("\1a"));
	buf_add(&b, BYTES_LIT("\0" A("abcd")));
	assert_int_equal(read_as(f, buf_bytes(&b), 1), ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_records_and_the_least_ttl, setup, teardown),
		cmocka_unit_test_setup_teardown(records_of_another_class_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(follows_cnames_in_any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(passes_over_what_belongs_to_others, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_nxdomain_and_other_codes, setup, teardown),
		cmocka_unit_test_setup_teardown(odd_names_are_escaped, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_too_many_records_and_too_long_names, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
