#include "agent/net/served.h"

#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_MAX_  1024
#define LINES_MAX  64   /* of one answer */
#define CONNECT_MS 5000 /* for one address, when there are more */

DEFINE_CLEANUP(SSL_CTX *, SSL_CTX_free);
DEFINE_CLEANUP(SSL *, SSL_free);
DEFINE_CLEANUP(struct addrinfo *, freeaddrinfo);

struct look {
	const struct endpoint *at;
	int fd;
	int64_t deadline_ms;
	uint8_t rest[LINE_MAX_]; /* read, and not yet taken */
	size_t n_rest;
};

/* --- the connection --- */

static bool await(int fd, short what, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = what };
	int n;

	do {
		int64_t left_ms = deadline_ms - clock_monotonic_ms();
		n = left_ms > 0 ? poll(&p, 1, left_ms < 60000 ? (int)left_ms : 60000) : 0;
	} while ((n < 0 && errno == EINTR) || (n == 0 && clock_monotonic_ms() < deadline_ms));
	return n > 0;
}

/* 0, or why not. */
static int try_address(const struct addrinfo *i, int64_t deadline_ms, int *ret)
{
	CLEANUP(close_p) int fd = socket(i->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int sys = 0;
	socklen_t len = sizeof sys;

	if (fd < 0)
		return errno;
	if (connect(fd, i->ai_addr, i->ai_addrlen) != 0) {
		if (errno != EINPROGRESS)
			return errno;
		if (!await(fd, POLLOUT, deadline_ms))
			return ETIMEDOUT;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &len) != 0 || sys != 0)
			return sys ? sys : errno;
	}
	*ret = fd;
	fd = -1;
	return 0;
}

static enum err_code open_connection(struct look *l, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	CLEANUP(freeaddrinfo_p) struct addrinfo *list = NULL;
	char port[8];

	errno = 0;
	(void)snprintf(port, sizeof port, "%u", l->at->port);
	int rc = getaddrinfo(l->at->host, port, &hints, &list), sys = 0;
	if (rc != 0)
		FAIL(e, CONNECTION, "%.100s: %s", l->at->host, gai_strerror(rc));
	for (const struct addrinfo *i = list; i; i = i->ai_next) {
		int64_t limit_ms = clock_monotonic_ms() + CONNECT_MS;
		sys = try_address(i, i->ai_next && limit_ms < l->deadline_ms ? limit_ms : l->deadline_ms, &l->fd);
		if (sys == 0)
			return ERR_OK;
	}
	errno = 0;
	if (sys == ETIMEDOUT)
		FAIL(e, TIMEOUT, "no answer from %.100s in time", l->at->text);
	FAIL(e, CONNECTION, "%.100s cannot be connected to: %s", l->at->text, strerror(sys));
}

/* --- STARTTLS --- */

static enum err_code say(struct look *l, const char *line, struct err *e)
{
	size_t n = strlen(line);

	/* A line is less than what a socket's buffer takes. */
	if (!await(l->fd, POLLOUT, l->deadline_ms) || send(l->fd, line, n, MSG_NOSIGNAL) != (ssize_t)n)
		FAIL(e, CONNECTION, "%.100s has closed the connection", l->at->text);
	return ERR_OK;
}

/* The next line without its end; at most LINE_MAX_ - 1 characters. Nothing is read behind it but what came with it: a server says nothing more before it is
 * asked. */
static enum err_code hear(struct look *l, char line[LINE_MAX_], struct err *e)
{
	uint8_t *end;

	while (!(end = memchr(l->rest, '\n', l->n_rest))) {
		errno = 0;
		if (l->n_rest == sizeof l->rest)
			FAIL(e, MALFORMED, "%.100s says a line of more than %d characters", l->at->text, LINE_MAX_);
		if (!await(l->fd, POLLIN, l->deadline_ms))
			FAIL(e, TIMEOUT, "%.100s does not greet in time", l->at->text);
		ssize_t n = recv(l->fd, l->rest + l->n_rest, sizeof l->rest - l->n_rest, 0);
		if (n <= 0)
			FAIL(e, CONNECTION, "%.100s has closed the connection", l->at->text);
		l->n_rest += (size_t)n;
	}
	size_t n = (size_t)(end - l->rest), text = n > 0 && end[-1] == '\r' ? n - 1 : n;
	memcpy(line, l->rest, text);
	line[text] = 0;
	l->n_rest -= n + 1;
	memmove(l->rest, end + 1, l->n_rest);
	return ERR_OK;
}

/* What a terminal must not see is left out. */
static void soften(char *line)
{
	for (; *line; line++)
		*line = *line < ' ' || *line > '~' ? '?' : *line;
}

/* Lines of SMTP until the last of an answer, which must begin with the code. */
static enum err_code expect_smtp(struct look *l, const char *code, struct err *e)
{
	char line[LINE_MAX_];

	for (int i = 0; i < LINES_MAX; i++) {
		TRY(hear(l, line, e));
		soften(line);
		if (strncmp(line, code, 3) != 0)
			FAIL(e, MALFORMED, "%.100s says \"%.150s\"", l->at->text, line);
		if (line[3] != '-')
			return ERR_OK;
	}
	FAIL(e, MALFORMED, "%.100s has too much to say", l->at->text);
}

