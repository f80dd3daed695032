#include "http/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REQ(first, rest) first "\r\nHost: ca.example\r\n" rest "\r\n"

/* Scans and parses an exact copy, so that the sanitizer sees a read past the end. */
static int status_of(const char *text, size_t len, struct http_head *ret)
{
	static struct http_head none;
	struct http_scan scan = { 0 };
	struct http_fault fault = { 0, NULL };
	uint8_t *copy = malloc(len);
	size_t head_len = 0;
	int status = 200;

	assert_non_null(copy);
	memcpy(copy, text, len);
	struct bytes in = { copy, len };
	*ret = none;
	enum http_progress progress = http_scan(&scan, in, &head_len, &fault);
	if (progress == HTTP_MORE)
		status = 0;
	else if (progress == HTTP_BAD || !http_head_parse(bytes_slice(in, 0, head_len), ret, &fault))
		status = fault.status;
	if (status >= 400)
		assert_non_null(fault.detail);
	free(copy);
	return status;
}

struct row {
	const char *text;
	int status;
};

static const struct row rows[] = {
	/* good ones */
	{ REQ("GET / HTTP/1.1", ""), 200 },
	{ REQ("GET /a/b?c=d&e=%20?/ HTTP/1.1", ""), 200 },
	{ REQ("GET /a?b%5C%2Fc HTTP/1.1", ""), 200 },
	{ REQ("GET /.well-known/a..b/...;x=1/@:!$&'()*+,=~_-. HTTP/1.1", ""), 200 },
	{ REQ("OPTIONS /%41%7e HTTP/1.1", ""), 200 },
	{ REQ("POST / HTTP/1.1", "Content-Length: 0\r\n"), 200 },
	{ REQ("POST / HTTP/1.1", "content-LENGTH:\t 15 \t\r\n"), 200 },
	{ REQ("GET / HTTP/1.1", "Content-Length: 0\r\n"), 200 },
	{ REQ("POST / HTTP/1.1", "Transfer-Encoding: Chunked\r\n"), 200 },
	{ REQ("GET / HTTP/1.0", ""), 200 },
	{ REQ("PATCH / HTTP/1.1", "X-Odd: \xc3\xa9\r\nX-Empty:\r\n"), 200 },
	{ REQ("GET http://CA.example/x HTTP/1.1", ""), 200 },
	{ REQ("GET / HTTP/1.1", "Connection: keep-alive, , Upgrade\r\nConnection: close\r\n"), 200 },
	{ REQ("POST / HTTP/1.1", "Expect: 100-Continue\r\nContent-Length: 3\r\n"), 200 },
	{ "GET / HTTP/1.1\r\nHost: [2001:db8::1]:14000\r\n\r\n", 200 },
	{ "GET / HTTP/1.1\r\nHost: 192.0.2.1:443\r\n\r\n", 200 },
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET", 200 },
	/* not yet whole */
	{ "", 0 },
	{ "GET / HTTP/1.1\r\nHost: a\r\n", 0 },
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r", 0 },
	/* the lines' ends: RFC 9112 §2.2 */
	{ "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
	{ " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
	{ "\x16\x03\x01\x02", 400 },
	{ "GET / HTTP/1.1\nHost: a\n\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\r\n\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a\r\nA: b\rC: d\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400 },
	/* the request line: §3 */
	{ "\r\n\r\n", 400 },
	{ "GET\r\n\r\n", 400 },
	{ "GET /\r\n\r\n", 400 },
	{ REQ("GET  / HTTP/1.1", ""), 400 },
	{ REQ("GET /  HTTP/1.1", ""), 400 },
	{ REQ("GET / HTTP/1.1 ", ""), 400 },
	{ REQ("GET\t/ HTTP/1.1", ""), 400 },
	{ REQ("GET /a b HTTP/1.1", ""), 400 },
	{ REQ("G(T / HTTP/1.1", ""), 400 },
	{ REQ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1", ""), 501 },
	{ REQ("GET / http/1.1", ""), 400 },
	{ REQ("GET / HTTP/1", ""), 400 },
	{ REQ("GET / HTTP/1.10", ""), 400 },
	{ REQ("GET / HTTP/1.2", ""), 505 },
	{ REQ("GET / HTTP/0.9", ""), 505 },
	{ REQ("GET / HTTP/2.0", ""), 505 },
	{ REQ("GET / HTTP/2.1", ""), 505 },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
	/* the target */
	{ REQ("OPTIONS * HTTP/1.1", ""), 400 },
	{ REQ("CONNECT ca.example:443 HTTP/1.1", ""), 400 },
	{ REQ("GET http://other.example/ HTTP/1.1", ""), 400 },
	{ REQ("GET http://ca.example HTTP/1.1", ""), 400 },
	{ REQ("GET http://u@ca.example/ HTTP/1.1", ""), 400 },
	{ REQ("GET ftp://ca.example/ HTTP/1.1", ""), 400 },
	{ REQ("GET a HTTP/1.1", ""), 400 },
	{ REQ("GET /a#b HTTP/1.1", ""), 400 },
	{ REQ("GET /a\\b HTTP/1.1", ""), 400 },
	{ REQ("GET /\xc3\xa9 HTTP/1.1", ""), 400 },
	{ REQ("GET /a\"b HTTP/1.1", ""), 400 },
	{ REQ("GET /%0 HTTP/1.1", ""), 400 },
	{ REQ("GET /% HTTP/1.1", ""), 400 },
	{ REQ("GET /%g0 HTTP/1.1", ""), 400 },
	{ REQ("GET /%00 HTTP/1.1", ""), 400 },
	{ REQ("GET /%0a HTTP/1.1", ""), 400 },
	{ REQ("GET /%7f HTTP/1.1", ""), 400 },
	{ REQ("GET /a%2fb HTTP/1.1", ""), 200 }, /* the server refuses it, unless it is to be taken */
	{ REQ("GET /a%5Cb HTTP/1.1", ""), 400 },
	{ REQ("GET /. HTTP/1.1", ""), 400 },
	{ REQ("GET /a/../b HTTP/1.1", ""), 400 },
	{ REQ("GET /a/.. HTTP/1.1", ""), 400 },
	{ REQ("GET /a/%2E./b HTTP/1.1", ""), 400 },
	{ REQ("GET /%2e HTTP/1.1", ""), 400 },
	{ REQ("GET /?a%00 HTTP/1.1", ""), 400 },
	{ REQ("GET /?a[b] HTTP/1.1", ""), 400 },
	{ REQ("GET /?%4 HTTP/1.1", ""), 400 },
	/* fields: §5 */
	{ REQ("GET / HTTP/1.1", "A : b\r\n"), 400 },
	{ REQ("GET / HTTP/1.1", "A\r\n"), 400 },
	{ REQ("GET / HTTP/1.1", ": b\r\n"), 400 },
	{ REQ("GET / HTTP/1.1", "A b: c\r\n"), 400 },
	{ REQ("GET / HTTP/1.1", " A: b\r\n"), 400 },
	{ REQ("GET / HTTP/1.1", "A: b\r\n c\r\n"), 400 },
	{ REQ("GET / HTTP/1.1", "A: b\r\n\tc\r\n"), 400 },
	{ REQ("GET / HTTP/1.1", "A: b\x01\r\n"), 400 },
	{ REQ("GET / HTTP/1.1", "A: b\x7f\r\n"), 400 },
	{ REQ("GET / HTTP/1.1", "User-Agent: caf\xc3\xa9\r\n"), 400 },
	{ REQ("GET / HTTP/1.1", "User-Agent: a\r\nUser-Agent: a\r\n"), 400 },
	{ REQ("GET / HTTP/1.1", "Connection: a b\r\n"), 400 },
	/* Host: RFC 9110 §7.2 */
	{ "GET / HTTP/1.1\r\n\r\n", 400 },
	{ "GET / HTTP/1.0\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: a:1b\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: []\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400 },
	{ REQ("GET / HTTP/1.1", "Host: ca.example\r\n"), 400 },
	/* how long the body is: §6, and the smuggler's favourites */
	{ REQ("POST / HTTP/1.1", "Content-Length: 5\r\nContent-Length: 5\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Content-Length: 5\r\nContent-Length: 6\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Content-Length: 5, 5\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Content-Length:\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Content-Length: +5\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Content-Length: -0\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Content-Length: 05\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Content-Length: 00\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Content-Length: 0x5\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Content-Length: 5 5\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Content-Length: 18446744073709551617\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Content-Length : 5\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Transfer-Encoding: identity\r\n"), 501 },
	{ REQ("POST / HTTP/1.1", "Transfer-Encoding: chunked, identity\r\n"), 501 },
	{ REQ("POST / HTTP/1.1", "Transfer-Encoding: gzip, chunked\r\n"), 501 },
	{ REQ("POST / HTTP/1.1", "Transfer-Encoding: xchunked\r\n"), 501 },
	{ REQ("POST / HTTP/1.1", "Transfer-Encoding: \"chunked\"\r\n"), 501 },
	{ REQ("POST / HTTP/1.1", "Transfer-Encoding: chunked;a=b\r\n"), 501 },
	{ REQ("POST / HTTP/1.1", "Transfer-Encoding:\r\n"), 501 },
	{ REQ("POST / HTTP/1.1", "Transfer-Encoding: \x0b"
				 "chunked\r\n"),
	    400 },
	{ REQ("POST / HTTP/1.1", "Transfer-Encoding : chunked\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Transfer-Encoding:\r\n chunked\r\n"), 501 },
	{ REQ("POST / HTTP/1.0", "Transfer-Encoding: chunked\r\n"), 400 },
	{ REQ("GET / HTTP/1.1", "Content-Length: 1\r\n"), 400 },
	{ REQ("HEAD / HTTP/1.1", "Transfer-Encoding: chunked\r\n"), 400 },
	{ REQ("POST / HTTP/1.1", "Expect: 200-ok\r\n"), 417 },
	{ REQ("POST / HTTP/1.1", "Expect: 100-continue, x\r\n"), 417 },
};

static void refuses_what_it_may(void **state)
{
	struct http_head h;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int got = status_of(rows[i].text, strlen(rows[i].text), &h);
		if (got != rows[i].status)
			fail_msg("%d instead of %d for: %s", got, rows[i].status, rows[i].text);
	}
}

static void refuses_nul(void **state)
{
	static const char nul[] = "GET / HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n", in_path[] = "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
			  in_name[] = "GET / HTTP/1.1\r\nHost: a\r\nA\0: b\r\n\r\n";
	struct http_head h;

	(void)state;
	assert_int_equal(status_of(nul, sizeof nul - 1, &h), 400);
	assert_int_equal(status_of(in_path, sizeof in_path - 1, &h), 400);
	assert_int_equal(status_of(in_name, sizeof in_name - 1, &h), 400);
}

static struct http_head parsed(const char *text)
{
	struct http_head h;
	struct http_fault f;

	assert_true(http_head_parse(bytes_str(text), &h, &f));
	return h;
}

static void gives_its_parts(void **state)
{
	struct http_head h =
	    parsed("POST /acme/new-order?a=b?c HTTP/1.1\r\nhOST: ca.example:14000\r\nUser-Agent: \t x/1 (y) \r\n"
		   "Accept: a/b\r\nAccept: c/d\r\nIf-None-Match: \"x\"\r\nOrigin: https://o\r\nContent-Type: application/jose+json\r\n"
		   "Content-Length: 12\r\nExpect: 100-continue\r\n\r\n");

	(void)state;
	assert_int_equal(h.method, HTTP_POST);
	assert_true(bytes_eq_str(h.method_name, "POST"));
	assert_true(bytes_eq_str(h.path, "/acme/new-order"));
	assert_true(bytes_eq_str(h.query, "a=b?c"));
	assert_true(bytes_eq_str(h.host, "ca.example:14000"));
	assert_true(bytes_eq_str(h.user_agent, "x/1 (y)"));
	assert_true(bytes_eq_str(h.accept, "a/b"));
	assert_true(bytes_eq_str(h.if_none_match, "\"x\""));
	assert_true(bytes_eq_str(h.origin, "https://o"));
	assert_true(bytes_eq_str(h.content_type, "application/jose+json"));
	assert_true(h.has_length && h.content_length == 12 && h.expect_continue && !h.chunked && !h.close && !h.http10);
}

static void gives_absent_parts_as_absent(void **state)
{
	struct http_head h = parsed("get https://A/b HTTP/1.1\r\nHost: a\r\n\r\n");

	(void)state;
	assert_int_equal(h.method, HTTP_OTHER); /* methods are case-sensitive */
	assert_true(bytes_eq_str(h.path, "/b"));
	assert_null(h.query.ptr);
	assert_null(h.user_agent.ptr);
	assert_null(h.accept.ptr);
	assert_null(h.origin.ptr);
	assert_null(h.content_type.ptr);
	assert_false(h.has_length || h.expect_continue || h.chunked || h.close);
	h = parsed("GET /? HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_non_null(h.query.ptr);
	assert_int_equal(h.query.len, 0);
}

static void closes_when_asked(void **state)
{
	(void)state;
	assert_true(parsed("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n").close);
	assert_false(parsed("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n").close);
	assert_true(parsed("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").close);
	assert_false(parsed("POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n").expect_continue);
}

static void bounds_the_number_of_fields(void **state)
{
	struct buf b = buf_new(65536);
	struct http_head h;
	struct http_fault f;

	(void)state;
	buf_add_str(&b, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < HTTP_HEAD_FIELDS_MAX - 1; i++)
		buf_add_str(&b, "A: b\r\n");
	size_t len = b.len;
	buf_add_str(&b, "\r\n");
	assert_true(http_head_parse(buf_bytes(&b), &h, &f));
	b.len = len;
	buf_add_str(&b, "A: b\r\n\r\n");
	assert_false(http_head_parse(buf_bytes(&b), &h, &f));
	assert_int_equal(f.status, 431);
	buf_free(&b);
}

static void scans_byte_by_byte(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\nGET";
	struct http_scan scan = { 0 };
	struct http_fault f;
	size_t len = 0;

	(void)state;
	for (size_t n = 0; n < sizeof text - 4; n++)
		assert_int_equal(http_scan(&scan, (struct bytes){ (const uint8_t *)text, n }, &len, &f), HTTP_MORE);
	assert_int_equal(http_scan(&scan, (struct bytes){ (const uint8_t *)text, sizeof text - 4 }, &len, &f), HTTP_DONE);
	assert_int_equal(len, sizeof text - 4);
}

/* --- chunked --- */

struct chunked_row {
	const char *in;
	enum http_progress progress;
	const char *out, *rest;
};
static const struct chunked_row chunked_rows[] = {
	{ "0\r\n\r\n", HTTP_DONE, "", "" }, { "3\r\nabc\r\n0\r\n\r\nGET /", HTTP_DONE, "abc", "GET /" },
	{ "1\r\na\r\n0A\r\n0123456789\r\n000\r\n\r\n", HTTP_DONE, "a0123456789", "" }, { "3\r\nabc\r\n0\r\n\r", HTTP_MORE, "abc", "" },
	{ "3\r\nab", HTTP_MORE, "ab", "" }, { "", HTTP_MORE, "", "" }, { "\r\n", HTTP_BAD, NULL, NULL },
	{ "3;a=b\r\nabc\r\n0\r\n\r\n", HTTP_BAD, NULL, NULL }, { "3 \r\nabc\r\n0\r\n\r\n", HTTP_BAD, NULL, NULL },
	{ " 3\r\nabc\r\n0\r\n\r\n", HTTP_BAD, NULL, NULL }, { "3\nabc\n0\n\n", HTTP_BAD, NULL, NULL },
	{ "3\r\nabcd\r\n0\r\n\r\n", HTTP_BAD, NULL, NULL }, { "3\r\nabc\n0\r\n\r\n", HTTP_BAD, NULL, NULL },
	{ "3\rabc", HTTP_BAD, NULL, NULL }, { "-3\r\nabc", HTTP_BAD, NULL, NULL }, { "0x3\r\nabc", HTTP_BAD, NULL, NULL },
	{ "0\r\nA: b\r\n\r\n", HTTP_BAD, NULL, NULL }, { "0\r\n\rx", HTTP_BAD, NULL, NULL }, { "123456789\r\n", HTTP_BAD, NULL, NULL },
	{ "11\r\n01234567890123456", HTTP_BAD, NULL, NULL }, /* more than out's 16 */
};

static void decode_row(const struct chunked_row *row, size_t step)
{
	struct http_chunked d = { 0 };
	struct http_fault f = { 0, NULL };
	struct buf out = buf_new(16);
	size_t len = strlen(row->in), at = 0;
	enum http_progress progress = HTTP_MORE;

	while (progress == HTTP_MORE && at < len) {
		struct bytes in = bytes_slice(bytes_str(row->in), at, at + step), before = in;
		progress = http_chunked_take(&d, &in, &out, &f);
		at += before.len - in.len;
	}
	assert_int_equal(progress, row->progress);
	if (progress == HTTP_BAD) {
		assert_true(f.status == 400 || f.status == 413);
	} else {
		assert_true(bytes_eq_str(buf_bytes(&out), row->out));
		assert_string_equal(row->in + at, row->rest);
	}
	buf_free(&out);
}

static void decodes_chunks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof chunked_rows / sizeof *chunked_rows; i++) {
		decode_row(&chunked_rows[i], 1000);
		decode_row(&chunked_rows[i], 1);
		decode_row(&chunked_rows[i], 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_it_may),
		cmocka_unit_test(refuses_nul),
		cmocka_unit_test(gives_its_parts),
		cmocka_unit_test(gives_absent_parts_as_absent),
		cmocka_unit_test(closes_when_asked),
		cmocka_unit_test(bounds_the_number_of_fields),
		cmocka_unit_test(scans_byte_by_byte),
		cmocka_unit_test(decodes_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
