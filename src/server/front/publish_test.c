/* Publication over plain HTTP, with the test as the signer behind it. */
#include "server/front/publish.h"

#include "base/clock.h"
#include "http/response.h"
#include "os/process.h"
#include "pki/crl.h"
#include "server/front/crl_fetch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define ENTRIES 9000 /* a list of three parts */
#define PATH    "/crl/000102030405060708090a0b0c0d0e0f10111213.crl"

/* A signer that has lists, and a front that is nothing but its publication. */
struct world {
	struct front front;
	struct settings settings;
	struct channel *signer;
	struct buf list;
	uint64_t number;
	unsigned switches; /* after this many parts there is a newer list */
	unsigned asked;
	int wake, port;
	struct crl_new notice;
	int64_t made_s; /* the list */
};

static const uint8_t issuer_id[ISSUER_KEY_SIZE] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 };

static void make_list(struct world *w, uint64_t number, size_t n)
{
	static struct crl_entry entries[ENTRIES];
	struct key *key = NULL;
	struct buf name = buf_new(256);

	w->made_s = clock_wall_ms() / 1000;
	assert_int_equal(key_generate(KEY_EC_P256, 0, &key, NULL), ERR_OK);
	name_write_ca(BYTES_LIT(""), BYTES_LIT("Test"), &name);
	struct issuer issuer = { .subject = buf_bytes(&name), .key_id = BYTES_ARRAY(issuer_id), .key = key, .not_after_s = INT64_MAX };
	for (size_t i = 0; i < n; i++) {
		entries[i] = (struct crl_entry){ .time_s = w->made_s };
		entries[i].serial[0] = 1;
		entries[i].serial[SERIAL_SIZE - 2] = (uint8_t)(i >> 8);
		entries[i].serial[SERIAL_SIZE - 1] = (uint8_t)i;
	}
	struct crl_request r = {
		.number = number, .this_update_s = w->made_s, .next_update_s = w->made_s + 86400, .entries = entries, .n_entries = n
	};
	buf_free(&w->list);
	w->list = buf_new(CRL_SIZE_MAX);
	struct err e = { 0 };
	if (crl_sign(&issuer, &r, &w->list, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	w->number = number;
	w->notice = (struct crl_new){ .number = number, .size = w->list.len };
	memcpy(w->notice.issuer, issuer_id, sizeof issuer_id);
	buf_free(&name);
	key_free(key);
}

/* One question of the front, as the signer answers it. */
static void answer_part(struct world *w, const struct message *m)
{
	struct buf body = buf_new(CHANNEL_BODY_MAX);
	struct crl_get get;

	assert_int_equal(m->type, MESSAGE_CRL_GET);
	assert_int_equal(crl_get_read(m->body, &get, NULL), ERR_OK);
	assert_memory_equal(get.issuer, issuer_id, sizeof issuer_id);
	w->asked++;
	if (w->switches > 0 && --w->switches == 0)
		make_list(w, w->number + 1, ENTRIES - 1);
	uint64_t from = get.number && get.number != w->number ? 0 : get.offset;
	size_t to = from + CRL_PART_MAX < w->list.len ? from + CRL_PART_MAX : w->list.len;
	struct crl_part part = { w->number, w->list.len, from, bytes_slice(buf_bytes(&w->list), from, to) };
	crl_part_write(&part, &body);
	assert_int_equal(channel_send(w->signer, MESSAGE_CRL_PART, m->id, buf_bytes(&body), NULL), ERR_OK);
	buf_free(&body);
}

static void no_notice(void *ctx, const struct message *m)
{
	(void)ctx;
	(void)m;
}

/* The control loop's and the signer's turn. */
static void turn(struct world *w)
{
	struct message m;
	struct pollfd p[2] = { { .fd = channel_fd(w->signer), .events = POLLIN }, { .fd = w->wake, .events = POLLIN } };
	uint64_t count;

	if (poll(p, 2, 20) > 0 && p[1].revents && read(w->wake, &count, sizeof count) < 0)
		fail_msg("the wake-up descriptor is broken");
	peer_serve(w->front.signer, no_notice, NULL);
	if (channel_wants_write(w->signer))
		assert_int_equal(channel_flush(w->signer, NULL), ERR_OK);
	while (channel_receive(w->signer, &m, NULL) == ERR_OK)
		answer_part(w, &m);
	publish_tick(w->front.publish);
	peer_serve(w->front.signer, no_notice, NULL);
}

static enum http_handled nothing(struct http_request *r)
{
	http_answer(r, &(struct http_response){ .status = 404 });
	return HTTP_ANSWERED;
}

static void no_problem(void *ctx, int status, const char *detail, struct arena *a, struct http_response *ret)
{
	(void)ctx;
	(void)status;
	(void)detail;
	(void)a;
	(void)ret;
}

static int listening(int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof *w);
	struct http_limits limits = http_limits_default;
	int pair[2], unused;

	assert_non_null(w);
	w->settings.connections_max = w->settings.connections_per_address = 100;
	w->front.settings = &w->settings;
	w->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	limits.workers = 2;
	assert_int_equal(peer_new(PROCESS_SIGNER, w->wake, &w->front.signer, NULL), ERR_OK);
	assert_int_equal(channel_pair(pair, NULL), ERR_OK);
	assert_int_equal(peer_connect(w->front.signer, pair[0], NULL), ERR_OK);
	assert_int_equal(server_channel_new(pair[1], PROCESS_SIGNER, PROCESS_FRONT, &w->signer, NULL), ERR_OK);
	assert_int_equal(http_server_new(&limits, nothing, no_problem, NULL, &w->front.http, NULL), ERR_OK);
	assert_int_equal(http_server_listen(w->front.http, listening(&unused), false, NULL), ERR_OK);
	assert_int_equal(http_server_start(w->front.http, NULL), ERR_OK);
	assert_int_equal(publish_new(&w->front, &w->front.publish, NULL), ERR_OK);
	assert_int_equal(publish_listen(w->front.publish, listening(&w->port), NULL), ERR_OK);
	assert_int_equal(publish_start(w->front.publish, NULL), ERR_OK);
	return w;
}

static void world_free(struct world *w)
{
	http_server_stop(w->front.http, 1000);
	publish_free(w->front.publish);
	peer_free(w->front.signer);
	channel_free(w->signer);
	buf_free(&w->list);
	close(w->wake);
	free(w);
}

/* A whole answer; what is behind the empty line goes to *ret_body. */
static struct bytes ask(struct world *w, struct buf *in, const char *method, const char *path, const char *fields)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)w->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint8_t part[65536];
	char text[512];
	ssize_t n;

	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	int len = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, path, fields);
	assert_int_equal(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
	*in = buf_new(CRL_SIZE_MAX);
	while ((n = recv(fd, part, sizeof part, 0)) > 0)
		buf_add(in, (struct bytes){ part, (size_t)n });
	close(fd);
	assert_true(buf_ok(in));
	const uint8_t *end = memmem(in->ptr, in->len, "\r\n\r\n", 4);
	assert_non_null(end);
	return bytes_slice(buf_bytes(in), (size_t)(end - in->ptr) + 4, in->len);
}

