#include "client/tls_alpn01_listener.h"

#include "acme/identifier.h"
#include "base/codec.h"
#include "client/listener.h"
#include "crypto/digest.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERS_MAX 100
#define PROTOCOL \
	"\x0a"   \
	"acme-tls/1" /* RFC 8737 §6.2, with its length */
#define OID        "1.3.6.1.5.5.7.1.31"
#define LIFETIME_S (7 * 86400)

struct answer {
	char *token, server_name[TLS_ALPN01_NAME_SIZE];
	SSL_CTX *ctx; /* with the certificate */
};

struct connection {
	SSL *ssl;
	bool shown; /* only waits for the other side's end */
};

struct tls_alpn01_listener {
	struct listener *listener;
	SSL_CTX *ctx; /* before the name is known */
	EVP_PKEY *key;
	atomic_uint asked, served;
	pthread_mutex_t lock; /* of the answers */
	struct answer answers[ANSWERS_MAX];
	size_t n_answers;
	char said[256];
};

/* --- the certificate --- */

/* "an acmeIdentifier extension containing the SHA-256 digest of the key authorization", critical (RFC 8737 §3). */
static bool add_digest(X509 *x, const uint8_t digest[SHA256_SIZE])
{
	uint8_t der[2 + SHA256_SIZE] = { 0x04, SHA256_SIZE };
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *oid = OBJ_txt2obj(OID, 1);
	X509_EXTENSION *ext = NULL;

	memcpy(der + 2, digest, SHA256_SIZE);
	bool ok = value && oid && ASN1_OCTET_STRING_set(value, der, sizeof der) == 1 &&
		  (ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value)) && X509_add_ext(x, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	ASN1_OBJECT_free(oid);
	ASN1_OCTET_STRING_free(value);
	return ok;
}

static bool add_name(X509 *x, const struct identifier *id)
{
	char text[DNS_NAME_MAX + 16];

	(void)snprintf(text, sizeof text, "%s:%.*s", id->type == IDENTIFIER_IP ? "IP" : "DNS", BYTES_FMT(id->value));
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
	bool ok = ext && X509_add_ext(x, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static X509 *make_certificate(EVP_PKEY *key, const struct identifier *id, const uint8_t digest[SHA256_SIZE])
{
	X509 *x = X509_new();
	X509_NAME *name = x ? X509_get_subject_name(x) : NULL;
	uint64_t serial = 0;

	if (x && RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 && X509_set_version(x, X509_VERSION_3) == 1 &&
	    ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial | 1) == 1 &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"ACME challenge", -1, -1, 0) == 1 &&
	    X509_set_issuer_name(x, name) == 1 && X509_gmtime_adj(X509_getm_notBefore(x), -3600) &&
	    X509_gmtime_adj(X509_getm_notAfter(x), LIFETIME_S) && X509_set_pubkey(x, key) == 1 && add_name(x, id) &&
	    add_digest(x, digest) && X509_sign(x, key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	ERR_clear_error();
	return NULL;
}

/* --- the answers --- */

/* "1.2.0.192.in-addr.arpa", or of 32 nibbles (RFC 8738 §6). */
static void reverse_name(const struct identifier *id, char out[TLS_ALPN01_NAME_SIZE])
{
	uint8_t ip[16];
	size_t n = identifier_ip_bytes(id, ip), at = 0;

	for (size_t i = n; i-- > 0;)
		at += (size_t)(n == 4 ? snprintf(out + at, TLS_ALPN01_NAME_SIZE - at, "%u.", ip[i])
				      : snprintf(out + at, TLS_ALPN01_NAME_SIZE - at, "%x.%x.", ip[i] & 15u, ip[i] >> 4));
	(void)snprintf(out + at, TLS_ALPN01_NAME_SIZE - at, n == 4 ? "in-addr.arpa" : "ip6.arpa");
}

void tls_alpn01_server_name(const struct identifier *id, char out[TLS_ALPN01_NAME_SIZE])
{
	if (id->type == IDENTIFIER_IP)
		reverse_name(id, out);
	else
		(void)snprintf(out, TLS_ALPN01_NAME_SIZE, "%.*s", BYTES_FMT(id->value));
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *len, const unsigned char *in, unsigned in_len, void *arg)
{
	unsigned char *found = NULL;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&found, len, (const unsigned char *)PROTOCOL, sizeof PROTOCOL - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = found;
	return SSL_TLSEXT_ERR_OK;
}

/* Whoever asks for no protocol is no validator. */
static int need_protocol(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *out;
	size_t len;

	(void)arg;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &out, &len) == 1
		   ? SSL_CLIENT_HELLO_SUCCESS
		   : SSL_CLIENT_HELLO_ERROR;
}

static SSL_CTX *make_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx)
		return NULL;
	(void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	(void)SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	return ctx;
}

