/* A mail server that greets with whatever it likes before TLS: the look at it ends with an answer or a reason. The input: a byte for the protocol, then all that the
 * server ever says, in pieces with a NUL between. */
#include "agent/net/served.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The server's end of the connection, which is closed to writing when it has said all (linked by --wrap). */
static struct bytes says;
static int server = -1;

int __wrap_socket(int family, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *at, socklen_t len);

/* As much as the connection takes. Each piece is read by itself. */
static void say_all(void)
{
	struct bytes piece, rest = says;
	bool more = true;

	while (more) {
		more = bytes_split(rest, 0, &piece, &rest);
		if (!more)
			piece = rest;
		if (piece.len > 0 && send(server, piece.ptr, piece.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			return;
	}
}

int __wrap_socket(int family, int type, int protocol)
{
	int pair[2];

	(void)family;
	(void)protocol;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | (type & (SOCK_NONBLOCK | SOCK_CLOEXEC)), 0, pair) != 0)
		return -1;
	server = pair[1];
	say_all();
	if (shutdown(server, SHUT_WR) != 0)
		abort();
	return pair[0];
}

int __wrap_connect(int fd, const struct sockaddr *at, socklen_t len)
{
	(void)fd;
	(void)at;
	(void)len;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum endpoint_start starts[] = { ENDPOINT_SMTP, ENDPOINT_IMAP, ENDPOINT_POP3, ENDPOINT_TLS };
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 4u << 20);
	struct endpoint at = { "mail.example.org", "127.0.0.1", 25, ENDPOINT_SMTP, "mail.example.org" };
	struct served shown;
	struct err e = { 0 };

	if (!a || size < 1 || size > 65536)
		return 0;
	at.start = starts[data[0] % 4];
	says = (struct bytes){ data + 1, size - 1 };
	if (served_look(a, &at, 1000, &shown, &e) == ERR_OK ? shown.n == 0 || shown.n > SERVED_CERTIFICATES_MAX : !*e.detail)
		abort();
	for (const char *p = e.detail; *p; p++)
		if ((uint8_t)*p < ' ')
			abort();
	close(server);
	server = -1;
	return 0;
}
