#include "http/server_testing.h"

#include "base/event.h"
#include "crypto/digest.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PARKED_MAX 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct http_request *parked[PARKED_MAX];
static unsigned n_parked, n_blocked;
static bool released;
static _Atomic unsigned errors;

void testing_sleep_ms(unsigned ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

unsigned testing_errors(void)
{
	return atomic_exchange(&errors, 0);
}

static void count_errors(void *ctx, enum event_level level, const char *name, const struct event_field *fields, size_t n_fields)
{
	(void)ctx;
	(void)fields;
	(void)n_fields;
	if (level == EVENT_ERROR) {
		fprintf(stderr, "event %s\n", name);
		atomic_fetch_add(&errors, 1);
	}
}

/* --- the handler --- */

static void answer_text(struct http_request *r, const char *type, struct bytes body)
{
	struct http_response res = { .status = 200, .content_type = type, .body = body };

	http_answer(r, &res);
}

static enum http_handled park(struct http_request *r)
{
	pthread_mutex_lock(&lock);
	parked[n_parked++] = r;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return HTTP_PARKED;
}

static void block(void)
{
	pthread_mutex_lock(&lock);
	n_blocked++;
	pthread_cond_broadcast(&changed);
	while (!released)
		pthread_cond_wait(&changed, &lock);
	n_blocked--;
	pthread_mutex_unlock(&lock);
}

static void about(struct http_request *r)
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, r->address, address, sizeof address);
	answer_text(r, "text/plain",
	    arena_fmt(r->arena, "%.*s|%.*s|%.*s|%.*s|%s|%zu", BYTES_FMT(r->method_name), BYTES_FMT(r->path), BYTES_FMT(r->query),
		BYTES_FMT(r->host), address, (size_t)(r->id != 0)));
}

static enum http_handled handler(struct http_request *r)
{
	bool slow = bytes_eq_str(r->path, "/block") || bytes_eq_str(r->path, "/where-slow");

	if (r->on_loop && slow)
		return HTTP_NOT_HERE;
	if (bytes_eq_str(r->path, "/park"))
		return park(r);
	if (bytes_eq_str(r->path, "/block"))
		block();
	if (bytes_eq_str(r->path, "/about")) {
		about(r);
	} else if (bytes_starts_with(r->path, BYTES_LIT("/where"))) {
		answer_text(r, "text/plain", r->on_loop ? BYTES_LIT("on the loop") : BYTES_LIT("on a worker"));
	} else if (bytes_eq_str(r->path, "/big")) {
		char *big = malloc(BIG_SIZE);
		memset(big, 'b', BIG_SIZE);
		answer_text(r, "text/plain", (struct bytes){ (const uint8_t *)big, BIG_SIZE });
		free(big);
	} else if (bytes_eq_str(r->path, "/bad")) {
		answer_text(r, "text/plain\r\nX: injected", BYTES_LIT("x"));
	} else {
		answer_text(r, "text/plain", r->body);
	}
	return HTTP_ANSWERED;
}

static void problem(void *ctx, int status, const char *detail, struct arena *a, struct http_response *ret)
{
	(void)ctx;
	ret->content_type = "application/problem+json";
	ret->body = arena_fmt(a, "{\"status\":%d,\"detail\":\"%s\"}", status, detail);
}

static void wait_count(const unsigned *count, unsigned n)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	pthread_mutex_lock(&lock);
	while (*count < n && rc == 0)
		rc = pthread_cond_timedwait(&changed, &lock, &until);
	bool reached = *count >= n;
	pthread_mutex_unlock(&lock);
	assert_true(reached);
}

void park_wait(unsigned n)
{
	wait_count(&n_parked, n);
}

void block_wait(unsigned n)
{
	wait_count(&n_blocked, n);
}

void park_answer(const char *body)
{
	pthread_mutex_lock(&lock);
	struct http_request *r = n_parked > 0 ? parked[0] : NULL;
	if (r)
		memmove(parked, parked + 1, --n_parked * sizeof *parked);
	pthread_mutex_unlock(&lock);
	assert_non_null(r);
	answer_text(r, "text/plain", bytes_str(body));
}

void block_release(void)
{
	pthread_mutex_lock(&lock);
	released = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

/* --- the server --- */

static char *bio_text(BIO *bio)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);
	char *copy = strndup(p, (size_t)n);

	BIO_free(bio);
	assert_non_null(copy);
	return copy;
}

void testing_identity(const char *name, char **ret_chain, char **ret_key)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	BIO *chain_pem = BIO_new(BIO_s_mem()), *key_pem = BIO_new(BIO_s_mem());

	assert_true(key && cert && chain_pem && key_pem);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(chain_pem, cert), 1);
	assert_int_equal(PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL), 1);
	*ret_chain = bio_text(chain_pem);
	*ret_key = bio_text(key_pem);
	X509_free(cert);
	EVP_PKEY_free(key);
}

void testing_set_tls(struct tested *t, const char *name)
{
	char *chain, *key;

	testing_identity(name, &chain, &key);
	assert_int_equal(http_server_set_tls(t->server, bytes_str(chain), bytes_str(key), NULL), ERR_OK);
	free(chain);
	free(key);
}

struct http_limits testing_limits(void)
{
	struct http_limits l = http_limits_default;

	l.workers = 2;
	return l;
}

