#include "http/response.h"

#include "base/clock.h"
#include "base/seam.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int64_t now_ms = 784111777000; /* RFC 9110 §5.6.7's own example */

static int64_t played_wall_ms(void)
{
	return now_ms;
}

static int play_time(void **state)
{
	static struct seam played;

	(void)state;
	played = seam_libc;
	played.wall_ms = played_wall_ms;
	seam = &played;
	return 0;
}

static void writes(const struct http_response *res, struct http_framing framing, const char *wanted)
{
	struct buf out = buf_new(65536);
	struct err e;

	assert_int_equal(response_write(&out, res, framing, &e), ERR_OK);
	buf_add_u8(&out, 0);
	assert_string_equal((const char *)out.ptr, wanted);
	buf_free(&out);
}

#define TOP(status) "HTTP/1.1 " status "\r\nServer: chancery\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static void entity_tags_match(void **state)
{
	static const struct {
		const char *field;
		bool matches;
	} fields[] = { { "\"a\"", true }, { "*", true }, { "W/\"a\"", true }, { "\"b\", \"a\"", true }, { "\"b\",W/\"a\" ", true },
		{ "\"b\"", false }, { "a", false }, { "", false }, { ",", false }, { "\"a", false } };

	(void)state;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		assert_int_equal(http_etag_matches(bytes_str(fields[i].field), "\"a\""), fields[i].matches);
}

static void dates_are_written(void **state)
{
	char text[HTTP_DATE_SIZE];

	(void)state;
	http_date(784111777, text);
	assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
	http_date(0, text);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
	http_date(-1, text);
	assert_string_equal(text, "");
}

static void writes_messages(void **state)
{
	struct http_response res = {
		.status = 201,
		.content_type = "application/json",
		.body = BYTES_LIT("{}"),
		.fields = { { "Location", BYTES_LIT("https://ca.example/1") }, { "Link", { NULL, 0 } }, { "X", BYTES_LIT("") } },
		.n_fields = 3,
	};

	(void)state;
	writes(&res, (struct http_framing){ 0 },
	    TOP("201 Created") "Content-Type: application/json\r\nContent-Length: 2\r\nLocation: https://ca.example/1\r\nX: \r\n\r\n{}");
	writes(&res, (struct http_framing){ .head = true, .close = true },
	    TOP("201 Created") "Content-Type: application/json\r\nContent-Length: 2\r\nLocation: https://ca.example/1\r\nX: \r\n"
			       "Connection: close\r\n\r\n");
	writes(&(struct http_response){ .status = 204, .content_type = "a/b", .body = BYTES_LIT("x") }, (struct http_framing){ 0 },
	    TOP("204 No Content") "\r\n");
	writes(&(struct http_response){ .status = 200 }, (struct http_framing){ 0 }, TOP("200 OK") "Content-Length: 0\r\n\r\n");
	writes(&(struct http_response){ .status = 299 }, (struct http_framing){ 0 }, TOP("299 ") "Content-Length: 0\r\n\r\n");
}

static void dates_follow_the_clock(void **state)
{
	(void)state;
	now_ms += 1000;
	struct buf out = buf_new(65536);
	assert_int_equal(response_write(&out, &(struct http_response){ .status = 200 }, (struct http_framing){ 0 }, NULL), ERR_OK);
	buf_add_u8(&out, 0);
	assert_non_null(strstr((const char *)out.ptr, "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"));
	buf_free(&out);
	now_ms -= 1000;
}

static void refuses_what_must_not_be_sent(void **state)
{
	const struct http_response bad[] = {
		{ .status = 100 },
		{ .status = 600 },
		{ .status = 200, .content_type = "a/b\r\nX: y" },
		{ .status = 200, .fields = { { "Link", BYTES_LIT("a\r\nb") } }, .n_fields = 1 },
		{ .status = 200, .fields = { { "Link", BYTES_LIT("caf\xc3\xa9") } }, .n_fields = 1 },
		{ .status = 200, .fields = { { "Link", BYTES_LIT("a\tb") } }, .n_fields = 1 },
		{ .status = 200, .fields = { { "Li nk", BYTES_LIT("a") } }, .n_fields = 1 },
		{ .status = 200, .fields = { { "Link:", BYTES_LIT("a") } }, .n_fields = 1 },
		{ .status = 200, .fields = { { "", BYTES_LIT("a") } }, .n_fields = 1 },
		{ .status = 200, .fields = { { NULL, BYTES_LIT("a") } }, .n_fields = 1 },
		{ .status = 200, .fields = { { "content-length", BYTES_LIT("1") } }, .n_fields = 1 },
		{ .status = 200, .fields = { { "Transfer-Encoding", BYTES_LIT("chunked") } }, .n_fields = 1 },
		{ .status = 200, .fields = { { "Connection", BYTES_LIT("close") } }, .n_fields = 1 },
		{ .status = 200, .n_fields = HTTP_FIELDS_MAX + 1 },
	};
	struct buf out = buf_new(65536);
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(response_write(&out, &bad[i], (struct http_framing){ 0 }, &e), ERR_BUG);
		assert_int_equal(out.len, 0);
	}
	buf_free(&out);
	out = buf_new(10);
	assert_int_equal(response_write(&out, &(struct http_response){ .status = 200 }, (struct http_framing){ 0 }, &e), ERR_NOMEM);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entity_tags_match),
		cmocka_unit_test(dates_are_written),
		cmocka_unit_test(writes_messages),
		cmocka_unit_test(dates_follow_the_clock),
		cmocka_unit_test(refuses_what_must_not_be_sent),
	};

	return cmocka_run_group_tests(tests, play_time, NULL);
}
