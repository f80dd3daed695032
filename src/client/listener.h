/* Accepts connections on a port in a thread of its own, for a challenge's answers: the sockets, the loop and the bounds. What is said on a connection
 * is its kind's. Private to this room. */
#ifndef CHANCERY_CLIENT_LISTENER_H
#define CHANCERY_CLIENT_LISTENER_H

#include "base/err.h"

struct listener_kind {
	size_t size; /* of what a connection has; zeroed before begin() */
	/* begin() false: it is closed at once. serve(), when something has come or may go: false ends it; *events: what to wait for (POLLIN at first). end()
	 * frees what it has; the socket is closed by the listener. begin and end may be NULL. All in the thread. */
	bool (*begin)(void *context, void *connection, int fd);
	bool (*serve)(void *context, void *connection, int fd, short *events);
	void (*end)(void *context, void *connection);
};

struct listener;

/* Listens, and accepts when it is started. address: numeric, NULL for all of both families; port 0: any (for tests). CONFIG: an address that is none,
 * or one that cannot be had; the detail says what to do. */
enum err_code listener_new(const char *address, uint16_t port, struct listener **ret, struct err *e) MUST_USE;
/* The sockets alone, as listener_new() opens them: IPv4, IPv6; -1: none. For who may listen and hands them on. */
enum err_code listener_sockets(const char *address, uint16_t port, int ret[2], struct err *e) MUST_USE;
/* On sockets that listen already, which stay the caller's: duplicates are used. */
enum err_code listener_on(const int sockets[2], struct listener **ret, struct err *e) MUST_USE;
enum err_code listener_start(struct listener *l, const struct listener_kind *kind, void *context, struct err *e) MUST_USE;
/* Ends the thread and all connections. */
void listener_free(struct listener *l);
DEFINE_CLEANUP(struct listener *, listener_free);
uint16_t listener_port(const struct listener *l);

#endif
