#include "client/http01_listener.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define ANSWERS_MAX     100
#define REQUEST_MAX     4096
#define PATIENCE_MS     5000 /* with one connection, from its first byte to its end */
#define PATH            "/.well-known/acme-challenge/"
#define FIXED           3 /* in front of the connections: the wake-up and two listening sockets */

struct connection {
	int fd;
	int64_t end_ms;
	bool answered; /* only waits for the other side's end, so that no reset eats the answer */
	size_t len;
	char in[REQUEST_MAX];
};

struct answer {
	char *token, *text;
};

struct http01_listener {
	int sockets[2], wake; /* -1: none */
	uint16_t port;
	pthread_t thread;
	bool running;
	atomic_bool stop;
	atomic_uint asked, served;
	pthread_mutex_t lock; /* of the answers */
	struct answer answers[ANSWERS_MAX];
	size_t n_answers;
	char said[256];
	struct connection connections[CONNECTIONS_MAX]; /* the thread's */
	size_t n_connections;
};

/* --- the answers --- */

int http01_listener_deploy(void *context, const struct chancery_challenge *challenge)
{
	struct http01_listener *l = context;
	struct answer a = { strdup(challenge->token), strdup(challenge->key_authorization) };
	bool ok = a.token && a.text;

	pthread_mutex_lock(&l->lock);
	ok = ok && l->n_answers < ANSWERS_MAX;
	if (ok)
		l->answers[l->n_answers++] = a;
	pthread_mutex_unlock(&l->lock);
	if (ok)
		return 0;
	free(a.token);
	free(a.text);
	return -1;
}

void http01_listener_clean_up(void *context, const struct chancery_challenge *challenge)
{
	struct http01_listener *l = context;

	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->n_answers; i++)
		if (strcmp(l->answers[i].token, challenge->token) == 0) {
			free(l->answers[i].token);
			free(l->answers[i].text);
			l->answers[i] = l->answers[--l->n_answers];
			break;
		}
	pthread_mutex_unlock(&l->lock);
}

const char *http01_listener_tell(void *context)
{
	struct http01_listener *l = context;

	if (atomic_load(&l->served) > 0)
		return "";
	if (atomic_load(&l->asked) > 0)
		(void)snprintf(l->said, sizeof l->said, "requests reached the listener here, but none for this challenge");
	else
		(void)snprintf(l->said, sizeof l->said,
		    "no request reached the listener here on port %u: look where the name's DNS leads, at port forwarding "
		    "and at firewalls",
		    l->port);
	return l->said;
}

/* --- one connection --- */

/* The answer's text for a request line "GET /.well-known/acme-challenge/TOKEN HTTP/1.1" into out; false when there is none. */
static bool find_answer(struct http01_listener *l, const char *line, char *out, size_t size)
{
	static const char start[] = "GET " PATH;
	bool found = false;

	if (strncmp(line, start, sizeof start - 1) != 0)
		return false;
	const char *token = line + sizeof start - 1;
	size_t n = strcspn(token, " ?\r\n");
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->n_answers && !found; i++)
		if (strlen(l->answers[i].token) == n && strncmp(l->answers[i].token, token, n) == 0) {
			(void)snprintf(out, size, "%s", l->answers[i].text);
			found = true;
		}
	pthread_mutex_unlock(&l->lock);
	return found;
}

