#include "agent/name_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint16_t *port_of(struct sockaddr_storage *s)
{
	return s->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)(void *)s)->sin6_port : &((struct sockaddr_in *)(void *)s)->sin_port;
}

static const void *raw_of(const struct sockaddr_storage *s)
{
	return s->ss_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)s)->sin6_addr
					: (const void *)&((const struct sockaddr_in *)(const void *)s)->sin_addr;
}

void name_server_at(const struct sockaddr *address, socklen_t len, uint16_t port, struct name_server *ret)
{
	char text[INET6_ADDRSTRLEN] = "";
	bool six = address->sa_family == AF_INET6;

	*ret = (struct name_server){ .len = len };
	memcpy(&ret->address, address, len);
	*port_of(&ret->address) = htons(port);
	(void)inet_ntop(address->sa_family, raw_of(&ret->address), text, sizeof text);
	if (port == NAME_SERVER_PORT)
		(void)snprintf(ret->text, sizeof ret->text, "%s", text);
	else
		(void)snprintf(ret->text, sizeof ret->text, six ? "[%s]:%u" : "%s:%u", text, (unsigned)port);
}

/* The port behind the address, 0: none that is allowed. */
static long read_port(const char *text)
{
	size_t n = strlen(text);
	long port = n > 0 && n <= 5 && strspn(text, "0123456789") == n ? strtol(text, NULL, 10) : 0;

	return port <= 65535 ? port : 0;
}

enum err_code name_server_parse(const char *text, struct name_server *ret, struct err *e)
{
	const char *end = strchr(text, ']'), *colon = strchr(text, ':');
	bool bracketed = *text == '[' && end, single = colon && !strchr(colon + 1, ':');
	size_t n = bracketed ? (size_t)(end - text) - 1 : single ? (size_t)(colon - text) : strlen(text);
	const char *port_text = bracketed && end[1] ? end + 1 : !bracketed && single ? colon : NULL;
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	char host[64];

	(void)snprintf(host, sizeof host, "%.*s", (int)(n < sizeof host ? n : 0), text + bracketed);
	long port = !port_text ? NAME_SERVER_PORT : *port_text == ':' ? read_port(port_text + 1) : 0;
	errno = 0;
	if (port > 0 && inet_pton(AF_INET, host, &in.sin_addr) == 1)
		name_server_at((const struct sockaddr *)&in, sizeof in, (uint16_t)port, ret);
	else if (port > 0 && inet_pton(AF_INET6, host, &in6.sin6_addr) == 1)
		name_server_at((const struct sockaddr *)&in6, sizeof in6, (uint16_t)port, ret);
	else
		FAIL(e, CONFIG, "a resolver is written ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, not \"%.100s\"", text);
	return ERR_OK;
}