static bool says(const struct buf *in, const char *text)
{
	return memmem(in->ptr, in->len, text, strlen(text)) != NULL;
}

/* Polls until the list that the signer has now is served. */
static void wait_served(struct world *w)
{
	for (int i = 0; i < 500; i++) {
		struct buf in;
		turn(w);
		struct bytes body = ask(w, &in, "GET", PATH, "");
		bool same = bytes_eq(body, buf_bytes(&w->list));
		buf_free(&in);
		if (same)
			return;
	}
	fail_msg("the signer's list is never served");
}

static void a_list_of_many_parts_is_served_whole(void **state)
{
	struct world *w = world_new();
	struct buf in;
	char etag[64] = "", fields[128], date[HTTP_DATE_SIZE];

	(void)state;
	make_list(w, 7, ENTRIES);
	assert_true(w->list.len > 2 * CRL_PART_MAX);
	publish_lists_are_new(w->front.publish, &w->notice, 1);
	wait_served(w);
	(void)ask(w, &in, "HEAD", PATH, "");
	assert_true(says(&in, "HTTP/1.1 200 OK\r\n") && says(&in, "Content-Type: application/pkix-crl\r\n"));
	http_date(w->made_s, date);
	(void)snprintf(fields, sizeof fields, "Last-Modified: %s\r\n", date);
	assert_true(says(&in, fields) && says(&in, "Cache-Control: public, max-age="));
	(void)snprintf(fields, sizeof fields, "Content-Length: %zu\r\n", w->list.len);
	assert_true(says(&in, fields));
	buf_add_u8(&in, 0);
	assert_int_equal(sscanf(strstr((const char *)in.ptr, "ETag: "), "ETag: %63s", etag), 1);
	buf_free(&in);
	(void)snprintf(fields, sizeof fields, "If-None-Match: \"other\", W/%s\r\n", etag);
	assert_int_equal(ask(w, &in, "GET", PATH, fields).len, 0);
	assert_true(says(&in, "HTTP/1.1 304 Not Modified\r\n") && says(&in, etag));
	buf_free(&in);
	world_free(w);
}

