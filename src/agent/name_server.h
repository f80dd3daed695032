/* A name server by its address, as a person writes it: ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT. */
#ifndef CHANCERY_AGENT_NAME_SERVER_H
#define CHANCERY_AGENT_NAME_SERVER_H

#include "base/err.h"

#include <sys/socket.h>

#define NAME_SERVERS_MAX 8
#define NAME_SERVER_PORT 53

struct name_server {
	struct sockaddr_storage address;
	socklen_t len;
	char text[64]; /* the address, and the port where it is not 53 */
};
/* CONFIG with what is allowed. */
enum err_code name_server_parse(const char *text, struct name_server *ret, struct err *e) MUST_USE;
/* From an address of the DNS's, at a port. */
void name_server_at(const struct sockaddr *address, socklen_t len, uint16_t port, struct name_server *ret);

#endif
