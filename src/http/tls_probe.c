#include "http/tls_probe.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CERTIFICATES_MAX 32768 /* bytes that the server may send of them */
#define KEY_MAX          1100  /* bytes of the certificate's key: RSA of 8192 bits has 1062 */
#define WHY_SIZE         160

/* No DHE: the server would choose how large a prime we reckon with. */
static const char ciphers[] = "DEFAULT:!kDHE";

struct tls_prober {
	struct event_base *base;
	SSL_CTX *context;
};

struct tls_probe {
	struct tls_prober *prober;
	int fd;
	SSL *ssl; /* NULL while it connects */
	char *name;
	unsigned char *offer; /* as ALPN writes it */
	size_t offer_len;
	struct event *event;
	int error;     /* of connect(), when it failed at once */
	bool huge_key; /* of the certificate: nothing was reckoned with it */
	char why[WHY_SIZE];
	tls_probe_done *done;
	void *ctx;
};

DEFINE_CLEANUP(X509 *, X509_free);

/* --- the prober --- */

/* Called with the server's certificate before any signature by its key is verified. Whose it is says nothing here: what it has to say is
 * judged by whoever asks. Only what would cost much is refused. */
static int look_at_key(X509_STORE_CTX *chain, void *ctx)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_probe *t = SSL_get_app_data(ssl);
	int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(X509_STORE_CTX_get0_cert(chain)), NULL);

	(void)ctx;
	t->huge_key = size < 0 || size > KEY_MAX;
	return !t->huge_key;
}

static bool set_up(SSL_CTX *c)
{
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/* One record at a time: what was read can be counted in between. */
	SSL_CTX_clear_mode(c, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_max_cert_list(c, CERTIFICATES_MAX);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(c, look_at_key, NULL);
	/* The machine's own configuration of OpenSSL may ask for more, of servers that are to be trusted. */
	SSL_CTX_set_security_level(c, 1);
	/* "ACME servers ... MUST only negotiate TLS 1.2 or higher when connecting to clients for validation." (RFC 8737 §4) */
	return SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 && SSL_CTX_set_max_proto_version(c, 0) == 1 &&
	       SSL_CTX_set_cipher_list(c, ciphers) == 1;
}

enum err_code tls_prober_new(struct event_base *base, struct tls_prober **ret, struct err *e)
{
	CLEANUP(tls_prober_free_p) struct tls_prober *p = calloc(1, sizeof *p);

	errno = 0;
	if (!p)
		FAIL(e, NOMEM, "no memory for TLS");
	p->base = base;
	p->context = SSL_CTX_new(TLS_client_method());
	if (!p->context || !set_up(p->context)) {
		ERR_clear_error();
		FAIL(e, CRYPTO, "OpenSSL refuses our TLS settings");
	}
	*ret = TAKE(p);
	return ERR_OK;
}

void tls_prober_free(struct tls_prober *p)
{
	if (!p)
		return;
	SSL_CTX_free(p->context);
	free(p);
}

/* --- one probe --- */

static void tls_probe_free(struct tls_probe *t)
{
	if (t->event)
		event_free(t->event);
	SSL_free(t->ssl);
	close_p(&t->fd);
	free(t->name);
	free(t->offer);
	free(t);
}
DEFINE_CLEANUP(struct tls_probe *, tls_probe_free);

void tls_probe_cancel(struct tls_probe *t)
{
	if (t)
		tls_probe_free(t);
}

bool tls_probe_connected(const struct tls_probe *t)
{
	return t->ssl != NULL;
}

static void end(struct tls_probe *t, const struct tls_probe_answer *a)
{
	t->done(t->ctx, a);
	tls_probe_free(t);
}

static void fail(struct tls_probe *t, enum tls_probe_end how, const char *why)
{
	struct tls_probe_answer a = { .end = how, .why = why, .certificate = BYTES_LIT("") };

	end(t, &a);
}

static void on_event(evutil_socket_t fd, short what, void *ctx);

/* To be called again when the socket is ready; false without memory. */
static bool wait_for(struct tls_probe *t, short what, const struct timeval *limit)
{
	if (t->event)
		event_free(t->event);
	t->event = event_new(t->prober->base, t->fd, what, on_event, t);
	return t->event && event_add(t->event, limit) == 0;
}

static void tell(struct tls_probe *t)
{
	CLEANUP(X509_free_p) X509 *x = SSL_get1_peer_certificate(t->ssl);
	struct tls_probe_answer a = { .end = TLS_PROBE_DONE, .certificate = BYTES_LIT("") };
	const unsigned char *taken = NULL;
	unsigned char *der = NULL;
	unsigned taken_len = 0;

	SSL_get0_alpn_selected(t->ssl, &taken, &taken_len);
	a.protocol_taken = taken_len + 1 == t->offer_len && memcmp(taken, t->offer + 1, taken_len) == 0;
	int len = x ? i2d_X509(x, &der) : 0;
	if (len > 0)
		a.certificate = (struct bytes){ der, (size_t)len };
	a.self_signed = x && X509_self_signed(x, 1) == 1;
	(void)SSL_shutdown(t->ssl); /* close_notify, if the socket takes it; nobody waits for the server's */
	ERR_clear_error();
	t->done(t->ctx, &a);
	OPENSSL_free(der);
	tls_probe_free(t);
}

static void handshake_failed(struct tls_probe *t, int kind, int sys)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	if (t->huge_key)
		reason = "the certificate's key is larger than RSA of 8192 bits";
	else if (!reason)
		reason = kind == SSL_ERROR_SYSCALL && sys ? strerror(sys) : "the server closed the connection";
	(void)snprintf(t->why, sizeof t->why, "%s", reason);
	ERR_clear_error();
	fail(t, TLS_PROBE_FAILED, t->why);
}

