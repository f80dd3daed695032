/* http-01 by a listener of our own (RFC 8555 §8.3): one thread that answers for the tokens in its list and for nothing else.
 * Private to this room. */
#ifndef CHANCERY_CLIENT_HTTP01_LISTENER_H
#define CHANCERY_CLIENT_HTTP01_LISTENER_H

#include "base/err.h"

#include <chancery/chancery.h>

struct http01_listener;

/* Listens from now on. address: numeric, NULL for all of both families; port 0: any (for tests). CONFIG: an address that is none, or
 * one that cannot be had; the detail says what to do. */
enum err_code http01_listener_new(const char *address, uint16_t port, struct http01_listener **ret, struct err *e) MUST_USE;
/* On sockets that listen already (IPv4, IPv6; -1: none), which stay the caller's. */
enum err_code http01_listener_on(const int sockets[2], struct http01_listener **ret, struct err *e) MUST_USE;
void http01_listener_free(struct http01_listener *l);
DEFINE_CLEANUP(struct http01_listener *, http01_listener_free);
uint16_t http01_listener_port(const struct http01_listener *l);
/* chancery_deploy_fn and chancery_clean_up_fn; the context is the listener. */
chancery_deploy_fn http01_listener_deploy;
chancery_clean_up_fn http01_listener_clean_up;
/* Whether anybody came. */
const char *http01_listener_tell(void *context);

#endif
