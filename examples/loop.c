/* A TLS server in one thread and one poll(), that gets and renews its own certificate without ever making a connection wait: libchancery event-driven.
 *
 *	cc loop.c $(pkg-config --cflags --libs libchancery openssl) -o loop
 *	./loop https://ca.example.org/directory www.example.org 443 80 ACCOUNT-KEY-FILE [CA-FILE]
 *
 * The CA's questions (http-01) are answered on the HTTP port by the same poll(). The account's key is kept in its file; the certificate and its key are in
 * memory alone: a new start gets new ones. */
#include <chancery/chancery.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define PATIENCE_S      5 /* of one connection */

struct connection {
	int fd;
	SSL *ssl; /* NULL: plain HTTP */
	char request[1024];
	size_t len;
	time_t until;
};

struct site {
	const char *name;
	SSL_CTX *current; /* what new connections get; NULL: nothing yet */
	/* What the CA may ask for */
	char token[256], key_authorization[512];
	/* What is on its way, and when the next begins */
	struct chancery_client *client;
	struct chancery_key *key; /* NULL: nothing is */
	time_t next;
	struct connection connections[CONNECTIONS_MAX];
	size_t n;
};

/* --- the certificate --- */

/* The account's key, made on first use. */
static struct chancery_key *account_key(const char *path)
{
	struct chancery_key *key = NULL;
	char text[8192], *pem;
	FILE *f = fopen(path, "r");
	size_t len = f ? fread(text, 1, sizeof text, f) : 0;

	if (f)
		(void)fclose(f);
	if (len > 0)
		return chancery_key_from_pem(text, len, &key) == CHANCERY_OK ? key : NULL;
	if (chancery_key_generate(CHANCERY_KEY_ECDSA_P256, &key) != CHANCERY_OK || chancery_key_to_pem(key, &pem, &len) != CHANCERY_OK)
		return key;
	(void)umask(077);
	if (!(f = fopen(path, "w")) || fwrite(pem, 1, len, f) != len || fclose(f) != 0)
		fprintf(stderr, "%s: cannot be written\n", path);
	chancery_secret_free(pem, len);
	return key;
}

static int deploy(void *site, const struct chancery_challenge *challenge)
{
	struct site *s = site;

	(void)snprintf(s->token, sizeof s->token, "%s", challenge->token);
	(void)snprintf(s->key_authorization, sizeof s->key_authorization, "%s", challenge->key_authorization);
	return 0; /* it is there: where that takes time, CHANCERY_LATER, and chancery_client_resolve() when it is */
}

static void clean_up(void *site, const struct chancery_challenge *challenge)
{
	struct site *s = site;

	(void)challenge;
	s->token[0] = 0;
}

