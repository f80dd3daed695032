/* The server by its wire: limits, deadlines, overload, stopping. Each test has a server of its own. */
#include "http/server_testing.h"

#include "base/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define GET(path)        "GET " path " HTTP/1.1\r\nHost: ca.example\r\n\r\n"
#define POST(path, rest) "POST " path " HTTP/1.1\r\nHost: ca.example\r\n" rest

static struct tested t;

static int stop(void **state)
{
	(void)state;
	tested_stop(&t);
	return 0;
}

static struct http_counts counts(void)
{
	return http_server_counts(t.server);
}

/* --- deadlines --- */

static void serves_others(void)
{
	struct client c;
	struct answer a;

	assert_true(client_tls(&c, t.tls, NULL, 0, 0));
	client_ask(&c, GET("/about"), &a);
	assert_int_equal(a.status, 200);
	client_close(&c, false);
}

/* Sends one byte now and then, until the server has had enough. */
static void drip(struct client *c, const char *first, const char *each)
{
	client_send(c, first);
	for (int i = 0; i < 400 && counts().timeouts == 0; i++) {
		if (!client_try_send(c, each))
			break;
		if (i % 10 == 0)
			serves_others();
		testing_sleep_ms(20);
	}
	assert_int_equal(counts().timeouts, 1);
}

static void drops_slow_headers(void **state)
{
	struct http_limits l = testing_limits();
	struct client c;
	struct answer a;

	(void)state;
	l.headers_ms = 300;
	tested_start(&t, &l);
	client_plain(&c, t.plain);
	drip(&c, "GET / HTTP/1.1\r\nX: ", "x");
	client_receive(&c, &a, false);
	assert_int_equal(a.status, 408);
	client_close(&c, false);
}

static void drops_slow_bodies(void **state)
{
	struct http_limits l = testing_limits();
	struct client c;
	struct answer a;

	(void)state;
	l.body_ms = 300;
	tested_start(&t, &l);
	assert_true(client_tls(&c, t.tls, NULL, 0, 0));
	drip(&c, POST("/echo", "Content-Length: 9999\r\n\r\n"), "x");
	client_receive(&c, &a, false);
	assert_int_equal(a.status, 408);
	client_close(&c, false);
}

static void drops_slow_handshakes(void **state)
{
	struct http_limits l = testing_limits();
	struct client c;

	(void)state;
	l.handshake_ms = 300;
	tested_start(&t, &l);
	client_plain(&c, t.tls);
	/* the beginning of a ClientHello of 512 bytes */
	drip(&c, "\x16\x03\x01\x02", "\x01");
	WAIT_UNTIL(counts().open_now == 0);
	client_close(&c, true);
}

static void drops_who_does_not_read(void **state)
{
	struct http_limits l = testing_limits();
	struct client c;

	(void)state;
	l.write_ms = 300;
	tested_start(&t, &l);
	client_plain(&c, t.plain);
	client_send(&c, GET("/big"));
	WAIT_UNTIL(counts().timeouts == 1);
	WAIT_UNTIL(counts().open_now == 0);
	serves_others();
	client_close(&c, true);
}

static void ends_idle_connections(void **state)
{
	struct http_limits l = testing_limits();
	struct client c;
	struct answer a;

	(void)state;
	l.idle_ms = 300;
	tested_start(&t, &l);
	assert_true(client_tls(&c, t.tls, NULL, 0, 0));
	client_ask(&c, GET("/about"), &a);
	assert_true(client_sees_end(&c));
	assert_int_equal(counts().timeouts, 0);
	client_close(&c, false);
	client_plain(&c, t.plain); /* also one that never said anything */
	assert_true(client_sees_end(&c));
	client_close(&c, false);
	/* A parked request is not idle. */
	client_plain(&c, t.plain);
	client_send(&c, GET("/park"));
	testing_sleep_ms(800);
	park_wait(1);
	park_answer("kept");
	client_receive(&c, &a, false);
	assert_string_equal(a.body, "kept");
	client_close(&c, false);
}

/* --- bounds --- */

static void bounds_connections_of_an_address(void **state)
{
	struct http_limits l = testing_limits();
	struct client kept[3], c;
	struct answer a;

	(void)state;
	l.connections_per_address = 3;
	tested_start(&t, &l);
	for (int i = 0; i < 3; i++)
		client_plain(&kept[i], t.plain);
	WAIT_UNTIL(counts().open_now == 3);
	client_plain(&c, t.plain);
	assert_true(client_sees_end(&c));
	client_close(&c, false);
	assert_int_equal(counts().refused_connections, 1);
	client_close(&kept[0], false);
	WAIT_UNTIL(counts().open_now == 2);
	client_plain(&kept[0], t.plain);
	client_ask(&kept[0], GET("/echo"), &a);
	assert_int_equal(a.status, 200);
	for (int i = 0; i < 3; i++)
		client_close(&kept[i], false);
}

