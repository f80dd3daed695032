#include "server/signer/operators.h"

#include "base/clock.h"
#include "server/signer/signer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One operator's connection. */
struct client {
	int fd; /* -1: free */
	uint32_t uid;
	char line[OPERATORS_LINE_MAX];
	size_t len;
	struct buf answer; /* a secret one: a new key's answer has the key */
	size_t sent;
	bool answering;
	int64_t deadline_ms;
};

struct operators {
	int listener;
	struct client clients[OPERATORS_CLIENTS_MAX];
};

struct operators *operators_new(void)
{
	struct operators *o = calloc(1, sizeof *o);

	if (!o)
		return NULL;
	o->listener = -1;
	for (size_t i = 0; i < OPERATORS_CLIENTS_MAX; i++)
		o->clients[i].fd = -1;
	return o;
}

static void client_close(struct client *c)
{
	close_p(&c->fd);
	buf_free(&c->answer);
	*c = (struct client){ .fd = -1 };
}

void operators_free(struct operators *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < OPERATORS_CLIENTS_MAX; i++)
		client_close(&o->clients[i]);
	close_p(&o->listener);
	free(o);
}

void operators_listen_on(struct operators *o, int fd)
{
	close_p(&o->listener);
	o->listener = fd;
}

size_t operators_poll(const struct operators *o, struct pollfd *fds)
{
	bool room = false;

	for (size_t i = 0; i < OPERATORS_CLIENTS_MAX; i++) {
		const struct client *c = &o->clients[i];
		room = room || c->fd < 0;
		fds[1 + i] = (struct pollfd){ .fd = c->fd, .events = c->answering ? POLLOUT : POLLIN };
	}
	fds[0] = (struct pollfd){ .fd = room ? o->listener : -1, .events = POLLIN };
	return OPERATORS_FDS;
}

int operators_timeout(const struct operators *o)
{
	int64_t first_ms = INT64_MAX, now_ms = clock_monotonic_ms();

	for (size_t i = 0; i < OPERATORS_CLIENTS_MAX; i++)
		if (o->clients[i].fd >= 0 && o->clients[i].deadline_ms < first_ms)
			first_ms = o->clients[i].deadline_ms;
	if (first_ms == INT64_MAX)
		return -1;
	return first_ms > now_ms ? (int)(first_ms - now_ms) : 0;
}

static void take_client(struct operators *o)
{
	for (size_t i = 0; i < OPERATORS_CLIENTS_MAX && o->listener >= 0; i++) {
		struct client *c = &o->clients[i];
		struct ucred who = { .uid = UINT32_MAX };
		socklen_t len = sizeof who;
		if (c->fd >= 0)
			continue;
		int fd = accept4(o->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0) {
			close(fd);
			return;
		}
		*c = (struct client){ .fd = fd, .uid = who.uid, .answer = buf_new_secret(OPERATORS_ANSWER_MAX) };
		c->deadline_ms = clock_monotonic_ms() + OPERATORS_MS;
	}
}

/* The filter of system calls knows recvmsg() and sendmsg() alone. */
static ssize_t transfer(int fd, void *p, size_t n, bool out)
{
	struct iovec v = { p, n };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	return out ? sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) : recvmsg(fd, &m, MSG_DONTWAIT);
}

/* True when the whole line is there; a client that is gone or sends too much is closed. */
static bool read_line(struct client *c, size_t *ret_len)
{
	ssize_t n = transfer(c->fd, c->line + c->len, sizeof c->line - c->len, false);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n > 0) {
		c->len += (size_t)n;
		char *end = memchr(c->line, '\n', c->len);
		if (end) {
			*ret_len = (size_t)(end - c->line);
			return true;
		}
	}
	if (n <= 0 || c->len == sizeof c->line)
		client_close(c);
	return false;
}

static enum err_code answer(struct client *c, struct signer *s, size_t len, struct err *e)
{
	TRY(signer_operate(s, (struct bytes){ (const uint8_t *)c->line, len }, c->uid, &c->answer, e));
	buf_add_u8(&c->answer, '\n');
	c->answering = true;
	c->deadline_ms = clock_monotonic_ms() + OPERATORS_MS;
	if (!buf_ok(&c->answer))
		client_close(c);
	return ERR_OK;
}

static void send_answer(struct client *c)
{
	ssize_t n = transfer(c->fd, c->answer.ptr + c->sent, c->answer.len - c->sent, true);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->sent += (size_t)n;
	if (n <= 0 || c->sent == c->answer.len)
		client_close(c);
}

enum err_code operators_serve(struct operators *o, struct signer *s, struct err *e)
{
	int64_t now_ms = clock_monotonic_ms();
	size_t len;

	take_client(o);
	for (size_t i = 0; i < OPERATORS_CLIENTS_MAX; i++) {
		struct client *c = &o->clients[i];
		if (c->fd >= 0 && !c->answering && read_line(c, &len))
			TRY(answer(c, s, len, e));
		if (c->fd >= 0 && c->answering)
			send_answer(c);
		if (c->fd >= 0 && now_ms >= c->deadline_ms)
			client_close(c);
	}
	return ERR_OK;
}
