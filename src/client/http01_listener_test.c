#include "client/http01_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const struct chancery_challenge one = {
	.type = "http-01", .name = "example.org", .token = "token-1", .key_authorization = "token-1.thumb"
};
static const struct chancery_challenge two = {
	.type = "http-01", .name = "example.net", .token = "token-12", .key_authorization = "token-12.thumb"
};

static int dial(const struct http01_listener *l)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(http01_listener_port(l)), .sin_addr = { htonl(INADDR_LOOPBACK) }
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

/* Sends it, and reads to the end. */
static void ask(const struct http01_listener *l, const char *request, size_t len, char *out, size_t size)
{
	int fd = dial(l);
	size_t at = 0;
	ssize_t n;

	(void)send(fd, request, len, MSG_NOSIGNAL);
	while (at + 1 < size && (n = recv(fd, out + at, size - 1 - at, 0)) > 0)
		at += (size_t)n;
	out[at] = 0;
	(void)close(fd);
}

static struct http01_listener *start(void)
{
	struct http01_listener *l = NULL;
	struct err e = { 0 };

	if (http01_listener_new("127.0.0.1", 0, &l, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	return l;
}

static void assert_answer(const struct http01_listener *l, const char *request, const char *status, const char *body)
{
	char out[2048];

	ask(l, request, strlen(request), out, sizeof out);
	if (strncmp(out, status, strlen(status)) != 0 || !strstr(out, body))
		fail_msg("%s gave %s", request, out);
}

static void answers_while_they_are_deployed(void **state)
{
	CLEANUP(http01_listener_free_p) struct http01_listener *l = start();

	(void)state;
	assert_non_null(strstr(http01_listener_tell(l), "no request reached"));
	assert_int_equal(http01_listener_deploy(l, &one), 0);
	assert_int_equal(http01_listener_deploy(l, &two), 0);
	assert_answer(l, "GET /.well-known/acme-challenge/other HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", "no such challenge");
	assert_non_null(strstr(http01_listener_tell(l), "none for this challenge"));
	assert_answer(
	    l, "GET /.well-known/acme-challenge/token-1 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "\r\nContent-Length: 13\r\n");
	assert_answer(l, "GET /.well-known/acme-challenge/token-1 HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\ntoken-1.thumb");
	assert_answer(l, "GET /.well-known/acme-challenge/token-12 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\ntoken-12.thumb");
	assert_string_equal(http01_listener_tell(l), "");
	http01_listener_clean_up(l, &one);
	assert_answer(l, "GET /.well-known/acme-challenge/token-1 HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", "");
	assert_answer(l, "GET /.well-known/acme-challenge/token-12 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "token-12.thumb");
}

static void nothing_else_is_answered(void **state)
{
	static const char *const requests[] = { "GET / HTTP/1.1\r\n\r\n", "POST /.well-known/acme-challenge/token-1 HTTP/1.1\r\n\r\n",
		"GET /.well-known/acme-challenge/ HTTP/1.1\r\n\r\n", "GET /.well-known/acme-challenge/token- HTTP/1.1\r\n\r\n", "\r\n\r\n",
		"GET /.well-known/acme-challenge/../acme-challenge/token-1 HTTP/1.1\r\n\r\n" };
	CLEANUP(http01_listener_free_p) struct http01_listener *l = start();

	(void)state;
	assert_int_equal(http01_listener_deploy(l, &one), 0);
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
		assert_answer(l, requests[i], "HTTP/1.1 404 ", "no such challenge");
}

/* Connections that say nothing, too much, or end at once do not keep others from their answer. */
static void bad_company(void **state)
{
	CLEANUP(http01_listener_free_p) struct http01_listener *l = start();
	static char large[20000];
	char out[2048];
	int silent[70]; /* more than are held at a time */

	(void)state;
	assert_int_equal(http01_listener_deploy(l, &one), 0);
	memset(large, 'a', sizeof large);
	ask(l, large, sizeof large, out, sizeof out);
	assert_string_equal(out, "");
	ask(l, "GET /\0\0\r\n\r\n", 11, out, sizeof out);
	for (int i = 0; i < 20; i++)
		(void)close(dial(l));
	for (int i = 0; i < 10; i++)
		silent[i] = dial(l);
	assert_answer(l, "GET /.well-known/acme-challenge/token-1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "token-1.thumb");
	for (int i = 10; i < 70; i++)
		silent[i] = dial(l);
	assert_answer(l, "GET /.well-known/acme-challenge/token-1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "token-1.thumb");
	for (int i = 0; i < 70; i++)
		(void)close(silent[i]);
	usleep(200000);
	assert_answer(l, "GET /.well-known/acme-challenge/token-1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "token-1.thumb");
}

/* A request in pieces. */
static void slowly(void **state)
{
	CLEANUP(http01_listener_free_p) struct http01_listener *l = start();
	const char *request = "GET /.well-known/acme-challenge/token-1 HTTP/1.1\r\nHost: x\r\n\r\n";
	char out[512] = "";
	int fd;

	(void)state;
	assert_int_equal(http01_listener_deploy(l, &one), 0);
	fd = dial(l);
	for (const char *p = request; *p; p++) {
		assert_int_equal(send(fd, p, 1, MSG_NOSIGNAL), 1);
		usleep(500);
	}
	assert_true(recv(fd, out, sizeof out - 1, MSG_WAITALL) > 0);
	assert_non_null(strstr(out, "token-1.thumb"));
	(void)close(fd);
}

static void addresses(void **state)
{
	CLEANUP(http01_listener_free_p) struct http01_listener *l = start(), *all = NULL;
	struct http01_listener *other = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(http01_listener_new("localhost", 0, &other, &e), ERR_CONFIG);
	assert_int_equal(http01_listener_new("127.0.0.1", http01_listener_port(l), &other, &e), ERR_CONFIG);
	assert_non_null(strstr(e.detail, "another program listens there"));
	assert_int_equal(http01_listener_new("192.0.2.1", 0, &other, &e), ERR_CONFIG); /* RFC 5737: nobody's */
	assert_null(other);
	assert_int_equal(http01_listener_new(NULL, 0, &all, &e), ERR_OK);
	assert_answer(all, "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_while_they_are_deployed),
		cmocka_unit_test(nothing_else_is_answered),
		cmocka_unit_test(bad_company),
		cmocka_unit_test(slowly),
		cmocka_unit_test(addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