static void a_newer_list_takes_its_place_even_while_it_is_fetched(void **state)
{
	struct world *w = world_new();

	(void)state;
	make_list(w, 7, ENTRIES);
	w->switches = 2;
	publish_lists_are_new(w->front.publish, &w->notice, 1);
	wait_served(w);
	assert_int_equal(w->number, 8);
	make_list(w, 9, 1);
	publish_lists_are_new(w->front.publish, &w->notice, 1);
	wait_served(w);
	world_free(w);
}

static void an_older_list_than_announced_is_not_served_nor_asked_for_without_end(void **state)
{
	struct world *w = world_new();

	(void)state;
	make_list(w, 7, 1);
	publish_lists_are_new(w->front.publish, &w->notice, 1);
	wait_served(w);
	struct crl_new later = w->notice;
	later.number = 9;
	make_list(w, 6, 2);
	w->asked = 0;
	publish_lists_are_new(w->front.publish, &later, 1);
	for (int i = 0; i < 50; i++)
		turn(w);
	assert_in_range(w->asked, 1, 2);
	struct buf in;
	assert_false(bytes_eq(ask(w, &in, "GET", PATH, ""), buf_bytes(&w->list)));
	assert_true(says(&in, "HTTP/1.1 200 OK\r\n"));
	buf_free(&in);
	world_free(w);
}

static void nothing_else_is_there(void **state)
{
	struct world *w = world_new();
	struct buf in;
	static const struct {
		const char *method, *path, *status;
	} asked[] = { { "GET", "/directory", "404" }, { "GET", "/", "404" }, { "GET", PATH, "404" }, { "GET", "/crl/00.crl", "404" },
		{ "POST", PATH, "405" }, { "OPTIONS", PATH, "405" } };

	(void)state;
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		(void)ask(w, &in, asked[i].method, asked[i].path, "");
		assert_true(says(&in, asked[i].status));
		buf_free(&in);
	}
	/* A list that is announced and not there yet */
	make_list(w, 7, 1);
	publish_lists_are_new(w->front.publish, &w->notice, 1);
	(void)ask(w, &in, "GET", PATH, "");
	assert_true(says(&in, "HTTP/1.1 503 ") && says(&in, "Retry-After: "));
	buf_free(&in);
	wait_served(w);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_list_of_many_parts_is_served_whole),
		cmocka_unit_test(a_newer_list_takes_its_place_even_while_it_is_fetched),
		cmocka_unit_test(an_older_list_than_announced_is_not_served_nor_asked_for_without_end),
		cmocka_unit_test(nothing_else_is_there) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
