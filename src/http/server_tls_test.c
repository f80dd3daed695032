/* The server by its wire: TLS. */
#include "http/server_testing.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: ca.example\r\n\r\n"

static struct tested t;

static int start(void **state)
{
	struct http_limits l = testing_limits();

	(void)state;
	tested_start(&t, &l);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	tested_stop(&t);
	return 0;
}

static void speaks_1_2_and_1_3(void **state)
{
	static const struct {
		int version;
		const char *name;
	} versions[] = { { TLS1_2_VERSION, "TLSv1.2" }, { TLS1_3_VERSION, "TLSv1.3" } };
	struct client c;
	struct answer a;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_true(client_tls(&c, t.tls, "\x02h2\x08http/1.1", versions[i].version, versions[i].version));
		assert_string_equal(SSL_get_version(c.ssl), versions[i].name);
		const unsigned char *alpn;
		unsigned alpn_len;
		SSL_get0_alpn_selected(c.ssl, &alpn, &alpn_len);
		assert_int_equal(alpn_len, 8);
		assert_memory_equal(alpn, "http/1.1", 8);
		for (int n = 0; n < 3; n++) {
			client_ask(&c, GET("/about"), &a);
			assert_int_equal(a.status, 200);
		}
		assert_int_equal(SSL_CIPHER_is_aead(SSL_get_current_cipher(c.ssl)), 1);
		assert_false(SSL_SESSION_is_resumable(SSL_get_session(c.ssl))); /* no session id, no ticket */
		client_ask(&c, "GET /about HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &a);
		assert_true(client_sees_end(&c));
		assert_true(SSL_get_shutdown(c.ssl) & SSL_RECEIVED_SHUTDOWN);
		client_close(&c, false);
	}
	assert_int_equal(http_server_counts(t.server).handshakes, 2);
}

static void refuses_old_versions(void **state)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION };
	struct client c;
	uint64_t before = http_server_counts(t.server).handshake_failures;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_false(client_tls(&c, t.tls, NULL, versions[i], versions[i]));
		client_close(&c, false);
	}
	WAIT_UNTIL(http_server_counts(t.server).handshake_failures == before + 2);
}

static void refuses_other_protocols(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	ERR_clear_error();
	assert_false(client_tls(&c, t.tls,
	    "\x02h2\x0a"
	    "acme-tls/1",
	    0, 0));
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
	ERR_clear_error();
	client_close(&c, false);
	assert_true(client_tls(&c, t.tls, NULL, 0, 0)); /* who does not speak of it means HTTP/1.1 */
	client_ask(&c, GET("/about"), &a);
	assert_int_equal(a.status, 200);
	client_close(&c, false);
}

static void does_not_renegotiate(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	assert_true(client_tls(&c, t.tls, NULL, TLS1_2_VERSION, TLS1_2_VERSION));
	client_ask(&c, GET("/about"), &a);
	assert_int_equal(SSL_renegotiate(c.ssl), 1);
	assert_int_not_equal(SSL_do_handshake(c.ssl), 1);
	ERR_clear_error();
	client_close(&c, true);
}

