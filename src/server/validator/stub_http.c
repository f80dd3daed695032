#include "server/validator/stub_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX 8192

struct stub_http {
	int listener, stop, fd;
	uint16_t port;
	atomic_uint connections, received;
	SSL_CTX *tls;
	SSL *ssl;
	stub_http_serve *serve;
	void *ctx;
	pthread_t thread;
};

int stub_listen(const char *address, uint16_t *ret_port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	int is4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
	socklen_t len = is4 ? sizeof v4 : sizeof v6;
	void *at = is4 ? (void *)&v4 : (void *)&v6;

	if (!is4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
		return -1;
	int fd = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, at, len) != 0 || listen(fd, 64) != 0 || getsockname(fd, at, &len) != 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*ret_port = ntohs(is4 ? v4.sin_port : v6.sin6_port);
	return fd;
}

uint16_t stub_free_port(void)
{
	uint16_t port = 0;
	int fd = stub_listen("127.0.0.1", &port);

	if (fd >= 0)
		close(fd);
	return port;
}

static SSL_CTX *make_tls(void)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	SSL_CTX_use_certificate(c, x);
	SSL_CTX_use_PrivateKey(c, key);
	X509_free(x);
	EVP_PKEY_free(key);
	return c;
}

/* Whether the descriptor is readable; 0 when the server is to stop. */
static int wait_readable(struct stub_http *s, int fd)
{
	struct pollfd p[2] = { { .fd = s->stop, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

	while (poll(p, 2, -1) < 0)
		;
	return !p[0].revents;
}

static long receive(struct stub_http *s, char *p, size_t n)
{
	if (s->ssl)
		return SSL_read(s->ssl, p, (int)n);
	return wait_readable(s, s->fd) ? (long)recv(s->fd, p, n, 0) : -1;
}

void stub_http_send(struct stub_http *s, const void *p, size_t n)
{
	if (s->ssl)
		(void)SSL_write(s->ssl, p, (int)n);
	else
		(void)!send(s->fd, p, n, MSG_NOSIGNAL);
}

void stub_http_answer(struct stub_http *s, const char *status, const char *headers, const char *body)
{
	char head[REQUEST_MAX];

	(void)snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status, strlen(body), headers);
	stub_http_send(s, head, strlen(head));
	stub_http_send(s, body, strlen(body));
}

void stub_http_hang(struct stub_http *s)
{
	char c;

	while (wait_readable(s, s->fd) && recv(s->fd, &c, 1, 0) > 0)
		;
}

static void serve_one(struct stub_http *s)
{
	char request[REQUEST_MAX];
	size_t n = 0;
	long got;

	if (s->ssl && (SSL_set_fd(s->ssl, s->fd) != 1 || SSL_accept(s->ssl) != 1))
		return;
	request[0] = 0;
	while (!strstr(request, "\r\n\r\n") && n + 1 < sizeof request && (got = receive(s, request + n, sizeof request - 1 - n)) > 0) {
		n += (size_t)got;
		s->received += (unsigned)got;
		request[n] = 0;
		if (request[0] == 0x16) { /* a TLS record, to a server that speaks none */
			stub_http_answer(s, "400 Bad Request", "", "plain HTTP, please");
			return;
		}
	}
	if (strstr(request, "\r\n\r\n"))
		s->serve(s, request, s->ctx);
	if (s->ssl)
		SSL_shutdown(s->ssl);
}

static void *run(void *ctx)
{
	struct stub_http *s = ctx;

	while (wait_readable(s, s->listener)) {
		s->fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
		if (s->fd < 0)
			continue;
		s->connections++;
		s->ssl = s->tls ? SSL_new(s->tls) : NULL;
		serve_one(s);
		SSL_free(s->ssl);
		shutdown(s->fd, SHUT_WR);
		close(s->fd);
	}
	return NULL;
}

struct stub_http *stub_http_start(const char *address, int tls, stub_http_serve *serve, void *ctx)
{
	struct stub_http *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->serve = serve;
	s->ctx = ctx;
	s->listener = stub_listen(address, &s->port);
	s->stop = eventfd(0, EFD_CLOEXEC);
	s->tls = tls ? make_tls() : NULL;
	if (s->listener < 0 || s->stop < 0 || pthread_create(&s->thread, NULL, run, s) != 0) {
		free(s);
		return NULL;
	}
	return s;
}

void stub_http_stop(struct stub_http *s)
{
	if (!s)
		return;
	if (write(s->stop, &(uint64_t){ 1 }, 8) != 8)
		abort();
	pthread_join(s->thread, NULL);
	close(s->listener);
	close(s->stop);
	SSL_CTX_free(s->tls);
	free(s);
}

uint16_t stub_http_port(const struct stub_http *s)
{
	return s->port;
}

void *stub_http_context(const struct stub_http *s)
{
	return s->tls;
}

unsigned stub_http_received(const struct stub_http *s)
{
	return s->received;
}

unsigned stub_http_connections(const struct stub_http *s)
{
	return s->connections;
}
