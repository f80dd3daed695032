/* The server by its wire: what a client sees of HTTP. */
#include "http/server_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define GET(path)        "GET " path " HTTP/1.1\r\nHost: ca.example\r\n\r\n"
#define POST(path, rest) "POST " path " HTTP/1.1\r\nHost: ca.example\r\n" rest

static struct tested t;
static bool on_loop;

static int start(void **state)
{
	struct http_limits l = testing_limits();

	(void)state;
	l.requests_per_connection = 5;
	l.on_loop = on_loop;
	tested_start(&t, &l);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	tested_stop(&t);
	return 0;
}

static void keeps_a_connection(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	client_plain(&c, t.plain);
	client_ask(&c, GET("/about?q=1"), &a);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body, "GET|/about|q=1|ca.example|::ffff:127.0.0.1|1");
	assert_string_equal(answer_field(&a, "Server"), "chancery");
	assert_string_equal(answer_field(&a, "Content-Type"), "text/plain");
	assert_int_equal(strlen(answer_field(&a, "Date")), 29);
	assert_null(answer_field(&a, "Connection"));
	client_ask(&c, POST("/echo", "Content-Length: 5\r\n\r\nhello"), &a);
	assert_string_equal(a.body, "hello");
	client_ask(&c, POST("/echo", "\r\n"), &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body_len, 0);
	client_close(&c, false);
}

static void handles_where_it_may(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	client_plain(&c, t.plain);
	client_ask(&c, GET("/where"), &a);
	assert_string_equal(a.body, on_loop ? "on the loop" : "on a worker");
	client_ask(&c, GET("/where-slow"), &a);
	assert_string_equal(a.body, "on a worker");
	client_close(&c, false);
}

static void ends_a_connection_after_so_many_requests(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	client_plain(&c, t.plain);
	for (int i = 1; i <= 5; i++) {
		client_ask(&c, GET("/echo"), &a);
		assert_int_equal(a.status, 200);
		if (i < 5)
			assert_null(answer_field(&a, "Connection"));
		else
			assert_string_equal(answer_field(&a, "Connection"), "close");
	}
	assert_true(client_sees_end(&c));
	client_close(&c, false);
}

static void ends_a_connection_when_asked(void **state)
{
	static const char *const asked[] = { "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		"GET /echo HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" };
	struct client c;
	struct answer a;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		client_plain(&c, t.plain);
		client_ask(&c, asked[i], &a);
		assert_int_equal(a.status, 200);
		assert_string_equal(answer_field(&a, "Connection"), "close");
		assert_true(client_sees_end(&c));
		client_close(&c, false);
	}
}

struct row {
	const char *text;
	int status;
};
/* What the parser refuses is tested with it; here, that each kind reaches the client and ends the connection, so that
 * nothing of a request that is read two ways is taken for a second one. */