static void follows_key_updates(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	assert_true(client_tls(&c, t.tls, NULL, TLS1_3_VERSION, TLS1_3_VERSION));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(SSL_key_update(c.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		client_ask(&c, GET("/about"), &a);
		assert_int_equal(a.status, 200);
	}
	client_close(&c, false);
}

/* Thousands of them in a row neither stall the connection nor keep the loop from others. */
static void is_not_held_up_by_key_updates(void **state)
{
	struct client c, other;
	struct answer a;

	(void)state;
	assert_true(client_tls(&c, t.tls, NULL, TLS1_3_VERSION, TLS1_3_VERSION));
	for (int i = 0; i < 5000; i++) {
		assert_int_equal(SSL_key_update(c.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(c.ssl), 1);
		if (i % 1000 == 0) {
			assert_true(client_tls(&other, t.tls, NULL, 0, 0));
			client_ask(&other, GET("/about"), &a);
			assert_int_equal(a.status, 200);
			client_close(&other, false);
		}
	}
	client_ask(&c, GET("/about"), &a);
	assert_int_equal(a.status, 200);
	client_close(&c, false);
}

static void reads_what_openssl_holds(void **state)
{
	char *text = calloc(1, 60001);
	struct client c;
	struct answer a;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 60000);
	/* A request and the beginning of the next in one record, and bodies of many records: with read-ahead there is
	 * input that polling the socket does not show. */
	assert_true(client_tls(&c, t.tls, NULL, 0, 0));
	client_send(&c, GET("/about") GET("/about") "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nx");
	client_receive(&c, &a, false);
	client_receive(&c, &a, false);
	assert_int_equal(a.status, 200);
	text[59999] = '\0';
	client_ask(&c, text, &a);
	assert_int_equal(a.body_len, 60000);
	/* The same while one is parked and more is sent than is taken. */
	client_send(&c, GET("/park"));
	park_wait(1);
	for (int i = 0; i < 3; i++) {
		client_send(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 59999\r\n\r\n");
		client_send(&c, text);
	}
	park_answer("1");
	client_receive(&c, &a, false);
	assert_string_equal(a.body, "1");
	for (int i = 0; i < 3; i++) {
		client_receive(&c, &a, false);
		assert_int_equal(a.body_len, 59999);
	}
	client_send(&c, GET("/big"));
	testing_sleep_ms(50);
	client_receive(&c, &a, false);
	assert_int_equal(a.body_len, BIG_SIZE);
	client_close(&c, false);
	free(text);
}

/* With TLS an end without close_notify is no end in order (RFC 8446 §6.1): nobody waits for the answer. */
static void sees_a_cut_connection(void **state)
{
	struct client c;

	(void)state;
	WAIT_UNTIL(http_server_counts(t.server).open_now == 0);
	assert_true(client_tls(&c, t.tls, NULL, 0, 0));
	client_send(&c, GET("/park"));
	park_wait(1);
	shutdown(c.fd, SHUT_WR);
	assert_false(client_sees_end(&c));
	client_close(&c, true);
	assert_int_equal(http_server_counts(t.server).open_now, 1);
	park_answer("for nobody");
	WAIT_UNTIL(http_server_counts(t.server).open_now == 0);
	ERR_clear_error();
}

static void tells_plain_http(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	client_plain(&c, t.tls);
	client_ask(&c, GET("/about"), &a);
	assert_int_equal(a.status, 400);
	client_close(&c, false);
}

static void survives_garbage(void **state)
{
	struct client c;
	struct answer a;

	(void)state;
	client_plain(&c, t.tls);
	client_send(&c, "\x16\x03\x01\xff\xff\x01\x02\x03");
	client_close(&c, true);
	client_plain(&c, t.tls);
	client_send(&c, "\x80garbage of some other kind, and long enough to be looked at");
	client_receive(&c, &a, false);
	assert_int_equal(a.status, 0);
	client_close(&c, false);
	assert_true(client_tls(&c, t.tls, NULL, 0, 0));
	client_ask(&c, GET("/about"), &a);
	assert_int_equal(a.status, 200);
	client_close(&c, false);
}

static void assert_name(const struct client *c, const char *name)
{
	char got[64] = "";
	X509 *cert = SSL_get1_peer_certificate(c->ssl);

	assert_non_null(cert);
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, got, sizeof got);
	X509_free(cert);
	assert_string_equal(got, name);
}

static void takes_another_identity(void **state)
{
	struct client before, after;
	struct answer a;

	(void)state;
	assert_true(client_tls(&before, t.tls, NULL, 0, 0));
	assert_name(&before, "first");
	testing_set_tls(&t, "second");
	assert_true(client_tls(&after, t.tls, NULL, 0, 0));
	assert_name(&after, "second");
	client_ask(&before, GET("/about"), &a);
	assert_int_equal(a.status, 200);
	client_ask(&after, GET("/about"), &a);
	assert_int_equal(a.status, 200);
	client_close(&before, false);
	client_close(&after, false);
	testing_set_tls(&t, "first");
}

static enum err_code set_tls(const char *chain, const char *key)
{
	struct err e;

	return http_server_set_tls(t.server, bytes_str(chain), bytes_str(key), &e);
}

static void refuses_identities_that_do_not_fit(void **state)
{
	static const char locked[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhAAAAAAAAAAAIC\n"
				     "CAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAAAAAAAAAAAAAAAAAAAAAAEQAAA\n"
				     "-----END ENCRYPTED PRIVATE KEY-----\n";
	char *chain, *key, *other_chain, *other_key;
	struct client c;

	(void)state;
	testing_identity("a", &chain, &key);
	testing_identity("b", &other_chain, &other_key);
	assert_int_equal(set_tls(chain, other_key), ERR_CONFIG);
	assert_int_equal(set_tls("", key), ERR_CONFIG);
	assert_int_equal(set_tls(chain, ""), ERR_CONFIG);
	assert_int_equal(set_tls(key, chain), ERR_CONFIG);
	assert_int_equal(set_tls(chain, locked), ERR_CONFIG);
	char *both = calloc(1, strlen(chain) + strlen(other_chain) + 1);
	strcat(strcpy(both, chain), other_chain);
	assert_int_equal(set_tls(both, key), ERR_OK);
	both[strlen(both) - 60] = '!'; /* the second certificate is broken */
	assert_int_equal(set_tls(both, key), ERR_CONFIG);
	assert_true(client_tls(&c, t.tls, NULL, 0, 0)); /* the one before stays */
	assert_name(&c, "a");
	assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(c.ssl)), 2);
	client_close(&c, false);
	free(both);
	free(chain);
	free(key);
	free(other_chain);
	free(other_key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(speaks_1_2_and_1_3),
		cmocka_unit_test(refuses_old_versions),
		cmocka_unit_test(refuses_other_protocols),
		cmocka_unit_test(does_not_renegotiate),
		cmocka_unit_test(follows_key_updates),
		cmocka_unit_test(is_not_held_up_by_key_updates),
		cmocka_unit_test(reads_what_openssl_holds),
		cmocka_unit_test(sees_a_cut_connection),
		cmocka_unit_test(tells_plain_http),
		cmocka_unit_test(survives_garbage),
		cmocka_unit_test(takes_another_identity),
		cmocka_unit_test(refuses_identities_that_do_not_fit),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