/* Those that are at work keep their places. */
static void bounds_all_connections(void **state)
{
	struct http_limits l = testing_limits();
	struct client kept[4], c;
	struct answer a;

	(void)state;
	l.connections_max = 4;
	tested_start(&t, &l);
	for (int i = 0; i < 4; i++) {
		client_plain(&kept[i], t.plain);
		client_send(&kept[i], GET("/park"));
	}
	park_wait(4);
	client_plain(&c, t.plain);
	assert_true(client_sees_end(&c));
	client_close(&c, false);
	assert_int_equal(counts().refused_connections, 1);
	for (int i = 0; i < 4; i++)
		park_answer("kept");
	for (int i = 0; i < 4; i++) {
		client_receive(&kept[i], &a, false);
		assert_string_equal(a.body, "kept");
		client_close(&kept[i], i % 2);
	}
	WAIT_UNTIL(counts().open_now == 0);
	serves_others();
}

/* Ended in order or reset. */
static bool is_given_up(const struct client *c)
{
	char byte;

	return recv(c->fd, &byte, 1, 0) <= 0;
}

/* Handshakes that do not go on take no place from whoever comes next, however young they are. */
static void half_open_handshakes_make_room(void **state)
{
	struct http_limits l = testing_limits();
	struct client half[4], c[4];
	struct answer a;

	(void)state;
	l.loops = 1;
	l.connections_max = 4;
	tested_start(&t, &l);
	for (int i = 0; i < 4; i++) {
		client_plain(&half[i], t.tls);
		client_send(&half[i], "\x16\x03\x01\x02");
	}
	WAIT_UNTIL(counts().open_now == 4);
	for (int i = 0; i < 4; i++) {
		assert_true(client_tls(&c[i], t.tls, NULL, 0, 0));
		client_ask(&c[i], GET("/about"), &a);
		assert_int_equal(a.status, 200);
		assert_true(is_given_up(&half[i])); /* the oldest */
		assert_int_equal(counts().open_now, 4);
	}
	assert_int_equal(counts().refused_connections, 4);
	for (int i = 0; i < 4; i++) {
		client_close(&half[i], false);
		client_close(&c[i], false);
	}
}

