/* A TLS server that gets and renews its own certificate: a thread keeps it by libchancery while others are served, and no connection notices the change.
 *
 *	cc server.c $(pkg-config --cflags --libs libchancery openssl) -pthread -o server
 *	./server https://ca.example.org/directory www.example.org 443 80 ACCOUNT-KEY-FILE [CA-FILE]
 *
 * The account's key is kept in its file; the certificate and its key are in memory alone: a new start gets new ones. */
#include <chancery/chancery.h>

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct site {
	const char *directory, *name, *account_file, *ca_file;
	uint16_t port, http_port;
	pthread_mutex_t lock; /* of current */
	SSL_CTX *current;     /* what new connections get; NULL: nothing yet */
};

/* --- the keeper's thread --- */

/* The account's key, made on first use. */
static struct chancery_key *account_key(const struct site *s)
{
	struct chancery_key *key = NULL;
	char text[8192], *pem;
	FILE *f = fopen(s->account_file, "r");
	size_t len = f ? fread(text, 1, sizeof text, f) : 0;

	if (f)
		(void)fclose(f);
	if (len > 0)
		return chancery_key_from_pem(text, len, &key) == CHANCERY_OK ? key : NULL;
	if (chancery_key_generate(CHANCERY_KEY_ECDSA_P256, &key) != CHANCERY_OK || chancery_key_to_pem(key, &pem, &len) != CHANCERY_OK)
		return key;
	(void)umask(077);
	if (!(f = fopen(s->account_file, "w")) || fwrite(pem, 1, len, f) != len || fclose(f) != 0)
		fprintf(stderr, "%s: cannot be written\n", s->account_file);
	chancery_secret_free(pem, len);
	return key;
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

/* From now on new connections get this one; those that are open keep theirs. */
static void serve_with(struct site *s, SSL_CTX *ctx)
{
	(void)pthread_mutex_lock(&s->lock);
	SSL_CTX *old = s->current;
	s->current = ctx;
	(void)pthread_mutex_unlock(&s->lock);
	SSL_CTX_free(old);
}

/* A new key and its certificate. Returns how many seconds they hold, or 0. */
static int64_t get_one(struct site *s, struct chancery_client *client)
{
	struct chancery_certificate *certificate = NULL;
	struct chancery_key *key = NULL;
	char *pem = NULL;
	size_t len = 0, chain_len;
	int64_t holds_s = 0;

	if (chancery_key_generate(CHANCERY_KEY_ECDSA_P256, &key) != CHANCERY_OK || chancery_key_to_pem(key, &pem, &len) != CHANCERY_OK)
		fprintf(stderr, "no memory\n");
	else if (chancery_client_issue(client, &s->name, 1, key, &certificate) != CHANCERY_OK)
		fprintf(stderr, "failed: %s\n", chancery_error_message(chancery_client_error(client)));
	else {
		const char *chain = chancery_certificate_fullchain(certificate, &chain_len);
		SSL_CTX *ctx = context_of(chain, chain_len, pem, len);
		holds_s = ctx ? chancery_certificate_not_after(certificate) - (int64_t)time(NULL) : 0;
		if (ctx)
			serve_with(s, ctx);
	}
	if (pem)
		chancery_secret_free(pem, len);
	chancery_certificate_free(certificate);
	chancery_key_free(key);
	return holds_s;
}

/* Gets one, sleeps two thirds of its life, and again; after a failure as long as the CA asks, or a minute. */
static void *keep(void *site)
{
	struct site *s = site;
	struct chancery_client *client = chancery_client_new(s->directory);
	struct chancery_key *account = account_key(s);

	if (!client || !account || chancery_client_set_account_key(client, account) != CHANCERY_OK ||
	    chancery_client_set_terms_agreed(client, 1) != CHANCERY_OK || chancery_client_set_ca_file(client, s->ca_file) != CHANCERY_OK ||
	    chancery_client_use_listener(client, NULL, s->http_port) != CHANCERY_OK) {
		fprintf(stderr, "failed: %s\n", chancery_error_message(client ? chancery_client_error(client) : NULL));
		exit(1);
	}
	chancery_key_free(account);
	for (;;) {
		int64_t holds_s = get_one(s, client);
		uint32_t asked_s = chancery_error_retry_after(chancery_client_error(client));
		(void)sleep(holds_s > 0 ? (unsigned)(holds_s / 3 * 2 + 1) : asked_s > 0 ? asked_s : 60);
	}
	return NULL;
}

/* --- the server --- */

static void serve_one(struct site *s, int fd)
{
	static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
	char request[1024];
	SSL *ssl = NULL;

	(void)pthread_mutex_lock(&s->lock);
	if (s->current)
		ssl = SSL_new(s->current); /* which holds the context by itself */
	(void)pthread_mutex_unlock(&s->lock);
	if (ssl && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof request) > 0) {
		(void)SSL_write(ssl, answer, (int)sizeof answer - 1);
		(void)SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	(void)close(fd);
}

static int listen_at(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	return bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 64) == 0 ? fd : -1;
}

int main(int argc, char **argv)
{
	pthread_t keeper;

	if (argc < 6) {
		fprintf(stderr, "usage: %s DIRECTORY-URL NAME PORT HTTP-PORT ACCOUNT-KEY-FILE [CA-FILE]\n", argv[0]);
		return 1;
	}
	struct site s = { .directory = argv[1],
		.name = argv[2],
		.port = (uint16_t)strtoul(argv[3], NULL, 10),
		.http_port = (uint16_t)strtoul(argv[4], NULL, 10),
		.account_file = argv[5],
		.ca_file = argc > 6 ? argv[6] : NULL,
		.lock = PTHREAD_MUTEX_INITIALIZER };
	struct timeval patience = { .tv_sec = 5 };
	int fd = listen_at(s.port), one;

	(void)signal(SIGPIPE, SIG_IGN);
	if (fd < 0 || pthread_create(&keeper, NULL, keep, &s) != 0) {
		perror(argv[3]);
		return 1;
	}
	while ((one = accept(fd, NULL, NULL)) >= 0) {
		(void)setsockopt(one, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		(void)setsockopt(one, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
		serve_one(&s, one);
	}
	return 1;
}
