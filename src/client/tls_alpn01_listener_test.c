/* The listener as a CA's validator meets it, with OpenSSL as the client. */
#include "client/tls_alpn01_listener.h"

#include "base/codec.h"
#include "crypto/digest.h"
#include "pki/alpn_cert.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY_AUTHORIZATION "token-1.thumb"
#define IPV6_NAME         "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"

static uint8_t digest[SHA256_SIZE];
static char digest_text[BASE64URL_LEN(SHA256_SIZE) + 1];

static int setup(void **state)
{
	struct tls_alpn01_listener *l;

	crypto_init();
	sha256_one(BYTES_LIT(KEY_AUTHORIZATION), digest);
	base64url_encode(BYTES_ARRAY(digest), digest_text);
	if (tls_alpn01_listener_new("127.0.0.1", 0, &l, NULL) != ERR_OK)
		return -1;
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	tls_alpn01_listener_free(*state);
	return 0;
}

static struct chancery_challenge challenge(const char *name)
{
	return (struct chancery_challenge){
		.type = "tls-alpn-01", .name = name, .token = name, .key_authorization = KEY_AUTHORIZATION, .digest = digest_text
	};
}

static int connected(const struct tls_alpn01_listener *l)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(tls_alpn01_listener_port(l))
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

/* The certificate's DER, into `out`; false: no handshake. */
static bool probe(const struct tls_alpn01_listener *l, const char *server_name, const char *protocol, struct buf *out)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	int fd = connected(l);
	unsigned char protocols[32];
	uint8_t *der = NULL;

	protocols[0] = (unsigned char)snprintf((char *)protocols + 1, sizeof protocols - 1, "%s", protocol);
	if (*protocol)
		assert_int_equal(SSL_set_alpn_protos(ssl, protocols, protocols[0] + 1u), 0);
	if (server_name)
		assert_int_equal(SSL_set_tlsext_host_name(ssl, (char *)(uintptr_t)server_name), 1);
	assert_int_equal(SSL_set_fd(ssl, fd), 1);
	bool shaken = SSL_connect(ssl) == 1;
	X509 *x = shaken ? SSL_get1_peer_certificate(ssl) : NULL;
	int n = x ? i2d_X509(x, &der) : 0;
	if (shaken) {
		char byte;
		*out = buf_new(16384);
		buf_add(out, (struct bytes){ der, (size_t)n });
		assert_true(SSL_read(ssl, &byte, 1) <= 0); /* nothing is said, and the connection ends */
		assert_int_equal(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN);
	}
	OPENSSL_free(der);
	X509_free(x);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	return shaken;
}

static void shows(const struct tls_alpn01_listener *l, const char *server_name, const struct san *name)
{
	struct buf der;
	struct err e = { 0 };

	assert_true(probe(l, server_name, "acme-tls/1", &der));
	if (alpn_cert_check(buf_bytes(&der), name, digest, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	buf_free(&der);
}

static bool refuses(const struct tls_alpn01_listener *l, const char *server_name, const char *protocol)
{
	struct buf der = buf_new(0);
	bool shaken = probe(l, server_name, protocol, &der);

	buf_free(&der);
	return !shaken;
}

static void shows_the_certificate_for_its_names_and_protocol_alone(void **state)
{
	static const uint8_t v4[] = { 192, 0, 2, 1 }, v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	struct tls_alpn01_listener *l = *state;
	struct chancery_challenge all[] = { challenge("www.example.org"), challenge("192.0.2.1"), challenge("2001:db8::1") };

	assert_true(refuses(l, "www.example.org", "acme-tls/1"));
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		assert_int_equal(tls_alpn01_listener_deploy(l, &all[i]), 0);
	shows(l, "www.example.org", &(struct san){ SAN_DNS, BYTES_LIT("www.example.org") });
	shows(l, "WWW.example.org", &(struct san){ SAN_DNS, BYTES_LIT("www.example.org") });
	shows(l, "1.2.0.192.in-addr.arpa", &(struct san){ SAN_IP, BYTES_ARRAY(v4) });
	shows(l, IPV6_NAME, &(struct san){ SAN_IP, BYTES_ARRAY(v6) });
	assert_true(refuses(l, "www.example.org", "http/1.1"));
	assert_true(refuses(l, "www.example.org", ""));
	assert_true(refuses(l, "example.org", "acme-tls/1"));
	assert_true(refuses(l, NULL, "acme-tls/1"));
	assert_string_equal(tls_alpn01_listener_tell(l), "");
	tls_alpn01_listener_clean_up(l, &all[0]);
	assert_true(refuses(l, "www.example.org", "acme-tls/1"));
	shows(l, "1.2.0.192.in-addr.arpa", &(struct san){ SAN_IP, BYTES_ARRAY(v4) });
}

static void tells_whether_anybody_came(void **state)
{
	struct tls_alpn01_listener *l = *state;

	assert_non_null(strstr(tls_alpn01_listener_tell(l), "no connection reached"));
	assert_true(refuses(l, "www.example.org", "acme-tls/1"));
	assert_non_null(strstr(tls_alpn01_listener_tell(l), "none asked for acme-tls/1"));
}

/* Connections that say nothing, and more of them than are kept. */
static void silence_does_not_shut_anybody_out(void **state)
{
	struct tls_alpn01_listener *l = *state;
	struct chancery_challenge c = challenge("www.example.org");
	int silent[100];

	assert_int_equal(tls_alpn01_listener_deploy(l, &c), 0);
	for (size_t i = 0; i < 100; i++)
		silent[i] = connected(l);
	shows(l, "www.example.org", &(struct san){ SAN_DNS, BYTES_LIT("www.example.org") });
	for (size_t i = 0; i < 100; i++)
		close(silent[i]);
}

static void what_is_no_challenge_is_refused(void **state)
{
	struct tls_alpn01_listener *l = *state;
	struct chancery_challenge no_name = challenge("not a name"), no_digest = challenge("www.example.org");

	no_digest.digest = "x";
	assert_int_not_equal(tls_alpn01_listener_deploy(l, &no_name), 0);
	assert_int_not_equal(tls_alpn01_listener_deploy(l, &no_digest), 0);
}

#define LISTENER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LISTENER(shows_the_certificate_for_its_names_and_protocol_alone),
		LISTENER(tells_whether_anybody_came),
		LISTENER(silence_does_not_shut_anybody_out),
		LISTENER(what_is_no_challenge_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