static int listening(int *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 128) == 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

void tested_start(struct tested *t, const struct http_limits *limits)
{
	struct err e;

	signal(SIGPIPE, SIG_IGN); /* the clients' writes */
	crypto_init();
	event_set_sink(count_errors, NULL, EVENT_ERROR);
	n_parked = 0;
	n_blocked = 0;
	released = false;
	atomic_store(&errors, 0);
	assert_int_equal(http_server_new(limits, handler, problem, NULL, &t->server, &e), ERR_OK);
	testing_set_tls(t, "first");
	assert_int_equal(http_server_listen(t->server, listening(&t->plain), false, &e), ERR_OK);
	assert_int_equal(http_server_listen(t->server, listening(&t->tls), true, &e), ERR_OK);
	assert_int_equal(http_server_start(t->server, &e), ERR_OK);
}

static bool any_parked(void)
{
	pthread_mutex_lock(&lock);
	bool any = n_parked > 0;
	pthread_mutex_unlock(&lock);
	return any;
}

void tested_stop(struct tested *t)
{
	block_release();
	while (any_parked())
		park_answer("late");
	if (t->server)
		http_server_stop(t->server, 10000);
	t->server = NULL;
	assert_int_equal(testing_errors(), 0);
}

/* --- clients --- */

static void client_open(struct client *c, int port)
{
	const struct timeval patience = { .tv_sec = 20 };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;

	*c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM, 0), .in = calloc(1, CLIENT_ROOM) };
	assert_non_null(c->in);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&a, sizeof a), 0);
}

void client_plain(struct client *c, int port)
{
	client_open(c, port);
}

bool client_tls(struct client *c, int port, const char *alpn, int min_version, int max_version)
{
	client_open(c, port);
	c->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(c->ctx, 0);
	SSL_CTX_set_min_proto_version(c->ctx, min_version);
	SSL_CTX_set_max_proto_version(c->ctx, max_version);
	if (alpn)
		SSL_CTX_set_alpn_protos(c->ctx, (const unsigned char *)alpn, (unsigned)strlen(alpn));
	c->ssl = SSL_new(c->ctx);
	SSL_set_fd(c->ssl, c->fd);
	return SSL_connect(c->ssl) == 1;
}

bool client_try_send(struct client *c, const char *text)
{
	size_t len = strlen(text);

	if (c->ssl)
		return SSL_write(c->ssl, text, (int)len) == (int)len;
	return send(c->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

void client_send(struct client *c, const char *text)
{
	assert_true(client_try_send(c, text));
}

/* More into the buffer; the number of bytes, 0 at the end in order, -1 otherwise. */
static int client_fill(struct client *c)
{
	int n, room = (int)(CLIENT_ROOM - 1 - c->len);

	assert_true(room > 0);
	if (c->ssl) {
		n = SSL_read(c->ssl, c->in + c->len, room);
		if (n <= 0)
			n = SSL_get_error(c->ssl, n) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
	} else {
		n = (int)recv(c->fd, c->in + c->len, (size_t)room, 0);
	}
	if (n > 0)
		c->len += (size_t)n;
	c->in[c->len] = '\0';
	return n;
}

void client_receive(struct client *c, struct answer *ret, bool head_only)
{
	char *end;

	*ret = (struct answer){ 0 };
	while (!(end = strstr(c->in, "\r\n\r\n")))
		if (client_fill(c) <= 0)
			return;
	size_t head_len = (size_t)(end + 4 - c->in);
	assert_true(head_len < sizeof ret->head && strncmp(c->in, "HTTP/1.1 ", 9) == 0);
	memcpy(ret->head, c->in, head_len);
	const char *length = answer_field(ret, "Content-Length");
	ret->body_len = length && !head_only ? strtoul(length, NULL, 10) : 0;
	while (c->len < head_len + ret->body_len)
		if (client_fill(c) <= 0)
			return;
	ret->status = atoi(ret->head + 9);
	free(c->body);
	ret->body = c->body = malloc(ret->body_len + 1);
	assert_non_null(ret->body);
	memcpy(ret->body, c->in + head_len, ret->body_len);
	ret->body[ret->body_len] = '\0';
	c->len -= head_len + ret->body_len;
	memmove(c->in, c->in + head_len + ret->body_len, c->len + 1);
}

void client_ask(struct client *c, const char *text, struct answer *ret)
{
	client_send(c, text);
	client_receive(c, ret, false);
}

bool client_sees_end(struct client *c)
{
	return c->len == 0 && client_fill(c) == 0;
}

void client_close(struct client *c, bool rude)
{
	const struct linger now = { .l_onoff = 1 };

	if (c->ssl && !rude)
		SSL_shutdown(c->ssl);
	if (rude)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
	free(c->in);
	free(c->body);
}

const char *answer_field(const struct answer *a, const char *name)
{
	static _Thread_local char value[1024];
	size_t n = strlen(name);

	for (const char *p = strstr(a->head, "\r\n"); p; p = strstr(p + 2, "\r\n")) {
		if (strncasecmp(p + 2, name, n) != 0 || p[2 + n] != ':')
			continue;
		const char *from = p + 2 + n + 2, *to = strstr(from, "\r\n");
		snprintf(value, sizeof value, "%.*s", (int)(to - from), from);
		return value;
	}
	return NULL;
}
