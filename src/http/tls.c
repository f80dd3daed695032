#include "http/tls.h"

#include "base/event.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum tls_list { TLS_GROUPS, TLS_SIGNATURES, TLS_SUITES13, TLS_CIPHERS12, TLS_LIST__MAX };

static const struct offer {
	enum tls_list list;
	const char *name;
	bool needed;
} offers[] = {
#define X(list, name, needed) { TLS_##list, (name), (needed) },
#include "http/tls.def"
#undef X
};

#define NAME_TEXT_MAX    64
#define LIST_TEXT_MAX    512
#define READ_AHEAD_UNTIL 0x30200000ul
#define CHAIN_CERTS_MAX  16

DEFINE_CLEANUP(SSL_CTX *, SSL_CTX_free);
DEFINE_CLEANUP(BIO *, BIO_free_all);
DEFINE_CLEANUP(X509 *, X509_free);
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free);

/* OpenSSL's reason for the log, and an empty queue for whoever comes next. */
static const char *openssl_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return reason ? reason : "no reason given";
}

/* A key behind a passphrase fails: nobody is asked on a terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *u)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)u;
	return -1;
}

static BIO *bio_of(struct bytes in)
{
	return in.len > 0 && in.len <= 1u << 20 ? BIO_new_mem_buf(in.ptr, (int)in.len) : NULL;
}

static enum err_code use_chain(SSL_CTX *ctx, struct bytes chain_pem, struct err *e)
{
	CLEANUP(BIO_free_all_p) BIO *bio = bio_of(chain_pem);

	errno = 0;
	for (unsigned n = 0; bio; n++) {
		CLEANUP(X509_free_p) X509 *cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		if (!cert && n > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
			ERR_clear_error();
			return ERR_OK;
		}
		if (!cert || n == CHAIN_CERTS_MAX)
			break;
		if (n == 0 ? SSL_CTX_use_certificate(ctx, cert) != 1 : SSL_CTX_add1_chain_cert(ctx, cert) != 1)
			break;
	}
	FAIL(e, CONFIG, "the TLS certificate chain cannot be used: %s", openssl_reason());
}

static enum err_code use_key(SSL_CTX *ctx, struct bytes key_pem, struct err *e)
{
	CLEANUP(BIO_free_all_p) BIO *bio = bio_of(key_pem);
	CLEANUP(EVP_PKEY_free_p) EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	errno = 0;
	if (!key)
		FAIL(e, CONFIG, "the TLS private key cannot be read: %s", openssl_reason());
	if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		FAIL(e, CONFIG, "the TLS private key is not the certificate's: %s", openssl_reason());
	return ERR_OK;
}

/* A client that offers protocols but not this one is told so (RFC 7301 §3.2) instead of being answered in the wrong one. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *ctx)
{
	static const char http11[] = "http/1.1";

	(void)ssl;
	(void)ctx;
	for (unsigned i = 0; i < in_len; i += 1u + in[i]) {
		if (in[i] != sizeof http11 - 1 || in_len - i <= in[i] || memcmp(in + i + 1, http11, in[i]) != 0)
			continue;
		*out = in + i + 1;
		*out_len = in[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* text: OpenSSL's macros want one that they could write to. */
static bool set_list(SSL_CTX *ctx, enum tls_list list, char *text)
{
	switch (list) {
	case TLS_GROUPS:
		return SSL_CTX_set1_groups_list(ctx, text) == 1;
	case TLS_SIGNATURES:
		return SSL_CTX_set1_sigalgs_list(ctx, text) == 1;
	case TLS_SUITES13:
		return SSL_CTX_set_ciphersuites(ctx, text) == 1;
	case TLS_CIPHERS12:
		return SSL_CTX_set_cipher_list(ctx, text) == 1;
	case TLS_LIST__MAX:
		break;
	}
	return false;
}

/* Each name is tried alone, as 3.0 refuses a whole list for one name that it does not know. */
static enum err_code offer_list(SSL_CTX *ctx, enum tls_list list, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(LIST_TEXT_MAX);
	char name[NAME_TEXT_MAX];

	for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
		if (offers[i].list != list)
			continue;
		(void)snprintf(name, sizeof name, "%s", offers[i].name);
		if (!set_list(ctx, list, name)) {
			if (offers[i].needed)
				FAIL(e, CRYPTO, "OpenSSL has no %s for TLS: %s", offers[i].name, openssl_reason());
			ERR_clear_error();
			continue;
		}
		buf_add_str(&text, text.len > 0 ? ":" : "");
		buf_add_str(&text, name);
	}
	buf_add_u8(&text, 0);
	if (!buf_ok(&text) || !set_list(ctx, list, (char *)text.ptr))
		FAIL(e, CRYPTO, "OpenSSL refuses our TLS settings: %s", openssl_reason());
	return ERR_OK;
}