static const struct row bad_rows[] = {
	{ "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" GET("/echo"), 400 },
	{ "GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
	{ "GET /a%2Fecho HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\nHost: a\n\n", 400 },
	{ "\r\n" GET("/echo"), 400 },
	{ "\x16\x03\x01", 400 },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
	{ POST("/echo", "Content-Length: 3\r\nContent-Length: 30\r\n\r\nabc") GET("/echo"), 400 },
	{ POST("/echo", "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc") GET("/echo"), 400 },
	{ POST("/echo", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") GET("/echo"), 400 },
	{ POST("/echo", "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n") GET("/echo"), 501 },
	{ POST("/echo", "Transfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n") GET("/echo"), 400 },
	{ POST("/echo", "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n") GET("/echo"), 400 },
	{ POST("/echo", "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n") GET("/echo"), 400 },
	{ POST("/echo", "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n"), 0 }, /* nothing yet: no data came */
	{ POST("/echo", "Content-Length: 65537\r\n\r\n"), 413 },
	{ POST("/echo", "Content-Length: 65537\r\nExpect: 100-continue\r\n\r\n"), 413 },
	{ POST("/echo", "Content-Length: 1\r\nExpect: magic\r\n\r\na"), 417 },
	{ "GET /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 400 },
};

static void refuses_bad_requests(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	for (size_t i = 0; i < sizeof bad_rows / sizeof *bad_rows; i++) {
		client_plain(&c, t.plain);
		client_send(&c, bad_rows[i].text);
		if (bad_rows[i].status == 0)
			shutdown(c.fd, SHUT_WR);
		client_receive(&c, &a, false);
		if (a.status != bad_rows[i].status)
			fail_msg("%d instead of %d for: %s", a.status, bad_rows[i].status, bad_rows[i].text);
		if (a.status) {
			assert_string_equal(answer_field(&a, "Connection"), "close");
			assert_string_equal(answer_field(&a, "Content-Type"), "application/problem+json");
			assert_true(client_sees_end(&c));
		}
		client_close(&c, false);
	}
}

static void refuses_long_heads(void **state)
{
	static char text[20000];
	struct client c;
	struct answer a;

	(void)state;
	memset(text, 'a', sizeof text - 1);
	memcpy(text, "GET /", 5);
	client_plain(&c, t.plain);
	client_ask(&c, text, &a);
	assert_int_equal(a.status, 414);
	assert_true(client_sees_end(&c));
	client_close(&c, false);
	memcpy(text, "GET / HTTP/1.1\r\nA:", 18);
	client_plain(&c, t.plain);
	client_ask(&c, text, &a);
	assert_int_equal(a.status, 431);
	client_close(&c, false);
}

static void takes_no_body_without_end(void **state)
{
	char chunk[1100];
	struct client c;
	struct answer a;

	(void)state;
	client_plain(&c, t.plain);
	client_send(&c, POST("/echo", "Transfer-Encoding: chunked\r\n\r\n"));
	snprintf(chunk, sizeof chunk, "400\r\n%01024d\r\n", 0);
	for (int i = 0; i < 65 && client_try_send(&c, chunk); i++)
		;
	client_receive(&c, &a, false);
	assert_int_equal(a.status, 413);
	client_close(&c, false);
}

static void answers_pipelined_requests_in_order(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	client_plain(&c, t.plain);
	/* The first waits for us: the others must not overtake it. */
	client_send(&c, GET("/park") POST("/echo", "Content-Length: 1\r\n\r\n2") POST("/echo", "Content-Length: 1\r\n\r\n3") "GET /ech");
	park_wait(1);
	testing_sleep_ms(20);
	park_answer("1");
	for (int i = 1; i <= 3; i++) {
		client_receive(&c, &a, false);
		assert_int_equal(a.status, 200);
		assert_int_equal(a.body[0], '0' + i);
	}
	client_ask(&c, "o HTTP/1.1\r\nHost: a\r\n\r\n", &a);
	assert_int_equal(a.status, 200);
	client_close(&c, false);
}

static void holds_back_what_is_pipelined_without_end(void **state)
{
	static char many[200000];
	struct client c;
	struct answer a;

	(void)state;
	for (size_t i = 0; i + sizeof GET("/echo") < sizeof many; i += sizeof GET("/echo") - 1)
		memcpy(many + i, GET("/echo"), sizeof GET("/echo") - 1);
	client_plain(&c, t.plain);
	client_send(&c, GET("/park"));
	park_wait(1);
	client_send(&c, many);
	testing_sleep_ms(20);
	park_answer("1");
	for (int i = 0; i < 5; i++) {
		client_receive(&c, &a, false);
		assert_int_equal(a.status, 200);
	}
	client_close(&c, false);
}

static void answers_head(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	client_plain(&c, t.plain);
	client_send(&c, "HEAD /about HTTP/1.1\r\nHost: ca.example\r\n\r\n");
	client_receive(&c, &a, true);
	assert_int_equal(a.status, 200);
	assert_string_equal(answer_field(&a, "Content-Length"), "42");
	client_ask(&c, GET("/about"), &a); /* no body was between */
	assert_int_equal(a.body_len, 41);
	client_close(&c, false);
}

static void takes_chunks(void **state)
{
	static const char text[] = POST("/echo", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n006\r\n world\r\n0\r\n\r\n");
	struct client c;
	struct answer a;
	char one[2] = "";

	(void)state;
	client_plain(&c, t.plain);
	client_ask(&c, text, &a);
	assert_string_equal(a.body, "hello world");
	for (size_t i = 0; i < sizeof text - 1; i++) { /* and byte by byte */
		one[0] = text[i];
		client_send(&c, one);
	}
	client_receive(&c, &a, false);
	assert_string_equal(a.body, "hello world");
	client_close(&c, false);
}

static void says_continue(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	client_plain(&c, t.plain);
	client_send(&c, POST("/echo", "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
	client_receive(&c, &a, true);
	assert_int_equal(a.status, 100);
	client_ask(&c, "hello", &a);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body, "hello");
	/* Who does not wait for it does not get it. */
	client_ask(&c, POST("/echo", "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"), &a);
	assert_int_equal(a.status, 200);
	client_close(&c, false);
}

static void answers_who_ended_its_side(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	client_plain(&c, t.plain);
	client_send(&c, GET("/park") GET("/echo"));
	shutdown(c.fd, SHUT_WR);
	park_wait(1);
	testing_sleep_ms(20);
	park_answer("1");
	client_receive(&c, &a, false);
	assert_string_equal(a.body, "1");
	client_receive(&c, &a, false);
	assert_int_equal(a.status, 200);
	assert_true(client_sees_end(&c));
	client_close(&c, false);
}

static void outlives_a_client_that_is_gone(void **state)
{
	struct client c;

	(void)state;
	WAIT_UNTIL(http_server_counts(t.server).open_now == 0);
	client_plain(&c, t.plain);
	client_send(&c, GET("/park"));
	park_wait(1);
	client_close(&c, true);
	testing_sleep_ms(50);
	/* Its place stays taken: or else clients could park without bound. */
	assert_int_equal(http_server_counts(t.server).open_now, 1);
	park_answer("for nobody");
	WAIT_UNTIL(http_server_counts(t.server).open_now == 0);
}

static void sends_large_answers(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	client_plain(&c, t.plain);
	client_send(&c, GET("/big") GET("/echo"));
	testing_sleep_ms(50); /* until the socket is full */
	client_receive(&c, &a, false);
	assert_int_equal(a.body_len, BIG_SIZE);
	assert_int_equal(strspn(a.body, "b"), BIG_SIZE);
	client_receive(&c, &a, false);
	assert_int_equal(a.status, 200);
	client_close(&c, false);
}

static void sends_no_injected_field(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	client_plain(&c, t.plain);
	client_ask(&c, GET("/bad"), &a);
	assert_int_equal(a.status, 500);
	assert_string_equal(answer_field(&a, "Content-Type"), "application/problem+json");
	assert_non_null(strstr(a.body, "\"status\":500"));
	assert_null(answer_field(&a, "X"));
	assert_int_equal(testing_errors(), 1);
	client_ask(&c, GET("/echo"), &a);
	assert_int_equal(a.status, 200);
	client_close(&c, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_a_connection),
		cmocka_unit_test(handles_where_it_may),
		cmocka_unit_test(ends_a_connection_after_so_many_requests),
		cmocka_unit_test(ends_a_connection_when_asked),
		cmocka_unit_test(refuses_bad_requests),
		cmocka_unit_test(refuses_long_heads),
		cmocka_unit_test(takes_no_body_without_end),
		cmocka_unit_test(answers_pipelined_requests_in_order),
		cmocka_unit_test(holds_back_what_is_pipelined_without_end),
		cmocka_unit_test(answers_head),
		cmocka_unit_test(takes_chunks),
		cmocka_unit_test(says_continue),
		cmocka_unit_test(answers_who_ended_its_side),
		cmocka_unit_test(outlives_a_client_that_is_gone),
		cmocka_unit_test(sends_large_answers),
		cmocka_unit_test(sends_no_injected_field),
	};

	int failed = cmocka_run_group_tests_name("handlers on workers", tests, start, stop);
	on_loop = true;
	return failed + cmocka_run_group_tests_name("handlers tried on the loop first", tests, start, stop);
}
