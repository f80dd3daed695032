#include "client/listener.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define PATIENCE_MS     5000 /* with one connection, from its first byte to its end */
#define FIXED           3    /* in front of the connections: the wake-up and two listening sockets */

struct connection {
	int fd;
	int64_t end_ms;
	short events;
	void *of_kind;
};

struct listener {
	const struct listener_kind *kind;
	void *context;
	int sockets[2], wake; /* -1: none */
	uint16_t port;
	pthread_t thread;
	bool running;
	atomic_bool stop;
	struct connection connections[CONNECTIONS_MAX]; /* the thread's */
	size_t n_connections;
};

/* --- the thread --- */

static void drop(struct listener *l, size_t i)
{
	struct connection *c = &l->connections[i];

	if (l->kind->end)
		l->kind->end(l->context, c->of_kind);
	free(c->of_kind);
	(void)close(c->fd);
	if (i != --l->n_connections)
		l->connections[i] = l->connections[l->n_connections];
}

static void take_connection(struct listener *l, int socket)
{
	int fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	void *of_kind = fd >= 0 ? calloc(1, l->kind->size) : NULL;

	if (fd < 0)
		return;
	if (!of_kind || (l->kind->begin && !l->kind->begin(l->context, of_kind, fd))) {
		free(of_kind);
		(void)close(fd);
		return;
	}
	if (l->n_connections == CONNECTIONS_MAX)
		drop(l, 0); /* who says nothing gives way */
	l->connections[l->n_connections++] = (struct connection){ fd, clock_monotonic_ms() + PATIENCE_MS, POLLIN, of_kind };
}

/* From the last to the first, so that what drop() moves was looked at already. */
static void serve_all(struct listener *l, const struct pollfd *p)
{
	int64_t now = clock_monotonic_ms();

	for (size_t i = l->n_connections; i-- > 0;) {
		struct connection *c = &l->connections[i];
		if (now > c->end_ms || (p[FIXED + i].revents && !l->kind->serve(l->context, c->of_kind, c->fd, &c->events)))
			drop(l, i);
	}
}

static void *run(void *ctx)
{
	struct listener *l = ctx;
	struct pollfd p[FIXED + CONNECTIONS_MAX];

	while (!atomic_load(&l->stop)) {
		p[0] = (struct pollfd){ .fd = l->wake, .events = POLLIN };
		for (size_t i = 0; i < 2; i++)
			p[1 + i] = (struct pollfd){ .fd = l->sockets[i], .events = POLLIN };
		for (size_t i = 0; i < l->n_connections; i++)
			p[FIXED + i] = (struct pollfd){ .fd = l->connections[i].fd, .events = l->connections[i].events };
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

static enum err_code listen_v4(struct listener *l, struct in_addr address, const char *shown, uint16_t port, struct err *e)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address };
	socklen_t len = sizeof to;

	TRY(listen_at((const struct sockaddr *)&to, sizeof to, shown, port, &l->sockets[0], e));
	if (getsockname(l->sockets[0], (struct sockaddr *)&to, &len) == 0)
		l->port = ntohs(to.sin_port);
	return ERR_OK;
}

static enum err_code listen_v6(struct listener *l, struct in6_addr address, const char *shown, uint16_t port, struct err *e)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = address };
	socklen_t len = sizeof to;

	TRY(listen_at((const struct sockaddr *)&to, sizeof to, shown, port, &l->sockets[1], e));
	if (getsockname(l->sockets[1], (struct sockaddr *)&to, &len) == 0)
		l->port = ntohs(to.sin6_port);
	return ERR_OK;
}

static enum err_code listen_all(struct listener *l, const char *address, uint16_t port, struct err *e)
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

enum err_code listener_start(struct listener *l, const struct listener_kind *kind, void *context, struct err *e)
{
	sigset_t all, before;

	l->kind = kind;
	l->context = context;
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

static struct listener *listener_empty(void)
{
	struct listener *l = calloc(1, sizeof *l);

	if (l)
		l->sockets[0] = l->sockets[1] = -1;
	if (l)
		l->wake = eventfd(0, EFD_CLOEXEC);
	return l;
}

static enum err_code check_empty(const struct listener *l, struct err *e)
{
	if (!l)
		FAIL(e, NOMEM, "no memory for a listener");
	if (l->wake < 0)
		FAIL(e, IO, "an eventfd: %s", strerror(errno));
	return ERR_OK;
}

enum err_code listener_new(const char *address, uint16_t port, struct listener **ret, struct err *e)
{
	CLEANUP(listener_free_p) struct listener *l = listener_empty();

	TRY(check_empty(l, e));
	TRY(listen_all(l, address, port, e));
	*ret = TAKE(l);
	return ERR_OK;
}

enum err_code listener_sockets(const char *address, uint16_t port, int ret[2], struct err *e)
{
	CLEANUP(listener_free_p) struct listener *l = NULL;

	TRY(listener_new(address, port, &l, e));
	for (size_t i = 0; i < 2; i++) {
		ret[i] = l->sockets[i];
		l->sockets[i] = -1;
	}
	return ERR_OK;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage at = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof at;

	if (getsockname(fd, (struct sockaddr *)&at, &len) != 0)
		return 0;
	return at.ss_family == AF_INET ? ntohs(((const struct sockaddr_in *)(const void *)&at)->sin_port)
				       : ntohs(((const struct sockaddr_in6 *)(const void *)&at)->sin6_port);
}

enum err_code listener_on(const int sockets[2], struct listener **ret, struct err *e)
{
	CLEANUP(listener_free_p) struct listener *l = listener_empty();

	TRY(check_empty(l, e));
	for (size_t i = 0; i < 2; i++) {
		if (sockets[i] < 0)
			continue;
		l->sockets[i] = fcntl(sockets[i], F_DUPFD_CLOEXEC, 0);
		if (l->sockets[i] < 0 || fcntl(l->sockets[i], F_SETFL, O_NONBLOCK) != 0)
			FAIL(e, IO, "a socket to listen on: %s", strerror(errno));
		l->port = port_of(l->sockets[i]);
	}
	*ret = TAKE(l);
	return ERR_OK;
}

void listener_free(struct listener *l)
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
	close_p(&l->sockets[0]);
	close_p(&l->sockets[1]);
	close_p(&l->wake);
	free(l);
}

uint16_t listener_port(const struct listener *l)
{
	return l->port;
}