enum err_code tls_context_new(struct bytes chain_pem, struct bytes key_pem, SSL_CTX **ret, struct err *e)
{
	CLEANUP(SSL_CTX_free_p) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	errno = 0;
	if (!ctx)
		FAIL(e, NOMEM, "no TLS context: %s", openssl_reason());
	/* Sessions are not resumed: a ticket costs 100 µs a connection, and few ACME clients come back soon. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
				     SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Without it, one call works as long as records of the handshake's kind (key updates) keep coming. */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	/* Since 3.2, what was read ahead of a change of keys is shown by nothing that can be asked: the rest of the request would wait for more. */
	SSL_CTX_set_read_ahead(ctx, OpenSSL_version_num() < READ_AHEAD_UNTIL);
	SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 || SSL_CTX_set_max_proto_version(ctx, 0) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, 0) != 1)
		FAIL(e, CRYPTO, "OpenSSL refuses our TLS settings: %s", openssl_reason());
	for (unsigned list = 0; list < TLS_LIST__MAX; list++)
		TRY(offer_list(ctx, (enum tls_list)list, e));
	TRY(use_chain(ctx, chain_pem, e));
	TRY(use_key(ctx, key_pem, e));
	*ret = TAKE(ctx);
	return ERR_OK;
}

SSL_CTX *tls_context_ref(SSL_CTX *ctx)
{
	if (ctx)
		SSL_CTX_up_ref(ctx);
	return ctx;
}

void tls_context_free(SSL_CTX *ctx)
{
	SSL_CTX_free(ctx);
}

bool transport_open(struct transport *t, int fd, SSL_CTX *ctx)
{
	*t = (struct transport){ .fd = fd };
	if (!ctx)
		return true;
	t->ssl = SSL_new(ctx);
	if (!t->ssl || SSL_set_fd(t->ssl, fd) != 1) {
		ERR_clear_error();
		transport_close(t, false);
		return false;
	}
	SSL_set_accept_state(t->ssl);
	return true;
}

/* What a failed call of OpenSSL's means. The queue was empty before the call, as SSL_get_error() demands. */
static enum io ssl_outcome(struct transport *t, int rc)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return IO_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return IO_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return IO_EOF;
	default:
		t->broken = true;
		return IO_ABORT;
	}
}

enum io transport_handshake(struct transport *t)
{
	static const char plain[] =
	    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 28\r\nConnection: close\r\n\r\n"
	    "This port speaks HTTPS only\n";

	ERR_clear_error();
	int rc = SSL_do_handshake(t->ssl);
	if (rc == 1)
		return IO_DONE;
	enum io io = ssl_outcome(t, rc);
	if (io != IO_ABORT)
		return io;
	/* A common mistake gets an answer that its maker can read. */
	if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_HTTP_REQUEST && send(t->fd, plain, sizeof plain - 1, MSG_NOSIGNAL) > 0)
		shutdown(t->fd, SHUT_WR);
	if (ERR_peek_last_error())
		event(EVENT_DEBUG, "http.handshake_failed", EVENT_STR("reason", openssl_reason()));
	return IO_ABORT;
}

static enum io socket_outcome(ssize_t rc, enum io wait, size_t *ret_n)
{
	if (rc > 0) {
		*ret_n = (size_t)rc;
		return IO_DONE;
	}
	if (rc == 0)
		return IO_EOF;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? wait : IO_ABORT;
}

enum io transport_read(struct transport *t, uint8_t *p, size_t n, size_t *ret_n)
{
	if (!t->ssl)
		return socket_outcome(recv(t->fd, p, n, 0), IO_WANT_READ, ret_n);
	ERR_clear_error();
	int rc = SSL_read_ex(t->ssl, p, n, ret_n);
	return rc == 1 ? IO_DONE : ssl_outcome(t, rc);
}

enum io transport_write(struct transport *t, struct bytes in, size_t *ret_n)
{
	if (!t->ssl)
		return socket_outcome(send(t->fd, in.ptr, in.len, MSG_NOSIGNAL), IO_WANT_WRITE, ret_n);
	ERR_clear_error();
	int rc = SSL_write_ex(t->ssl, in.ptr, in.len, ret_n);
	if (rc == 1)
		return IO_DONE;
	enum io io = ssl_outcome(t, rc);
	return io == IO_EOF ? IO_ABORT : io;
}

bool transport_pending(const struct transport *t)
{
	return t->ssl && SSL_has_pending(t->ssl);
}

enum io transport_shutdown(struct transport *t)
{
	if (!t->ssl || t->broken || !SSL_is_init_finished(t->ssl) || (SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN))
		return IO_DONE;
	ERR_clear_error();
	int rc = SSL_shutdown(t->ssl);
	if (rc >= 0) /* 0: sent, and the peer's not waited for, which RFC 8446 §6.1 allows */
		return IO_DONE;
	return ssl_outcome(t, rc) == IO_WANT_WRITE ? IO_WANT_WRITE : IO_DONE;
}

void transport_close(struct transport *t, bool reset)
{
	const struct linger now = { .l_onoff = 1 };

	if (t->ssl)
		SSL_free(t->ssl);
	t->ssl = NULL;
	if (t->fd < 0)
		return;
	if (reset)
		setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(t->fd);
	t->fd = -1;
}