static void answer(struct http01_listener *l, struct connection *c)
{
	char text[512] = "there is no such challenge here\n", out[1024];
	bool found = find_answer(l, c->in, text, sizeof text);

	atomic_fetch_add(&l->asked, 1);
	if (found)
		atomic_fetch_add(&l->served, 1);
	int n = snprintf(out, sizeof out,
	    "HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
	    found ? "200 OK" : "404 Not Found", strlen(text), text);
	/* It fits into an empty socket's buffer; one that is full is no validator's. */
	(void)send(c->fd, out, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(c->fd, SHUT_WR);
	c->answered = true;
}

/* Whether the connection goes on. */
static bool serve(struct http01_listener *l, struct connection *c)
{
	char sink[1024];
	size_t room = sizeof c->in - 1 - c->len;
	ssize_t n = c->answered ? recv(c->fd, sink, sizeof sink, MSG_DONTWAIT) : recv(c->fd, c->in + c->len, room, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	if (c->answered)
		return true;
	c->len += (size_t)n;
	c->in[c->len] = 0;
	if (strstr(c->in, "\r\n\r\n") || strstr(c->in, "\n\n"))
		answer(l, c);
	return c->answered || c->len < sizeof c->in - 1;
}

/* --- the thread --- */

static void drop(struct http01_listener *l, size_t i)
{
	(void)close(l->connections[i].fd);
	if (i != --l->n_connections)
		l->connections[i] = l->connections[l->n_connections];
}

static void take_connection(struct http01_listener *l, int socket)
{
	int fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (l->n_connections == CONNECTIONS_MAX)
		drop(l, 0); /* who says nothing gives way */
	struct connection *c = &l->connections[l->n_connections++];
	c->fd = fd;
	c->end_ms = clock_monotonic_ms() + PATIENCE_MS;
	c->answered = false;
	c->len = 0;
	c->in[0] = 0;
}

/* From the last to the first, so that what drop() moves was looked at already. */
static void serve_all(struct http01_listener *l, const struct pollfd *p)
{
	int64_t now = clock_monotonic_ms();

	for (size_t i = l->n_connections; i-- > 0;)
		if (now > l->connections[i].end_ms || (p[FIXED + i].revents && !serve(l, &l->connections[i])))
			drop(l, i);
}

static void *run(void *ctx)
{
	struct http01_listener *l = ctx;
	struct pollfd p[FIXED + CONNECTIONS_MAX];

	while (!atomic_load(&l->stop)) {
		p[0] = (struct pollfd){ .fd = l->wake, .events = POLLIN };
		for (size_t i = 0; i < 2; i++)
			p[1 + i] = (struct pollfd){ .fd = l->sockets[i], .events = POLLIN };
		for (size_t i = 0; i < l->n_connections; i++)
			p[FIXED + i] = (struct pollfd){ .fd = l->connections[i].fd, .events = POLLIN };
		if (poll(p, (nfds_t)(FIXED + l->n_connections), l->n_connections ? 1000 : -1) < 0)
			continue;
		serve_all(l, p);
		for (size_t i = 0; i < 2; i++)
			if (p[1 + i].fd >= 0 && p[1 + i].revents)
				take_connection(l, l->sockets[i]);
	}
	while (l->n_connections > 0)
		drop(l, l->n_connections - 1);
	return NULL;
}

/* --- life --- */

static const char *advice(int sys)
{
	if (sys == EADDRINUSE)
		return "; another program listens there: stop it meanwhile, or let it serve a web root";
	if (sys == EACCES)
		return "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
	return "";
}

static enum err_code listen_at(const struct sockaddr *to, socklen_t len, const char *shown, uint16_t port, int *ret, struct err *e)
{
	CLEANUP(close_p) int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0)
		FAIL(e, IO, "a socket for %s: %s", shown, strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    (to->sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) || bind(fd, to, len) != 0 ||
	    listen(fd, 32) != 0)
		FAIL(e, CONFIG, "cannot listen on %s, port %u: %s%s", shown, port, strerror(errno), advice(errno));
	*ret = fd;
	fd = -1;
	return ERR_OK;
}

static enum err_code listen_v4(struct http01_listener *l, struct in_addr address, const char *shown, uint16_t port, struct err *e)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address };
	socklen_t len = sizeof to;

	TRY(listen_at((const struct sockaddr *)&to, sizeof to, shown, port, &l->sockets[0], e));
	if (getsockname(l->sockets[0], (struct sockaddr *)&to, &len) == 0)
		l->port = ntohs(to.sin_port);
	return ERR_OK;
}

static enum err_code listen_v6(struct http01_listener *l, struct in6_addr address, const char *shown, uint16_t port, struct err *e)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = address };
	socklen_t len = sizeof to;

	TRY(listen_at((const struct sockaddr *)&to, sizeof to, shown, port, &l->sockets[1], e));
	if (getsockname(l->sockets[1], (struct sockaddr *)&to, &len) == 0)
		l->port = ntohs(to.sin6_port);
	return ERR_OK;
}

static enum err_code listen_all(struct http01_listener *l, const char *address, uint16_t port, struct err *e)
{
	struct in_addr v4 = { INADDR_ANY };
	struct in6_addr v6 = IN6ADDR_ANY_INIT;
	struct err other = { 0 };

	if (address && inet_pton(AF_INET, address, &v4) == 1)
		return listen_v4(l, v4, address, port, e);
	if (address && inet_pton(AF_INET6, address, &v6) == 1)
		return listen_v6(l, v6, address, port, e);
	if (address)
		FAIL(e, CONFIG, "\"%.100s\" is no numeric IPv4 or IPv6 address", address);
	TRY(listen_v4(l, v4, "all IPv4 addresses", port, e));
	/* A machine without IPv6 is no reason to fail; a port that is taken there is: the server may come that way. */
	if (listen_v6(l, v6, "all IPv6 addresses", l->port, &other) != ERR_OK && other.sys == EADDRINUSE) {
		*e = other;
		return other.code;
	}
	return ERR_OK;
}

static enum err_code start_thread(struct http01_listener *l, struct err *e)
{
	sigset_t all, before;

	/* The program's signals are its own threads' to take. */
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&l->thread, NULL, run, l);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		FAIL(e, IO, "a thread for the listener: %s", strerror(rc));
	l->running = true;
	return ERR_OK;
}

enum err_code http01_listener_new(const char *address, uint16_t port, struct http01_listener **ret, struct err *e)
{
	CLEANUP(http01_listener_free_p) struct http01_listener *l = calloc(1, sizeof *l);

	if (!l)
		FAIL(e, NOMEM, "no memory for a listener");
	l->sockets[0] = l->sockets[1] = -1;
	l->wake = eventfd(0, EFD_CLOEXEC);
	(void)pthread_mutex_init(&l->lock, NULL);
	if (l->wake < 0)
		FAIL(e, IO, "an eventfd: %s", strerror(errno));
	TRY(listen_all(l, address, port, e));
	TRY(start_thread(l, e));
	*ret = TAKE(l);
	return ERR_OK;
}

void http01_listener_free(struct http01_listener *l)
{
	const uint64_t one = 1;

	if (!l)
		return;
	if (l->running) {
		atomic_store(&l->stop, true);
		while (write(l->wake, &one, sizeof one) < 0 && errno == EINTR)
			continue;
		(void)pthread_join(l->thread, NULL);
	}
	for (size_t i = 0; i < l->n_answers; i++) {
		free(l->answers[i].token);
		free(l->answers[i].text);
	}
	close_p(&l->sockets[0]);
	close_p(&l->sockets[1]);
	close_p(&l->wake);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}

uint16_t http01_listener_port(const struct http01_listener *l)
{
	return l->port;
}
