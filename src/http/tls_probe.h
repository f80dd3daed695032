/* The handshake of a TLS client with one address, and what the server showed in it: all that tls-alpn-01 (RFC 8737) asks. No data of an
 * application is sent or read. On the loop; the asker watches the deadline. In a room of its own (`http_probe`), which nothing of the
 * server or client is linked with. */
#ifndef CHANCERY_HTTP_TLS_PROBE_H
#define CHANCERY_HTTP_TLS_PROBE_H

#include "base/err.h"

#include <sys/socket.h>

struct event_base;
struct tls_prober;
struct tls_probe;

#define TLS_PROBE_READ_MAX 65536 /* bytes of one handshake */

/* Loads what OpenSSL reads from files: before the jail. */
enum err_code tls_prober_new(struct event_base *base, struct tls_prober **ret, struct err *e) MUST_USE;
/* Every probe must have ended or been cancelled. */
void tls_prober_free(struct tls_prober *p);
DEFINE_CLEANUP(struct tls_prober *, tls_prober_free);

struct tls_probe_request {
	struct sockaddr_storage to; /* IPv4 or IPv6, with its port */
	const char *name;           /* for server_name (RFC 6066 §3) */
	const char *protocol;       /* the only one that ALPN offers (RFC 7301) */
	int64_t connect_ms;
};

enum tls_probe_end {
	TLS_PROBE_DONE,
	TLS_PROBE_NOT_CONNECTED, /* refused, unreachable, no answer in time: another address may do better */
	TLS_PROBE_FAILED,        /* connected, and no handshake of TLS 1.2 or newer */
	TLS_PROBE_OURS,          /* no memory */
};
struct tls_probe_answer {
	enum tls_probe_end end;
	const char *why;          /* when it is not DONE */
	bool protocol_taken;      /* exactly that protocol was negotiated */
	struct bytes certificate; /* DER of the server's own; empty: it sent none */
	bool self_signed;         /* with its own key, and its issuer is its subject */
};
/* Called once, later, from the loop, unless cancelled; the answer is gone after the call. */
typedef void tls_probe_done(void *ctx, const struct tls_probe_answer *answer);

/* Copies the request. */
enum err_code tls_probe_start(struct tls_prober *p, const struct tls_probe_request *r, tls_probe_done *done, void *ctx,
    struct tls_probe **ret, struct err *e) MUST_USE;
void tls_probe_cancel(struct tls_probe *t);
/* For one that takes too long: whether it hangs in the handshake, not in connecting. */
bool tls_probe_connected(const struct tls_probe *t);

#endif
