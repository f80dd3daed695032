#include "server/front/test_publish.h"

#include "base/clock.h"
#include "http/response.h"
#include "os/process.h"
#include "pki/crl.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

const uint8_t world_issuer[ISSUER_KEY_SIZE] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 };

void world_make_list(struct world *w, uint64_t number, size_t n)
{
	static struct crl_entry entries[LIST_ENTRIES];
	struct key *key = NULL;
	struct buf name = buf_new(256);

	w->made_s = clock_wall_ms() / 1000;
	assert_int_equal(key_generate(KEY_EC_P256, 0, &key, NULL), ERR_OK);
	name_write_ca(BYTES_LIT(""), BYTES_LIT("Test"), &name);
	struct issuer issuer = { .subject = buf_bytes(&name), .key_id = BYTES_ARRAY(world_issuer), .key = key, .not_after_s = INT64_MAX };
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
	memcpy(w->notice.issuer, world_issuer, sizeof world_issuer);
	buf_free(&name);
	key_free(key);
}

/* One question of the front, as the signer answers it. */
static void answer_part(struct world *w, const struct message *m)
{
	struct buf body = buf_new(CHANNEL_BODY_MAX);
	struct crl_get get;

	w->asked++;
	if (m->type != MESSAGE_CRL_GET) {
		assert_non_null(w->other);
		w->other(w, m);
		return;
	}
	assert_int_equal(crl_get_read(m->body, &get, NULL), ERR_OK);
	if (w->list.len == 0 || memcmp(get.issuer, world_issuer, sizeof world_issuer) != 0) {
		problem_write(ERR_NOT_FOUND, BYTES_LIT("there is no such list"), &body);
		assert_int_equal(channel_send(w->signer, MESSAGE_REFUSED, m->id, buf_bytes(&body), NULL), ERR_OK);
		buf_free(&body);
		return;
	}
	if (w->switches > 0 && --w->switches == 0)
		world_make_list(w, w->number + 1, LIST_ENTRIES - 1);
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
void world_turn(struct world *w)
{
	struct message m;
	struct pollfd p[2] = { { .fd = channel_fd(w->signer), .events = POLLIN }, { .fd = w->wake, .events = POLLIN } };
	uint64_t count;

	if (poll(p, 2, 20) > 0 && p[1].revents && read(w->wake, &count, sizeof count) < 0)
		fail_msg("the wake-up descriptor is broken");
	assert_int_equal(peer_serve(w->front.signer, no_notice, NULL, NULL), ERR_OK);
	if (channel_wants_write(w->signer))
		assert_int_equal(channel_flush(w->signer, NULL), ERR_OK);
	while (channel_receive(w->signer, &m, NULL) == ERR_OK)
		answer_part(w, &m);
	publish_tick(w->front.publish);
	assert_int_equal(peer_serve(w->front.signer, no_notice, NULL, NULL), ERR_OK);
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

static void greeted(void *ctx, enum err_code code, const struct message *answer)
{
	(void)ctx;
	(void)answer;
	assert_int_equal(code, ERR_OK);
}

/* Until then the front asks the signer nothing. */
static void greet(struct world *w)
{
	struct message m;

	assert_int_equal(peer_ask(w->front.signer, MESSAGE_HELLO, BYTES_LIT(""), 10000, greeted, NULL, NULL), ERR_OK);
	assert_int_equal(channel_receive(w->signer, &m, NULL), ERR_OK);
	assert_int_equal(m.type, MESSAGE_HELLO);
	assert_int_equal(channel_send(w->signer, MESSAGE_HELLO_OK, m.id, BYTES_LIT(""), NULL), ERR_OK);
}

struct world *world_new(void)
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
	greet(w);
	assert_int_equal(http_server_new(&limits, nothing, no_problem, NULL, &w->front.http, NULL), ERR_OK);
	assert_int_equal(http_server_listen(w->front.http, listening(&unused), false, NULL), ERR_OK);
	assert_int_equal(http_server_start(w->front.http, NULL), ERR_OK);
	assert_int_equal(publish_new(&w->front, &w->front.publish, NULL), ERR_OK);
	assert_int_equal(publish_listen(w->front.publish, listening(&w->port), NULL), ERR_OK);
	assert_int_equal(publish_start(w->front.publish, NULL), ERR_OK);
	return w;
}

static void *stop(void *ctx)
{
	struct world *w = ctx;

	http_server_stop(w->front.http, 1000);
	atomic_store(&w->stopped, true);
	return NULL;
}

/* Workers may still wait for an answer of the signer: it goes on answering. */
void world_free(struct world *w)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, stop, w), 0);
	while (!atomic_load(&w->stopped))
		world_turn(w);
	assert_int_equal(pthread_join(thread, NULL), 0);
	publish_free(w->front.publish);
	peer_free(w->front.signer);
	channel_free(w->signer);
	buf_free(&w->list);
	close(w->wake);
	free(w);
}

int world_send(struct world *w, const char *method, const char *path, const char *fields, const char *type, struct bytes content)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)w->port) };
	CLEANUP(buf_free_p) struct buf out = buf_new(65536);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	buf_add_fmt(&out, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s", method, path, fields);
	if (type)
		buf_add_fmt(&out, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, content.len);
	buf_add_fmt(&out, "\r\n");
	buf_add(&out, content);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(send(fd, out.ptr, out.len, MSG_NOSIGNAL), out.len);
	return fd;
}

struct bytes world_receive(int fd, struct buf *ret_in)
{
	uint8_t part[65536];
	ssize_t n;

	*ret_in = buf_new(CRL_SIZE_MAX);
	while ((n = recv(fd, part, sizeof part, 0)) > 0)
		buf_add(ret_in, (struct bytes){ part, (size_t)n });
	close(fd);
	assert_true(buf_ok(ret_in));
	const uint8_t *end = memmem(ret_in->ptr, ret_in->len, "\r\n\r\n", 4);
	assert_non_null(end);
	return bytes_slice(buf_bytes(ret_in), (size_t)(end - ret_in->ptr) + 4, ret_in->len);
}

struct bytes world_ask(struct world *w, struct buf *ret_in, const char *method, const char *path, const char *fields)
{
	return world_receive(world_send(w, method, path, fields, NULL, BYTES_LIT("")), ret_in);
}

bool says(const struct buf *in, const char *text)
{
	return memmem(in->ptr, in->len, text, strlen(text)) != NULL;
}