/* Whole, or NULL: a chain and its key as OpenSSL serves them. */
static SSL_CTX *context_of(const char *chain, size_t chain_len, const char *key, size_t key_len)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	BIO *certs = BIO_new_mem_buf(chain, (int)chain_len), *secret = BIO_new_mem_buf(key, (int)key_len);
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(secret, NULL, NULL, NULL);
	X509 *cert = PEM_read_bio_X509(certs, NULL, NULL, NULL), *next;
	int good = ctx && pkey && cert && SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, pkey) == 1;

	while (good && (next = PEM_read_bio_X509(certs, NULL, NULL, NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
			X509_free(next);
			good = 0;
		}
	X509_free(cert);
	EVP_PKEY_free(pkey);
	BIO_free(certs);
	BIO_free(secret);
	if (good)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* From now on new connections get the new one; those that are open keep theirs. Returns how many seconds it holds, or 0. */
static int64_t take_over(struct site *s)
{
	struct chancery_certificate *certificate = NULL;
	char *pem = NULL;
	size_t len = 0, chain_len;
	SSL_CTX *ctx = NULL;
	int64_t holds_s = 0;

	if (chancery_client_take_certificate(s->client, &certificate) == CHANCERY_OK &&
	    chancery_key_to_pem(s->key, &pem, &len) == CHANCERY_OK) {
		const char *chain = chancery_certificate_fullchain(certificate, &chain_len);
		ctx = context_of(chain, chain_len, pem, len);
		holds_s = chancery_certificate_not_after(certificate) - (int64_t)time(NULL);
		chancery_secret_free(pem, len);
	}
	chancery_certificate_free(certificate);
	if (!ctx)
		return 0;
	SSL_CTX_free(s->current);
	s->current = ctx;
	return holds_s;
}

/* After two thirds of its life, or, after a failure, when the CA asks for it, or in a minute. */
static void plan_next(struct site *s, int64_t holds_s)
{
	uint32_t asked_s = chancery_error_retry_after(chancery_client_error(s->client));

	s->next = time(NULL) + (time_t)(holds_s > 0 ? holds_s / 3 * 2 + 1 : asked_s > 0 ? asked_s : 60);
	chancery_key_free(s->key);
	s->key = NULL;
}

static void tell_failure(const struct site *s)
{
	fprintf(stderr, "failed: %s\n", chancery_error_message(chancery_client_error(s->client)));
}

static void begin(struct site *s)
{
	if (chancery_key_generate(CHANCERY_KEY_ECDSA_P256, &s->key) == CHANCERY_OK &&
	    chancery_client_begin_issue(s->client, &s->name, 1, s->key) == CHANCERY_OK)
		return;
	tell_failure(s);
	plan_next(s, 0);
}

static void step(struct site *s)
{
	enum chancery_result rc = chancery_client_step(s->client);

	if (rc == CHANCERY_PENDING)
		return;
	if (rc != CHANCERY_OK)
		tell_failure(s);
	plan_next(s, rc == CHANCERY_OK ? take_over(s) : 0);
}

/* --- the connections --- */

/* What to poll for next; 0: it is done with. */
static short serve_tls(struct connection *c)
{
	static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
	int n = SSL_do_handshake(c->ssl);

	if (n == 1)
		n = SSL_read(c->ssl, c->request, sizeof c->request);
	if (n > 0) {
		(void)SSL_write(c->ssl, answer, (int)sizeof answer - 1); /* so little always fits */
		(void)SSL_shutdown(c->ssl);
		return 0;
	}
	switch (SSL_get_error(c->ssl, n)) {
	case SSL_ERROR_WANT_READ:
		return POLLIN;
	case SSL_ERROR_WANT_WRITE:
		return POLLOUT;
	default:
		return 0;
	}
}

static short serve_http(const struct site *s, struct connection *c)
{
	char line[512], answer[1024];
	ssize_t n = recv(c->fd, c->request + c->len, sizeof c->request - 1 - c->len, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN ? POLLIN : 0;
	c->len += (size_t)n;
	c->request[c->len] = 0;
	if (!strstr(c->request, "\r\n\r\n"))
		return c->len + 1 < sizeof c->request ? POLLIN : 0;
	(void)snprintf(line, sizeof line, "GET /.well-known/acme-challenge/%s HTTP/1.", s->token);
	if (s->token[0] && strncmp(c->request, line, strlen(line)) == 0)
		(void)snprintf(answer, sizeof answer, "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(s->key_authorization),
		    s->key_authorization);
	else
		(void)snprintf(answer, sizeof answer, "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	(void)send(c->fd, answer, strlen(answer), MSG_NOSIGNAL);
	return 0;
}

static void take_connection(struct site *s, int listener, int tls)
{
	int fd = accept(listener, NULL, NULL);
	struct connection *c = &s->connections[s->n];

	if (fd < 0)
		return;
	*c = (struct connection){ .fd = fd, .until = time(NULL) + PATIENCE_S };
	if (tls && s->current)
		c->ssl = SSL_new(s->current); /* which holds the context by itself */
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || (tls && (!c->ssl || SSL_set_fd(c->ssl, fd) != 1))) {
		SSL_free(c->ssl);
		(void)close(fd);
		return;
	}
	if (c->ssl)
		SSL_set_accept_state(c->ssl);
	s->n++;
}

static void drop_connection(struct site *s, size_t i)
{
	SSL_free(s->connections[i].ssl);
	(void)close(s->connections[i].fd);
	s->connections[i] = s->connections[--s->n];
}

static int listen_at(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 64) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
		return fd;
	perror(port);
	exit(1);
}

/* --- the loop --- */

enum { TLS_PORT, HTTP_PORT, CLIENT, FIXED };

static void turn(struct site *s, struct pollfd *polled)
{
	time_t now = time(NULL);

	for (size_t i = s->n; i-- > 0;) {
		struct connection *c = &s->connections[i];
		struct pollfd *p = &polled[FIXED + i];
		if (p->revents)
			p->events = c->ssl ? serve_tls(c) : serve_http(s, c);
		if (!p->events || now >= c->until) {
			drop_connection(s, i);
			*p = polled[FIXED + s->n];
		}
	}
	for (int port = TLS_PORT; port <= HTTP_PORT; port++)
		if ((polled[port].revents & POLLIN) && s->n < CONNECTIONS_MAX) {
			size_t before = s->n;
			take_connection(s, polled[port].fd, port == TLS_PORT);
			if (s->n > before)
				polled[FIXED + before] = (struct pollfd){ .fd = s->connections[before].fd, .events = POLLIN };
		}
	if (s->key && polled[CLIENT].revents)
		step(s);
	if (!s->key && time(NULL) >= s->next)
		begin(s);
}

static int set_up(struct site *s, const char *directory, const char *account_file, const char *ca_file)
{
	struct chancery_key *account = account_key(account_file);

	s->client = chancery_client_new(directory);
	if (!s->client || !account || chancery_client_set_account_key(s->client, account) != CHANCERY_OK ||
	    chancery_client_set_terms_agreed(s->client, 1) != CHANCERY_OK || chancery_client_set_ca_file(s->client, ca_file) != CHANCERY_OK ||
	    chancery_client_set_solver(s->client, "http-01", deploy, clean_up, s) != CHANCERY_OK) {
		fprintf(stderr, "failed: %s\n", chancery_error_message(s->client ? chancery_client_error(s->client) : NULL));
		return 0;
	}
	chancery_key_free(account);
	return 1;
}

int main(int argc, char **argv)
{
	static struct pollfd polled[FIXED + CONNECTIONS_MAX];
	static struct site s;

	if (argc < 6) {
		fprintf(stderr, "usage: %s DIRECTORY-URL NAME PORT HTTP-PORT ACCOUNT-KEY-FILE [CA-FILE]\n", argv[0]);
		return 1;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	s.name = argv[2];
	polled[TLS_PORT] = (struct pollfd){ .fd = listen_at(argv[3]), .events = POLLIN };
	polled[HTTP_PORT] = (struct pollfd){ .fd = listen_at(argv[4]), .events = POLLIN };
	if (!set_up(&s, argv[1], argv[5], argc > 6 ? argv[6] : NULL))
		return 1;
	polled[CLIENT] = (struct pollfd){ .fd = chancery_client_fd(s.client), .events = POLLIN };
	for (;;) {
		turn(&s, polled);
		if (poll(polled, FIXED + s.n, 1000) < 0 && errno != EINTR)
			return 1;
	}
}
