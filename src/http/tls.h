/* TLS as the server wants it, and one connected socket with or without it. The only file of the server that calls OpenSSL. */
#ifndef CHANCERY_HTTP_TLS_H
#define CHANCERY_HTTP_TLS_H

#include "base/err.h"

#include <openssl/types.h>

/* A server context for this identity; CONFIG when chain and key do not fit or cannot be read. Reference-counted by OpenSSL:
 * connections keep theirs when the server takes another. */
enum err_code tls_context_new(struct bytes chain_pem, struct bytes key_pem, SSL_CTX **ret, struct err *e) MUST_USE;
/* Another owner of it; NULL gives NULL. */
SSL_CTX *tls_context_ref(SSL_CTX *ctx) MUST_USE;
void tls_context_free(SSL_CTX *ctx);

/* ssl is NULL on a plain connection. broken: TLS failed, nothing more may be written through it. */
struct transport {
	int fd;
	SSL *ssl;
	bool broken;
};

enum io {
	IO_DONE,       /* some bytes went */
	IO_WANT_READ,  /* again when the socket is readable */
	IO_WANT_WRITE, /* again when it is writable */
	IO_EOF,        /* the peer ended its side in order (with TLS: close_notify) */
	IO_ABORT,      /* it is gone, or TLS failed */
};

/* Owns fd from here on; ctx NULL: plain. False without memory, and then fd is closed. */
bool transport_open(struct transport *t, int fd, SSL_CTX *ctx) MUST_USE;
enum io transport_handshake(struct transport *t) MUST_USE;
enum io transport_read(struct transport *t, uint8_t *p, size_t n, size_t *ret_n) MUST_USE;
/* With IO_WANT_WRITE the next write must begin with the same bytes. */
enum io transport_write(struct transport *t, struct bytes in, size_t *ret_n) MUST_USE;
/* Whether bytes that came are inside OpenSSL, where polling the socket does not see them. */
bool transport_pending(const struct transport *t);
/* Ends our side in order: close_notify. IO_DONE also where there is nothing to send it through. */
enum io transport_shutdown(struct transport *t) MUST_USE;
/* Frees and closes; with reset, what the peer has not taken yet is thrown away. Twice is harmless. */
void transport_close(struct transport *t, bool reset);

#endif
