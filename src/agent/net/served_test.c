/* Looks at servers of this test's own: what they show, and how they can disappoint. */
#include "agent/net/served.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static EVP_PKEY *key;
static X509 *cert;

static int set_up(void **state)
{
	(void)state;
	key = EVP_EC_gen("P-256");
	cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	return X509_gmtime_adj(X509_getm_notBefore(cert), 0) && X509_gmtime_adj(X509_getm_notAfter(cert), 3600) &&
		       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"served.example", -1, -1, 0) &&
		       X509_set_issuer_name(cert, name) && X509_set_pubkey(cert, key) && X509_sign(cert, key, EVP_sha256())
		   ? 0
		   : -1;
}

static int tear_down(void **state)
{
	(void)state;
	X509_free(cert);
	EVP_PKEY_free(key);
	return 0;
}

static const char *wanted_name;

static int see_name(SSL *ssl, int *alert, void *ctx)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	(void)ctx;
	return name && strcmp(name, wanted_name) == 0 ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void speak_tls(int fd)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(c, cert);
	SSL_CTX_use_PrivateKey(c, key);
	if (wanted_name)
		SSL_CTX_set_tlsext_servername_callback(c, see_name);
	SSL *ssl = SSL_new(c);
	char byte;

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1)
		(void)SSL_read(ssl, &byte, 1);
	SSL_free(ssl);
	SSL_CTX_free(c);
}

/* A server for one connection: says each line; after one that is not the first it waits for a line before. "TLS": a handshake. "HANG": nothing more. */
static pid_t serve(const char *const *lines, char at[64], const char *scheme)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	(void)snprintf(at, 64, "%s127.0.0.1:%u/served.example", scheme, ntohs(a.sin_port));
	pid_t pid = fork();
	if (pid != 0) {
		close(fd);
		return pid;
	}
	int c = accept(fd, NULL, NULL);
	for (int i = 0; lines[i]; i++) {
		char asked[256];
		if (strcmp(lines[i], "TLS") == 0) {
			speak_tls(c);
			break;
		}
		if (strcmp(lines[i], "HANG") == 0)
			sleep(30);
		if (i > 0)
			(void)!read(c, asked, sizeof asked);
		(void)!write(c, lines[i], strlen(lines[i]));
	}
	close(c);
	_exit(0);
}

static void look(const char *const *lines, const char *scheme, uint32_t timeout_ms, enum err_code code, const char *why)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	struct endpoint at;
	struct served s = { .n = 0 };
	struct err e = { 0 };
	char text[64];
	int status;

	pid_t pid = serve(lines, text, scheme);
	assert_int_equal(endpoint_parse(a, text, &at, &e), ERR_OK);
	enum err_code rc = served_look(a, &at, timeout_ms, &s, &e);
	(void)kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (rc != code || (why && !strstr(e.detail, why)))
		fail_msg("%s: %d %s", text, rc, e.detail);
	if (rc != ERR_OK)
		return;
	unsigned char *der = NULL;
	int n = i2d_X509(cert, &der);
	assert_int_equal(s.n, 1);
	assert_true(bytes_eq(s.certificates[0], (struct bytes){ der, (size_t)n }));
	OPENSSL_free(der);
}

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void what_is_served(void **state)
{
	(void)state;
	wanted_name = "served.example";
	look(LINES("TLS"), "", 10000, ERR_OK, NULL);
	look(LINES("220-one\r\n220 two\r\n", "250-mail\r\n250-SIZE 1\r\n250 STARTTLS\r\n", "220 go on\r\n", "TLS"), "smtp://", 10000,
	    ERR_OK, NULL);
	look(LINES("* OK hello\r\n", "* CAPABILITY IMAP4rev1\r\na OK go on\r\n", "TLS"), "imap://", 10000, ERR_OK, NULL);
	look(LINES("+OK hello\r\n", "+OK go on\r\n", "TLS"), "pop3://", 10000, ERR_OK, NULL);
	wanted_name = "other.example";
	look(LINES("TLS"), "", 10000, ERR_TLS, "unrecognized name");
	wanted_name = NULL;
}

static void what_disappoints(void **state)
{
	int64_t begun_ms = clock_monotonic_ms();

	(void)state;
	look(LINES("HTTP/1.1 400 Bad Request\r\n\r\n"), "", 10000, ERR_TLS, "no TLS with 127.0.0.1");
	look(LINES("HANG"), "", 300, ERR_TIMEOUT, "handshake in time");
	look(LINES("HANG"), "smtp://", 300, ERR_TIMEOUT, "does not greet in time");
	look(LINES("554 go \033[31maway\r\n"), "smtp://", 10000, ERR_MALFORMED, "says \"554 go ?[31maway\"");
	look(
	    LINES("220 hello\r\n", "250 hello\r\n", "454 TLS not available\r\n"), "smtp://", 10000, ERR_MALFORMED, "454 TLS not available");
	look(LINES("* OK hello\r\n", "a BAD what\r\n"), "imap://", 10000, ERR_MALFORMED, "a BAD what");
	look(LINES("-ERR busy\r\n"), "pop3://", 10000, ERR_MALFORMED, "-ERR busy");
	look(LINES("+OK hello\r\n", "+OK go on\r\n+OK too early\r\n"), "pop3://", 10000, ERR_MALFORMED, "before TLS begins");
	look(LINES("220 hello\r\n"), "smtp://", 10000, ERR_CONNECTION, "closed the connection");
	assert_true(clock_monotonic_ms() - begun_ms < 20000);
}

static void a_line_without_end(void **state)
{
	char line[4096];

	(void)state;
	memset(line, 'a', sizeof line - 1);
	line[sizeof line - 1] = 0;
	look(LINES(line), "imap://", 10000, ERR_MALFORMED, "a line of more than 1024 characters");
	memcpy(line, "* OK", 4);
	look(LINES("220-x\r\n220-x\r\n220-x\r\n"), "smtp://", 10000, ERR_CONNECTION, "closed");
}

static void nobody_is_there(void **state)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	struct endpoint at;
	struct served s;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(endpoint_parse(a, "127.0.0.1:1", &at, NULL), ERR_OK);
	assert_int_equal(served_look(a, &at, 5000, &s, &e), ERR_CONNECTION);
	assert_non_null(strstr(e.detail, "127.0.0.1:1 cannot be connected to: Connection refused"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_served),
		cmocka_unit_test(what_disappoints),
		cmocka_unit_test(a_line_without_end),
		cmocka_unit_test(nobody_is_there),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
