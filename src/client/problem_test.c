#include "client/problem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct arena *a;
	struct chancery_error x;
	struct err e;
};

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .a = arena_new(4096, 1u << 20) };
	*state = &f;
	return f.a ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	failure_reset(&f->x);
	arena_free(f->a);
	return 0;
}

static enum err_code read_at(struct fixture *f, const char *json, int status, enum problem_place place)
{
	failure_reset(&f->x);
	arena_reset(f->a);
	return problem_document_read(&f->x, f->a, bytes_str(json), status, place, "asking", &f->e);
}

static void a_whole_problem(void **state)
{
	struct fixture *f = *state;
	/* RFC 8555 §6.7.1's example, shortened */
	const char *json =
	    "{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"Some of the identifiers requested were rejected\","
	    "\"subproblems\":[{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"Invalid underscore in DNS name\","
	    "\"identifier\":{\"type\":\"dns\",\"value\":\"_example.org\"}},"
	    "{\"type\":\"urn:ietf:params:acme:error:rejectedIdentifier\",\"detail\":\"This CA will not issue for \\\"example.net\\\"\","
	    "\"identifier\":{\"type\":\"dns\",\"value\":\"example.net\"}}]}";

	assert_int_equal(read_at(f, json, 400, PROBLEM_OF_REQUEST), ERR_MALFORMED);
	assert_string_equal(chancery_error_message(&f->x), "asking: Some of the identifiers requested were rejected (malformed)");
	assert_string_equal(chancery_error_type(&f->x), "malformed");
	assert_int_equal(chancery_error_http_status(&f->x), 400);
	assert_int_equal(chancery_error_result(&f->x), CHANCERY_REFUSED);
	assert_int_equal(chancery_error_sub_count(&f->x), 2);
	assert_string_equal(chancery_error_sub_name(&f->x, 0), "_example.org");
	assert_string_equal(chancery_error_sub_type(&f->x, 1), "rejectedIdentifier");
	assert_string_equal(chancery_error_sub_detail(&f->x, 1), "This CA will not issue for \"example.net\"");
	assert_string_equal(chancery_error_sub_name(&f->x, 2), "");
}

/* The same code means one thing in an answer and another in a challenge. */
static void whose_fault_it_is(void **state)
{
	static const struct {
		const char *type;
		int status;
		enum problem_place place;
		enum chancery_result result;
		enum chancery_fault fault;
	} rows[] = {
		{ "unauthorized", 403, PROBLEM_OF_REQUEST, CHANCERY_REFUSED, CHANCERY_FAULT_CALLER },
		{ "unauthorized", 0, PROBLEM_OF_VALIDATION, CHANCERY_VALIDATION, CHANCERY_FAULT_NAME },
		{ "connection", 0, PROBLEM_OF_VALIDATION, CHANCERY_VALIDATION, CHANCERY_FAULT_NAME },
		{ "dns", 0, PROBLEM_OF_VALIDATION, CHANCERY_VALIDATION, CHANCERY_FAULT_NAME },
		{ "caa", 403, PROBLEM_OF_REQUEST, CHANCERY_REFUSED, CHANCERY_FAULT_NAME },
		{ "rateLimited", 429, PROBLEM_OF_REQUEST, CHANCERY_REFUSED, CHANCERY_FAULT_CALLER },
		{ "serverInternal", 500, PROBLEM_OF_REQUEST, CHANCERY_REFUSED, CHANCERY_FAULT_SERVER },
		{ "neverHeardOf", 400, PROBLEM_OF_REQUEST, CHANCERY_REFUSED, CHANCERY_FAULT_SERVER },
	};
	struct fixture *f = *state;
	char json[200];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		(void)snprintf(json, sizeof json, "{\"type\":\"urn:ietf:params:acme:error:%s\",\"detail\":\"d\"}", rows[i].type);
		assert_int_not_equal(read_at(f, json, rows[i].status, rows[i].place), ERR_OK);
		assert_int_equal(f->x.result, rows[i].result);
		assert_int_equal(f->x.fault, rows[i].fault);
		assert_string_equal(f->x.type, rows[i].type);
		assert_true(f->x.hint[0] != 0);
	}
}

static void what_is_no_problem_document(void **state)
{
	static const char *const bad[] = { "", "<html>nginx</html>", "[]", "null", "{\"type\":7,\"detail\":[]}", "{\"subproblems\":{}}",
		"{\"detail\":null}", "{\"type\":\"about:blank\"}",
		"{\"subproblems\":[1,null,{\"identifier\":3},{\"identifier\":{\"value\":{}}}]}", "{\"detail\":\"a\"" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(read_at(f, bad[i], 502, PROBLEM_OF_REQUEST), ERR_SERVER_INTERNAL);
		assert_string_equal(chancery_error_message(&f->x), "asking: the server answered with HTTP status 502 and no reason");
		assert_string_equal(chancery_error_type(&f->x), "");
		assert_int_equal(f->x.fault, CHANCERY_FAULT_SERVER);
	}
}

/* What a server says goes to a terminal: it may not steer it. */
static void text_is_made_harmless(void **state)
{
	struct fixture *f = *state;
	char small[8];

	assert_int_equal(
	    read_at(f, "{\"detail\":\"red \\u001b[31m\\r\\nsecond \\u202e\\u00e4\"}", 400, PROBLEM_OF_REQUEST), ERR_SERVER_INTERNAL);
	assert_string_equal(chancery_error_message(&f->x), "asking: red ?[31m? second ?\xc3\xa4");
	failure_text(bytes_str("abcdef\xc3\xa4"), small, sizeof small);
	assert_string_equal(small, "abcdef"); /* no half character */
	failure_text(bytes_str("a\xff"), small, sizeof small);
	assert_string_equal(small, "a?");
	failure_text(BYTES_NONE, small, sizeof small);
	assert_string_equal(small, "");
}

static void size_is_bounded(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_free_p) struct buf json = buf_new(1u << 19);

	buf_add_str(&json, "{\"detail\":\"");
	for (int i = 0; i < 10000; i++)
		buf_add_str(&json, "detail ");
	buf_add_str(&json, "\",\"subproblems\":[{}");
	for (int i = 0; i < FAILURE_SUBS_MAX; i++)
		buf_add_str(&json, ",{}");
	buf_add_str(&json, "]}");
	buf_add_u8(&json, 0);
	assert_true(buf_ok(&json));
	assert_int_not_equal(read_at(f, (const char *)json.ptr, 400, PROBLEM_OF_REQUEST), ERR_OK);
	assert_true(strlen(chancery_error_message(&f->x)) < 2048);
	assert_int_equal(chancery_error_sub_count(&f->x), 0); /* more than anybody would list: left out */
}

static void an_error_without_memory(void **state)
{
	(void)state;
	assert_int_equal(chancery_error_result(NULL), CHANCERY_NOMEM);
	assert_string_equal(chancery_error_message(NULL), "no memory");
	assert_string_equal(chancery_error_sub_name(NULL, 0), "");
	assert_int_equal(chancery_error_sub_count(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_whole_problem, set_up, tear_down),
		cmocka_unit_test_setup_teardown(whose_fault_it_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_problem_document, set_up, tear_down),
		cmocka_unit_test_setup_teardown(text_is_made_harmless, set_up, tear_down),
		cmocka_unit_test_setup_teardown(size_is_bounded, set_up, tear_down),
		cmocka_unit_test(an_error_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