static bool fill(struct tls_alpn01_listener *l, const struct chancery_challenge *challenge, struct answer *a)
{
	CLEANUP(arena_free_p) struct arena *arena = arena_new(1024, 65536);
	uint8_t digest[SHA256_SIZE];
	struct identifier id;

	if (!arena || base64url_decode_fixed(bytes_str(challenge->digest), digest, sizeof digest, NULL) != ERR_OK)
		return false;
	if (identifier_parse(arena, BYTES_LIT("dns"), bytes_str(challenge->name), &id, NULL) != ERR_OK &&
	    identifier_parse(arena, BYTES_LIT("ip"), bytes_str(challenge->name), &id, NULL) != ERR_OK)
		return false;
	tls_alpn01_server_name(&id, a->server_name);
	X509 *x = make_certificate(l->key, &id, digest);
	a->token = strdup(challenge->token);
	a->ctx = make_ctx();
	bool ok = x && a->token && a->ctx && SSL_CTX_use_certificate(a->ctx, x) == 1 && SSL_CTX_use_PrivateKey(a->ctx, l->key) == 1;
	X509_free(x);
	return ok;
}

static void answer_free(struct answer *a)
{
	free(a->token);
	SSL_CTX_free(a->ctx);
	*a = (struct answer){ .token = NULL };
}

int tls_alpn01_listener_deploy(void *context, const struct chancery_challenge *challenge)
{
	struct tls_alpn01_listener *l = context;
	struct answer a = { .token = NULL };
	bool ok = fill(l, challenge, &a);

	pthread_mutex_lock(&l->lock);
	ok = ok && l->n_answers < ANSWERS_MAX;
	if (ok)
		l->answers[l->n_answers++] = a;
	pthread_mutex_unlock(&l->lock);
	if (ok)
		return 0;
	answer_free(&a);
	return -1;
}

void tls_alpn01_listener_clean_up(void *context, const struct chancery_challenge *challenge)
{
	struct tls_alpn01_listener *l = context;

	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->n_answers; i++)
		if (strcmp(l->answers[i].token, challenge->token) == 0) {
			answer_free(&l->answers[i]);
			l->answers[i] = l->answers[--l->n_answers];
			break;
		}
	pthread_mutex_unlock(&l->lock);
}

const char *tls_alpn01_listener_tell(void *context)
{
	struct tls_alpn01_listener *l = context;

	if (atomic_load(&l->served) > 0)
		return "";
	if (atomic_load(&l->asked) > 0)
		(void)snprintf(
		    l->said, sizeof l->said, "connections reached the listener here, but none asked for acme-tls/1 and this name");
	else
		(void)snprintf(l->said, sizeof l->said,
		    "no connection reached the listener here on port %u: look where the name's DNS leads, at port forwarding "
		    "and at firewalls",
		    listener_port(l->listener));
	return l->said;
}

/* --- one connection --- */