/* After a second those go who do not get on with a request, before those who may be about to send one. */
static void slow_requests_make_room(void **state)
{
	struct http_limits l = testing_limits();
	struct client head, body, idle, c[3];
	struct answer a;

	(void)state;
	l.loops = 1;
	l.connections_max = 3;
	tested_start(&t, &l);
	client_plain(&idle, t.plain);
	client_plain(&body, t.plain);
	client_send(&body, POST("/echo", "Content-Length: 9\r\n\r\nx"));
	client_plain(&head, t.plain);
	client_send(&head, "GET / HTTP/1.1\r\nX: ");
	WAIT_UNTIL(counts().open_now == 3);
	testing_sleep_ms(1500);
	struct client *const gone[] = { &head, &body, &idle };
	for (int i = 0; i < 3; i++) {
		client_plain(&c[i], t.plain);
		client_send(&c[i], GET("/park"));
		park_wait((unsigned)i + 1);
		assert_true(is_given_up(gone[i]));
		client_close(gone[i], false);
	}
	for (int i = 0; i < 3; i++)
		park_answer("kept");
	for (int i = 0; i < 3; i++) {
		client_receive(&c[i], &a, false);
		client_close(&c[i], false);
	}
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static void answers_when_the_queue_is_full(void **state)
{
	struct http_limits l = testing_limits();
	struct client busy[3], c;
	struct answer a;

	(void)state;
	l.workers = 1;
	l.queue_max = 2;
	tested_start(&t, &l);
	for (int i = 0; i < 3; i++) {
		client_plain(&busy[i], t.plain);
		client_send(&busy[i], GET("/block"));
		block_wait(1);
		WAIT_UNTIL(counts().requests == (unsigned)i + 1);
	}
	assert_int_equal(http_server_run(t.server, nothing, NULL, NULL), ERR_BUSY);
	client_plain(&c, t.plain);
	for (int i = 0; i < 3; i++) { /* on a kept connection */
		client_ask(&c, POST("/echo", "Content-Length: 1\r\n\r\nx"), &a);
		assert_int_equal(a.status, 503);
		assert_string_equal(answer_field(&a, "Retry-After"), "2");
		assert_null(answer_field(&a, "Connection"));
	}
	client_send(&c, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	client_receive(&c, &a, true);
	assert_int_equal(a.status, 503);
	assert_true(client_sees_end(&c));
	client_close(&c, false);
	assert_int_equal(counts().overloaded, 4);
	block_release();
	for (int i = 0; i < 3; i++) {
		client_receive(&busy[i], &a, false);
		assert_int_equal(a.status, 200);
		client_close(&busy[i], false);
	}
}

static void count_up(void *ctx)
{
	_Atomic int *n = ctx;

	(*n)++;
}

static void runs_jobs(void **state)
{
	struct http_limits l = testing_limits();
	_Atomic int n = 0;

	(void)state;
	tested_start(&t, &l);
	for (int i = 0; i < 100; i++)
		assert_int_equal(http_server_run(t.server, count_up, &n, NULL), ERR_OK);
	http_server_stop(t.server, 1000); /* what was taken is run */
	t.server = NULL;
	assert_int_equal(n, 100);
}

/* Without descriptors left, accepting pauses and goes on. */
static void outlives_a_lack_of_descriptors(void **state)
{
	struct http_limits l = testing_limits();
	struct rlimit before, few;
	struct client c, later;
	struct answer a;
	int fds[256], n = 0;

	(void)state;
	tested_start(&t, &l);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 128;
	client_plain(&c, t.plain);
	client_ask(&c, GET("/echo"), &a);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (n < 256 && (fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	close(fds[--n]); /* one, for the client */
	client_plain(&later, t.plain);
	client_ask(&c, GET("/echo"), &a); /* the others are served meanwhile */
	assert_int_equal(a.status, 200);
	client_send(&later, GET("/echo"));
	testing_sleep_ms(50);
	assert_int_equal(counts().accepted, 1);
	while (n > 0)
		close(fds[--n]);
	client_receive(&later, &a, false);
	assert_int_equal(a.status, 200);
	setrlimit(RLIMIT_NOFILE, &before);
	client_close(&c, false);
	client_close(&later, false);
}

/* --- many at once, for the thread sanitizer --- */

static void *ask_much(void *arg)
{
	struct client c;
	struct answer a;
	size_t n = (size_t)arg;

	for (int i = 0; i < 4; i++) {
		if (n % 2 ? !client_tls(&c, t.tls, NULL, 0, 0) : (client_plain(&c, t.plain), false))
			return "a handshake failed";
		for (int k = 0; k < 20; k++) {
			client_ask(&c, k % 3 ? GET("/about") : POST("/echo", "Content-Length: 5\r\n\r\nhello"), &a);
			if (a.status != 200)
				return "an answer is missing";
		}
		client_close(&c, i % 2);
	}
	return NULL;
}

static void *answer_parked(void *arg)
{
	unsigned n = *(unsigned *)arg;

	for (unsigned i = 0; i < n; i++) {
		park_wait(1);
		park_answer("from elsewhere");
	}
	return NULL;
}

static void serves_many_at_once(void **state)
{
	struct http_limits l = testing_limits();
	pthread_t asking[6], answering;
	unsigned n_parked = 50;
	struct client c;
	struct answer a;

	(void)state;
	l.workers = 4;
	tested_start(&t, &l);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&asking[i], NULL, ask_much, (void *)i), 0);
	assert_int_equal(pthread_create(&answering, NULL, answer_parked, &n_parked), 0);
	client_plain(&c, t.plain);
	for (unsigned i = 0; i < n_parked; i++) {
		client_ask(&c, GET("/park"), &a);
		assert_string_equal(a.body, "from elsewhere");
		if (i % 10 == 0)
			testing_set_tls(&t, "first");
	}
	client_close(&c, false);
	pthread_join(answering, NULL);
	for (size_t i = 0; i < 6; i++) {
		void *fault;
		pthread_join(asking[i], &fault);
		if (fault)
			fail_msg("%s", (const char *)fault);
	}
}

/* --- stopping --- */

static void *answer_later(void *arg)
{
	(void)arg;
	testing_sleep_ms(200);
	park_answer("in time");
	return NULL;
}

static void lets_what_was_begun_finish(void **state)
{
	struct http_limits l = testing_limits();
	struct client parked, idle, shaking;
	struct answer a;
	pthread_t later;

	(void)state;
	tested_start(&t, &l);
	client_plain(&parked, t.plain);
	client_plain(&shaking, t.tls);
	assert_true(client_tls(&idle, t.tls, NULL, 0, 0));
	client_ask(&idle, GET("/echo"), &a);
	client_send(&parked, GET("/park"));
	park_wait(1);
	assert_int_equal(pthread_create(&later, NULL, answer_later, NULL), 0);
	int64_t before = clock_monotonic_ms();
	http_server_stop(t.server, 10000);
	t.server = NULL;
	assert_true(clock_monotonic_ms() - before < 9000);
	client_receive(&parked, &a, false);
	assert_string_equal(a.body, "in time");
	assert_string_equal(answer_field(&a, "Connection"), "close");
	assert_true(client_sees_end(&idle)); /* with close_notify */
	assert_true(client_sees_end(&shaking));
	pthread_join(later, NULL);
	client_close(&parked, false);
	client_close(&idle, false);
	client_close(&shaking, false);
}

/* Requests that are still parked when the server is gone may be answered all the same; the sanitizers watch. */
static void outlives_late_answers(void **state)
{
	struct http_limits l = testing_limits();
	struct client c[3];
	struct answer a;

	(void)state;
	tested_start(&t, &l);
	for (unsigned i = 0; i < 3; i++) {
		client_plain(&c[i], t.plain);
		client_send(&c[i], GET("/park"));
		park_wait(i + 1);
	}
	client_close(&c[2], true);
	http_server_stop(t.server, 50);
	t.server = NULL;
	for (int i = 0; i < 2; i++) {
		client_receive(&c[i], &a, false);
		assert_int_equal(a.status, 0);
		client_close(&c[i], false);
	}
	for (int i = 0; i < 3; i++)
		park_answer("too late");
}

static void *release_later(void *arg)
{
	(void)arg;
	testing_sleep_ms(300);
	block_release();
	return NULL;
}

/* The grace is over while a worker is busy and more is queued: the queued ones do not reach the handler any more. */
static void stops_with_a_full_queue(void **state)
{
	struct http_limits l = testing_limits();
	struct client c[4];
	pthread_t later;

	(void)state;
	l.workers = 1;
	tested_start(&t, &l);
	client_plain(&c[0], t.plain);
	client_send(&c[0], GET("/block"));
	block_wait(1);
	for (unsigned i = 1; i < 4; i++) {
		client_plain(&c[i], t.plain);
		client_send(&c[i], GET("/park"));
	}
	WAIT_UNTIL(counts().requests == 4);
	assert_int_equal(pthread_create(&later, NULL, release_later, NULL), 0);
	http_server_stop(t.server, 50);
	t.server = NULL;
	pthread_join(later, NULL);
	for (int i = 0; i < 4; i++)
		client_close(&c[i], true);
}

static void stops_without_start(void **state)
{
	struct http_limits l = testing_limits();
	struct http_server *s = NULL;
	struct err e;

	(void)state;
	t.server = NULL;
	l.workers = 0;
	assert_int_equal(http_server_new(&l, NULL, NULL, NULL, &s, &e), ERR_CONFIG);
	assert_null(s);
	l.workers = 1;
	assert_int_equal(http_server_new(&l, NULL, NULL, NULL, &s, &e), ERR_OK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(http_server_listen(s, fd, true, &e), ERR_OK);
	assert_int_equal(http_server_run(s, nothing, NULL, &e), ERR_BUSY);
	assert_int_equal(http_server_start(s, &e), ERR_CONFIG); /* no identity yet */
	http_server_stop(s, 1000);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(drops_slow_headers, stop),
		cmocka_unit_test_teardown(drops_slow_bodies, stop),
		cmocka_unit_test_teardown(drops_slow_handshakes, stop),
		cmocka_unit_test_teardown(drops_who_does_not_read, stop),
		cmocka_unit_test_teardown(ends_idle_connections, stop),
		cmocka_unit_test_teardown(bounds_connections_of_an_address, stop),
		cmocka_unit_test_teardown(bounds_all_connections, stop),
		cmocka_unit_test_teardown(half_open_handshakes_make_room, stop),
		cmocka_unit_test_teardown(slow_requests_make_room, stop),
		cmocka_unit_test_teardown(answers_when_the_queue_is_full, stop),
		cmocka_unit_test_teardown(runs_jobs, stop),
		cmocka_unit_test_teardown(outlives_a_lack_of_descriptors, stop),
		cmocka_unit_test_teardown(serves_many_at_once, stop),
		cmocka_unit_test_teardown(lets_what_was_begun_finish, stop),
		cmocka_unit_test_teardown(outlives_late_answers, stop),
		cmocka_unit_test_teardown(stops_with_a_full_queue, stop),
		cmocka_unit_test_teardown(stops_without_start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
