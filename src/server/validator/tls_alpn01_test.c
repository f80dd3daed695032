/* tls-alpn-01 against TLS servers on the loopback, right, and wrong in each step of the handshake. What the certificate must say has its
 * cases in pki/alpn_cert_test.c. */
#include "base/codec.h"
#include "crypto/digest.h"
#include "server/validator/stub_http.h"
#include "server/validator/world.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	struct world w;
	struct world_control c;
	struct stub_http *server;
	const char *protocol; /* that the server chooses; NULL: it knows no ALPN */
	char sni[256];
	uint8_t seen[SHA256_SIZE]; /* SHA-256 of its certificate */
};

static void serve(struct stub_http *s, const char *request, void *ctx)
{
	(void)s;
	(void)request;
	(void)ctx;
}

static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *ctx)
{
	struct fixture *f = ctx;

	/* The only one that is offered (RFC 8737 §4). */
	if (in_len != 11 || memcmp(in, "\012acme-tls/1", 11) != 0)
		abort();
	(void)snprintf(f->sni, sizeof f->sni, "%s", SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
	if (!f->protocol)
		return SSL_TLSEXT_ERR_NOACK;
	if (!*f->protocol)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = (const unsigned char *)f->protocol;
	*out_len = (unsigned char)strlen(f->protocol);
	return SSL_TLSEXT_ERR_OK;
}

static void add_extension(X509 *x, const char *name, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf(NULL, NULL, name, value);

	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

/* signer: NULL for itself. */
static void give_certificate(struct fixture *f, const char *names, const char *signer)
{
	char digest[HEX_LEN(SHA256_SIZE) + 1], id[128];
	uint8_t raw[SHA256_SIZE], *der = NULL;
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	sha256_one(BYTES_LIT(WORLD_KEY_AUTH), raw);
	hex_encode(BYTES_ARRAY(raw), digest);
	(void)snprintf(id, sizeof id, "critical,DER:0420%s", digest);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	add_extension(x, "subjectAltName", names);
	add_extension(x, "1.3.6.1.5.5.7.1.31", id);
	X509_sign(x, signer ? other : key, EVP_sha256());
	int len = i2d_X509(x, &der);
	sha256_one((struct bytes){ der, (size_t)len }, f->seen);
	OPENSSL_free(der);
	assert_int_equal(SSL_CTX_use_certificate(stub_http_context(f->server), x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(stub_http_context(f->server), key), 1);
	X509_free(x);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

static void start_server(struct fixture *f, const char *address)
{
	f->server = stub_http_start(address, 1, serve, f);
	assert_non_null(f->server);
	SSL_CTX_set_alpn_select_cb(stub_http_context(f->server), choose, f);
	give_certificate(f, "DNS:host.test", NULL);
	f->w.policy->tls_port = stub_http_port(f->server);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	world_start(&f->w, 80, 20);
	f->c.arena = arena_new(4096, 1u << 20);
	f->protocol = "acme-tls/1";
	start_server(f, "127.0.0.1");
	stub_dns_address(f->w.dns, "host.test", "127.0.0.1");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	world_stop(&f->w);
	stub_http_stop(f->server);
	arena_free(f->c.arena);
	free(f);
	return 0;
}

static void is_for(struct fixture *f, struct identifier id, enum err_code code, const char *reason)
{
	if (world_control(&f->w, &f->c, CHALLENGE_TYPE_TLS_ALPN_01, id) != code || !strstr(f->c.result.why.detail, reason))
		fail_msg("%s: %s", err_name(f->c.result.why.code), f->c.result.why.detail);
}

static void is(struct fixture *f, enum err_code code, const char *reason)
{
	is_for(f, (struct identifier){ .value = BYTES_LIT("host.test") }, code, reason);
}

static struct identifier ip(const char *text)
{
	return (struct identifier){ IDENTIFIER_IP, bytes_str(text), false };
}

static void a_handshake_is_control(void **state)
{
	struct fixture *f = *state;

	is(f, ERR_OK, "");
	assert_string_equal(f->sni, "host.test");
	assert_memory_equal(f->c.result.seen, f->seen, SHA256_SIZE);
	assert_true(f->c.result.relaxed_address);
	assert_int_equal(f->c.result.dnssec, DNSSEC_OFF);
	/* No data of an application follows (RFC 8737 §3). */
	assert_int_equal(stub_http_received(f->server), 0);
}

static void tls_1_2_is_new_enough_and_1_1_is_not(void **state)
{
	struct fixture *f = *state;

	SSL_CTX_set_max_proto_version(stub_http_context(f->server), TLS1_2_VERSION);
	is(f, ERR_OK, "");
	SSL_CTX_set_security_level(stub_http_context(f->server), 0);
	SSL_CTX_set_max_proto_version(stub_http_context(f->server), TLS1_1_VERSION);
	is(f, ERR_TLS, "the TLS handshake (TLS 1.2 or newer, protocol acme-tls/1) failed: ");
	assert_non_null(strstr(f->c.result.why.detail, "protocol version"));
}

static void the_protocol_must_be_chosen(void **state)
{
	struct fixture *f = *state;

	f->protocol = NULL;
	is(f, ERR_INCORRECT_RESPONSE, "has not chosen the protocol acme-tls/1 by ALPN");
	f->protocol = "";
	is(f, ERR_TLS, "no application protocol");
	f->protocol = "acme-tls/2";
	assert_int_not_equal(
	    world_control(&f->w, &f->c, CHALLENGE_TYPE_TLS_ALPN_01, (struct identifier){ .value = BYTES_LIT("host.test") }), ERR_OK);
	f->protocol = "acme-tls/1";
	is(f, ERR_OK, "");
}

static void the_certificate_is_looked_at(void **state)
{
	struct fixture *f = *state;

	give_certificate(f, "DNS:other.test", NULL);
	is(f, ERR_INCORRECT_RESPONSE, "tls-alpn-01 for host.test (127.0.0.1 port ");
	assert_non_null(strstr(f->c.result.why.detail, "): the certificate is for \"other.test\""));
	give_certificate(f, "DNS:host.test", "other");
	is(f, ERR_INCORRECT_RESPONSE, "is not signed with its own key");
}

/* A public key of so many bits that nobody has the other half of: with RSA key exchange the server signs nothing. */
static EVP_PKEY *huge_key(int bits)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_new(), *e = BN_new();
	EVP_PKEY *key = NULL;

	BN_rand(n, bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD);
	BN_set_word(e, 65537);
	OSSL_PARAM_BLD_push_BN(b, "n", n);
	OSSL_PARAM_BLD_push_BN(b, "e", e);
	OSSL_PARAM_BLD_push_BN(b, "d", n);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
	assert_int_equal(EVP_PKEY_fromdata_init(c), 1);
	assert_int_equal(EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(c);
	BN_free(n);
	BN_free(e);
	return key;
}

static void give_huge_key(struct fixture *f, int bits)
{
	EVP_PKEY *key = huge_key(bits), *other = EVP_EC_gen("P-256");
	X509 *x = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_sign(x, other, EVP_sha256());
	assert_int_equal(SSL_CTX_use_certificate(stub_http_context(f->server), x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(stub_http_context(f->server), key), 1);
	X509_free(x);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

static void what_costs_much_is_refused(void **state)
{
	struct fixture *f = *state;
	SSL_CTX *c = stub_http_context(f->server);

	SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(c, "AES128-GCM-SHA256");
	give_huge_key(f, 8192);
	assert_int_not_equal(
	    world_control(&f->w, &f->c, CHALLENGE_TYPE_TLS_ALPN_01, (struct identifier){ .value = BYTES_LIT("host.test") }), ERR_OK);
	assert_null(strstr(f->c.result.why.detail, "larger than"));
	give_huge_key(f, 16384);
	is(f, ERR_TLS, "the certificate's key is larger than RSA of 8192 bits");
	give_certificate(f, "DNS:host.test", NULL);
	SSL_CTX_set_cipher_list(c, "DHE");
	SSL_CTX_set_dh_auto(c, 1);
	is(f, ERR_TLS, "handshake failure");
	SSL_CTX_set_cipher_list(c, "ECDHE");
	is(f, ERR_OK, "");
}

static void addresses_are_asked_for_by_their_reverse_names(void **state)
{
	struct fixture *f = *state;

	give_certificate(f, "IP:127.0.0.1", NULL);
	is_for(f, ip("127.0.0.1"), ERR_OK, "");
	assert_string_equal(f->sni, "1.0.0.127.in-addr.arpa");
	assert_int_equal(f->c.result.dnssec, DNSSEC_OFF);
	assert_true(f->c.result.relaxed_address);
	give_certificate(f, "DNS:1.0.0.127.in-addr.arpa", NULL);
	is_for(f, ip("127.0.0.1"), ERR_INCORRECT_RESPONSE, "the certificate is for \"1.0.0.127.in-addr.arpa\"");
	stub_http_stop(f->server);
	start_server(f, "::1");
	give_certificate(f, "IP:::1", NULL);
	is_for(f, ip("::1"), ERR_OK, "");
	assert_string_equal(f->sni, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa");
	assert_int_equal(stub_dns_asked(f->w.dns, "127.0.0.1", 0), 0);
}

static void special_addresses_are_never_connected_to(void **state)
{
	struct fixture *f = *state;

	f->w.policy->addresses.n_allowed = 0;
	is(f, ERR_REJECTED_IDENTIFIER, "127.0.0.1 is in 127.0.0.0/8, loopback");
	is_for(f, ip("127.0.0.1"), ERR_REJECTED_IDENTIFIER, "this CA does not connect to 127.0.0.1: it is in 127.0.0.0/8");
	is_for(f, ip("64:ff9b::7f00:1"), ERR_REJECTED_IDENTIFIER, "loopback");
	assert_int_equal(stub_http_connections(f->server), 0);
}

static void the_other_family_is_tried_once(void **state)
{
	struct fixture *f = *state;

	stub_dns_address(f->w.dns, "both.test", "::1"); /* nobody listens there */
	stub_dns_address(f->w.dns, "both.test", "127.0.0.1");
	give_certificate(f, "DNS:both.test", NULL);
	is_for(f, (struct identifier){ .value = BYTES_LIT("both.test") }, ERR_OK, "");
	f->w.policy->tls_port = stub_free_port();
	is_for(f, (struct identifier){ .value = BYTES_LIT("both.test") }, ERR_CONNECTION,
	    "cannot connect: Connection refused (and to ::1: Connection refused)");
}

static void dns_failures_are_told(void **state)
{
	struct fixture *f = *state;

	is_for(f, (struct identifier){ .value = BYTES_LIT("none.test") }, ERR_DNS,
	    "tls-alpn-01 for none.test: DNS: NXDOMAIN for A and AAAA of none.test");
}

static void plain_http(struct stub_http *s, const char *request, void *ctx)
{
	(void)request;
	(void)ctx;
	stub_http_answer(s, "200 OK", "", "no TLS here");
}

static void what_speaks_no_tls_is_told(void **state)
{
	struct fixture *f = *state;

	stub_http_stop(f->server);
	f->server = stub_http_start("127.0.0.1", 0, plain_http, f);
	f->w.policy->tls_port = stub_http_port(f->server);
	is(f, ERR_TLS, "failed: ");
}

/* A record of TLS as large as it goes, again and again: a server that never comes to an end of its hello. */
static void a_flood_is_cut_off(void **state)
{
	struct fixture *f = *state;
	int listener, fd;
	static uint8_t record[5 + 16384] = { 0x16, 3, 3, 0x40, 0 };

	record[5] = 2; /* ServerHello of 16 MiB less one byte */
	memset(record + 6, 0xff, 3);
	listener = stub_listen("127.0.0.1", &f->w.policy->tls_port);
	world_start_control(
	    &f->w, &f->c, CHALLENGE_TYPE_TLS_ALPN_01, (struct identifier){ .value = BYTES_LIT("host.test") }, WORLD_WAIT_MS);
	assert_false(world_run(&f->w, &f->c.done, 200));
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	for (int i = 0; i < 64 && !f->c.done; i++) {
		(void)!send(fd, record, sizeof record, MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)world_run(&f->w, &f->c.done, 5);
	}
	assert_true(world_run(&f->w, &f->c.done, WORLD_WAIT_MS));
	assert_int_equal(f->c.result.why.code, ERR_TLS);
	close(fd);
	close(listener);
}

static void one_that_takes_too_long_tells_where_it_stands(void **state)
{
	struct fixture *f = *state;
	int listener = stub_listen("127.0.0.1", &f->w.policy->tls_port);
	struct err e = { 0 };

	assert_true(listener >= 0);
	world_start_control(
	    &f->w, &f->c, CHALLENGE_TYPE_TLS_ALPN_01, (struct identifier){ .value = BYTES_LIT("host.test") }, WORLD_WAIT_MS);
	assert_false(world_run(&f->w, &f->c.done, 200));
	method_TLS_ALPN_01.late(f->c.method, &e);
	method_TLS_ALPN_01.cancel(f->c.method);
	assert_int_equal(e.code, ERR_TLS);
	assert_non_null(strstr(e.detail, "the TLS handshake takes too long"));
	stub_dns_behave(f->w.dns, "silent.test", 1, STUB_SILENT);
	world_start_control(
	    &f->w, &f->c, CHALLENGE_TYPE_TLS_ALPN_01, (struct identifier){ .value = BYTES_LIT("silent.test") }, WORLD_WAIT_MS);
	assert_false(world_run(&f->w, &f->c.done, 100));
	e = (struct err){ 0 };
	method_TLS_ALPN_01.late(f->c.method, &e);
	method_TLS_ALPN_01.cancel(f->c.method);
	assert_int_equal(e.code, ERR_DNS);
	close(listener);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_handshake_is_control),
		T(tls_1_2_is_new_enough_and_1_1_is_not),
		T(the_protocol_must_be_chosen),
		T(the_certificate_is_looked_at),
		T(what_costs_much_is_refused),
		T(addresses_are_asked_for_by_their_reverse_names),
		T(special_addresses_are_never_connected_to),
		T(the_other_family_is_tried_once),
		T(dns_failures_are_told),
		T(what_speaks_no_tls_is_told),
		T(a_flood_is_cut_off),
		T(one_that_takes_too_long_tells_where_it_stands),
	};

	crypto_init();
	signal(SIGPIPE, SIG_IGN); /* OpenSSL's writes */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