/* Of IMAP and POP3: lines until one that begins so. */
static enum err_code expect(struct look *l, const char *good, const char *skipped, struct err *e)
{
	char line[LINE_MAX_];

	for (int i = 0; i < LINES_MAX; i++) {
		TRY(hear(l, line, e));
		if (strncmp(line, good, strlen(good)) == 0)
			return ERR_OK;
		soften(line);
		if (!skipped || strncmp(line, skipped, strlen(skipped)) != 0)
			FAIL(e, MALFORMED, "%.100s says \"%.150s\"", l->at->text, line);
	}
	FAIL(e, MALFORMED, "%.100s has too much to say", l->at->text);
}

static enum err_code ask_for_tls(struct look *l, struct err *e)
{
	switch (l->at->start) {
	case ENDPOINT_TLS:
		return ERR_OK;
	case ENDPOINT_SMTP: /* RFC 3207 */
		TRY(expect_smtp(l, "220", e));
		TRY(say(l, "EHLO chancery.invalid\r\n", e));
		TRY(expect_smtp(l, "250", e));
		TRY(say(l, "STARTTLS\r\n", e));
		TRY(expect_smtp(l, "220", e));
		break;
	case ENDPOINT_IMAP: /* RFC 9051 §6.2.1 */
		TRY(expect(l, "* OK", NULL, e));
		TRY(say(l, "a STARTTLS\r\n", e));
		TRY(expect(l, "a OK", "* ", e));
		break;
	case ENDPOINT_POP3: /* RFC 2595 §4 */
		TRY(expect(l, "+OK", NULL, e));
		TRY(say(l, "STLS\r\n", e));
		TRY(expect(l, "+OK", NULL, e));
		break;
	}
	errno = 0;
	if (l->n_rest != 0)
		FAIL(e, MALFORMED, "%.100s says something before TLS begins", l->at->text);
	return ERR_OK;
}

/* --- TLS --- */

/* No verification, and everything that OpenSSL can: an old server is to be seen too. */
static SSL_CTX *make_context(void)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());

	if (!c)
		return NULL;
	SSL_CTX_set_verify(c, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_security_level(c, 0);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(c, SERVED_READ_MAX);
	(void)SSL_CTX_set_min_proto_version(c, TLS1_VERSION);
	return c;
}

static enum err_code shake(struct look *l, SSL *ssl, struct err *e)
{
	for (;;) {
		ERR_clear_error();
		errno = 0;
		int rc = SSL_connect(ssl), kind = SSL_get_error(ssl, rc), sys = errno;
		if (rc == 1)
			return ERR_OK;
		if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
			if (await(l->fd, kind == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, l->deadline_ms))
				continue;
			errno = 0;
			FAIL(e, TIMEOUT, "%.100s does not end its TLS handshake in time", l->at->text);
		}
		const char *reason = ERR_reason_error_string(ERR_peek_last_error());
		ERR_clear_error();
		errno = 0;
		FAIL(e, TLS, "no TLS with %.100s: %s", l->at->text,
		    reason                             ? reason
		    : kind == SSL_ERROR_SYSCALL && sys ? strerror(sys)
						       : "it closed the connection");
	}
}

static enum err_code keep(struct arena *a, const struct look *l, SSL *ssl, struct served *ret, struct err *e)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
	struct served s = { .n = 0 };

	for (int i = 0; chain && i < sk_X509_num(chain) && s.n < SERVED_CERTIFICATES_MAX; i++) {
		unsigned char *der = NULL;
		int n = i2d_X509(sk_X509_value(chain, i), &der);
		s.certificates[s.n] = n > 0 ? arena_copy(a, (struct bytes){ der, (size_t)n }) : BYTES_NONE;
		OPENSSL_free(der);
		if (!s.certificates[s.n++].ptr)
			FAIL(e, NOMEM, "no memory for a server's certificates");
	}
	if (s.n == 0)
		FAIL(e, TLS, "%.100s shows no certificate", l->at->text);
	*ret = s;
	return ERR_OK;
}

enum err_code served_look(struct arena *a, const struct endpoint *at, uint32_t timeout_ms, struct served *ret, struct err *e)
{
	struct look l = { .at = at, .fd = -1, .deadline_ms = clock_monotonic_ms() + timeout_ms };
	CLEANUP(SSL_CTX_free_p) SSL_CTX *context = NULL;
	CLEANUP(SSL_free_p) SSL *ssl = NULL;
	char *name = at->name ? arena_str(a, bytes_str(at->name)) : NULL; /* OpenSSL's macro wants what may be written to */

	enum err_code rc = open_connection(&l, e);
	CLEANUP(close_p) int fd = l.fd;
	TRY(rc);
	TRY(ask_for_tls(&l, e));
	context = make_context();
	ssl = context ? SSL_new(context) : NULL;
	if (!ssl || SSL_set_fd(ssl, fd) != 1 || (at->name && (!name || SSL_set_tlsext_host_name(ssl, name) != 1))) {
		ERR_clear_error();
		FAIL(e, NOMEM, "no memory for TLS");
	}
	TRY(shake(&l, ssl, e));
	rc = keep(a, &l, ssl, ret, e);
	(void)SSL_shutdown(ssl); /* close_notify, if the socket takes it; nobody waits for the server's */
	ERR_clear_error();
	return rc;
}