static void shake(struct tls_probe *t)
{
	ERR_clear_error();
	errno = 0;
	int rc = SSL_do_handshake(t->ssl), sys = errno;
	if (rc == 1) {
		tell(t);
		return;
	}
	int kind = SSL_get_error(t->ssl, rc);
	if (BIO_number_read(SSL_get_rbio(t->ssl)) > TLS_PROBE_READ_MAX)
		fail(t, TLS_PROBE_FAILED, "the server's side of it is too large");
	else if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE)
		handshake_failed(t, kind, sys);
	else if (!wait_for(t, kind == SSL_ERROR_WANT_READ ? EV_READ : EV_WRITE, NULL))
		fail(t, TLS_PROBE_OURS, "no memory for TLS");
}

static void begin_tls(struct tls_probe *t)
{
	t->ssl = SSL_new(t->prober->context);
	/* SSL_set_alpn_protos() is the one that returns 0 when all is well. */
	if (!t->ssl || SSL_set_fd(t->ssl, t->fd) != 1 || SSL_set_app_data(t->ssl, t) != 1 ||
	    SSL_set_tlsext_host_name(t->ssl, t->name) != 1 || SSL_set_alpn_protos(t->ssl, t->offer, (unsigned)t->offer_len) != 0) {
		ERR_clear_error();
		fail(t, TLS_PROBE_OURS, "no memory for TLS");
		return;
	}
	SSL_set_connect_state(t->ssl);
	shake(t);
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
	struct tls_probe *t = ctx;
	int sys = t->error;
	socklen_t len = sizeof sys;

	if (t->ssl) {
		shake(t);
		return;
	}
	if (!sys && !(what & EV_TIMEOUT) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &len) != 0)
		sys = errno;
	if (sys)
		fail(t, TLS_PROBE_NOT_CONNECTED, strerror(sys));
	else if (what & EV_TIMEOUT)
		fail(t, TLS_PROBE_NOT_CONNECTED, "no answer in time");
	else
		begin_tls(t);
}

/* What cannot even be tried fails later, from the loop, like all else. */
static enum err_code start_connect(struct tls_probe *t, const struct tls_probe_request *r, struct err *e)
{
	socklen_t size = r->to.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	struct timeval limit = { .tv_sec = r->connect_ms / 1000, .tv_usec = r->connect_ms % 1000 * 1000 }, now = { 0 };

	t->fd = socket(r->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->fd < 0 && errno != EAFNOSUPPORT)
		FAIL(e, IO, "no socket");
	if (t->fd < 0)
		t->error = errno;
	else if (connect(t->fd, (const struct sockaddr *)&r->to, size) != 0 && errno != EINPROGRESS)
		t->error = errno;
	if (!wait_for(t, (short)(t->error ? 0 : EV_WRITE), t->error ? &now : &limit))
		FAIL(e, NOMEM, "no memory for a TLS connection");
	return ERR_OK;
}

enum err_code tls_probe_start(
    struct tls_prober *p, const struct tls_probe_request *r, tls_probe_done *done, void *ctx, struct tls_probe **ret, struct err *e)
{
	CLEANUP(tls_probe_free_p) struct tls_probe *t = calloc(1, sizeof *t);
	size_t n = strlen(r->protocol);

	errno = 0;
	if (!t)
		FAIL(e, NOMEM, "no memory for a TLS connection");
	*t = (struct tls_probe){ .prober = p, .fd = -1, .done = done, .ctx = ctx, .name = strdup(r->name), .offer = malloc(n + 1) };
	if (!t->name || !t->offer)
		FAIL(e, NOMEM, "no memory for a TLS connection");
	t->offer_len = n + 1;
	t->offer[0] = (unsigned char)n;
	memcpy(t->offer + 1, r->protocol, n);
	TRY(start_connect(t, r, e));
	*ret = TAKE(t);
	return ERR_OK;
}
