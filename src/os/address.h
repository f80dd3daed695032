/* An address and a port as a person writes them: 192.0.2.1, 192.0.2.1:443, 2001:db8::1, [2001:db8::1] or [2001:db8::1]:443. */
#ifndef CHANCERY_OS_ADDRESS_H
#define CHANCERY_OS_ADDRESS_H

#include "base/bytes.h"
#include "base/err.h"

#include <sys/socket.h>

#define ADDRESS_DNS_PORT 53
#define ADDRESS_HOST_MAX 45 /* characters of an address: an IPv6 one with an IPv4 one at its end */

struct address {
	struct sockaddr_storage at;
	socklen_t len;
	char host[ADDRESS_HOST_MAX + 1]; /* as inet_ntop() writes it */
	uint16_t port;
	char text[ADDRESS_HOST_MAX + 9]; /* of both; without the port where it is the default */
};
/* default_port 0: the port has to be said, and so IPv6 be in brackets. CONFIG: what is wrong with it, and what is allowed. */
enum err_code address_parse(struct bytes text, uint16_t default_port, struct address *ret, struct err *e) MUST_USE;
/* raw: 4 or 16 bytes, as AF_INET or AF_INET6 has them. */
void address_from_raw(int family, const void *raw, uint16_t port, uint16_t default_port, struct address *ret);

/* The same of what has perhaps a name in the address's place: HOST and PORT (BYTES_NONE: it is not said). False: a bracket without its other one, or
 * something else than a port behind it. */
bool address_split(struct bytes text, struct bytes *ret_host, struct bytes *ret_port);
/* 1 to 65535, in digits alone; 0: it is none. */
uint16_t address_port(struct bytes text);

#endif