/* Before anything is answered: the name decides. */
static int choose_answer(SSL *ssl, int *alert, void *arg)
{
	struct tls_alpn01_listener *l = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	bool found = false;

	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; name && i < l->n_answers && !found; i++) {
		found = strcasecmp(l->answers[i].server_name, name) == 0;
		if (found)
			(void)SSL_set_SSL_CTX(ssl, l->answers[i].ctx);
	}
	pthread_mutex_unlock(&l->lock);
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	return found ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool begin(void *context, void *connection, int fd)
{
	struct tls_alpn01_listener *l = context;
	struct connection *c = connection;

	atomic_fetch_add(&l->asked, 1);
	c->ssl = SSL_new(l->ctx);
	if (!c->ssl || SSL_set_fd(c->ssl, fd) != 1) {
		SSL_free(c->ssl);
		return false;
	}
	SSL_set_accept_state(c->ssl);
	return true;
}

static bool serve(void *context, void *connection, int fd, short *events)
{
	struct tls_alpn01_listener *l = context;
	struct connection *c = connection;
	char sink[256];

	(void)fd;
	ERR_clear_error();
	int rc = c->shown ? SSL_read(c->ssl, sink, sizeof sink) : SSL_do_handshake(c->ssl);
	if (rc == 1 && !c->shown) {
		c->shown = true;
		atomic_fetch_add(&l->served, 1);
		(void)SSL_shutdown(c->ssl); /* "the server ... MUST NOT" say more: close_notify, and whoever asked ends it (RFC 8737 §3) */
		*events = POLLIN;
		return true;
	}
	int why = SSL_get_error(c->ssl, rc);
	*events = why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
	return rc > 0 || why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

static void end(void *context, void *connection)
{
	struct connection *c = connection;

	(void)context;
	SSL_free(c->ssl);
}

/* --- life --- */

/* Takes the sockets over. */
static enum err_code start_on(struct listener **sockets, struct tls_alpn01_listener **ret, struct err *e)
{
	static const struct listener_kind kind = { sizeof(struct connection), begin, serve, end };
	CLEANUP(tls_alpn01_listener_free_p) struct tls_alpn01_listener *l = calloc(1, sizeof *l);

	if (!l)
		FAIL(e, NOMEM, "no memory for a listener");
	(void)pthread_mutex_init(&l->lock, NULL);
	l->key = EVP_EC_gen("P-256");
	l->ctx = make_ctx();
	if (!l->key || !l->ctx)
		FAIL(e, CRYPTO, "no TLS for a listener");
	SSL_CTX_set_client_hello_cb(l->ctx, need_protocol, NULL);
	(void)SSL_CTX_set_tlsext_servername_callback(l->ctx, choose_answer);
	(void)SSL_CTX_set_tlsext_servername_arg(l->ctx, l);
	l->listener = TAKE(*sockets);
	TRY(listener_start(l->listener, &kind, l, e));
	*ret = TAKE(l);
	return ERR_OK;
}

enum err_code tls_alpn01_listener_new(const char *address, uint16_t port, struct tls_alpn01_listener **ret, struct err *e)
{
	CLEANUP(listener_free_p) struct listener *sockets = NULL;

	TRY(listener_new(address, port, &sockets, e));
	return start_on(&sockets, ret, e);
}

enum err_code tls_alpn01_listener_on(const int sockets[2], struct tls_alpn01_listener **ret, struct err *e)
{
	CLEANUP(listener_free_p) struct listener *l = NULL;

	TRY(listener_on(sockets, &l, e));
	return start_on(&l, ret, e);
}

void tls_alpn01_listener_free(struct tls_alpn01_listener *l)
{
	if (!l)
		return;
	listener_free(l->listener);
	for (size_t i = 0; i < l->n_answers; i++)
		answer_free(&l->answers[i]);
	SSL_CTX_free(l->ctx);
	EVP_PKEY_free(l->key);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}

uint16_t tls_alpn01_listener_port(const struct tls_alpn01_listener *l)
{
	return listener_port(l->listener);
}
