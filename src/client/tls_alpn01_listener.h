/* tls-alpn-01 by a listener of our own (RFC 8737): speaks TLS with whoever asks for acme-tls/1 and for a name in its list, shows the certificate
 * that the challenge wants, and closes. Private to this room. */
#ifndef CHANCERY_CLIENT_TLS_ALPN01_LISTENER_H
#define CHANCERY_CLIENT_TLS_ALPN01_LISTENER_H

#include "acme/identifier.h"

#include <chancery/chancery.h>

struct tls_alpn01_listener;

#define TLS_ALPN01_NAME_SIZE (DNS_NAME_MAX + 1)
/* What a validator says as server_name: of an address, its reverse name (RFC 8738 §6). */
void tls_alpn01_server_name(const struct identifier *id, char out[TLS_ALPN01_NAME_SIZE]);

/* As http01_listener_new(). */
enum err_code tls_alpn01_listener_new(const char *address, uint16_t port, struct tls_alpn01_listener **ret, struct err *e) MUST_USE;
/* On sockets that listen already (IPv4, IPv6; -1: none), which stay the caller's. */
enum err_code tls_alpn01_listener_on(const int sockets[2], struct tls_alpn01_listener **ret, struct err *e) MUST_USE;
void tls_alpn01_listener_free(struct tls_alpn01_listener *l);
DEFINE_CLEANUP(struct tls_alpn01_listener *, tls_alpn01_listener_free);
uint16_t tls_alpn01_listener_port(const struct tls_alpn01_listener *l);
chancery_deploy_fn tls_alpn01_listener_deploy;
chancery_clean_up_fn tls_alpn01_listener_clean_up;
const char *tls_alpn01_listener_tell(void *context);

#endif
