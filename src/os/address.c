#include "os/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

uint16_t address_port(struct bytes text)
{
	unsigned port = 0;

	if (text.len == 0 || text.len > 5)
		return 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return 0;
		port = port * 10 + (text.ptr[i] - '0');
	}
	return port <= 65535 ? (uint16_t)port : 0;
}

bool address_split(struct bytes text, struct bytes *ret_host, struct bytes *ret_port)
{
	struct bytes host = text, port = BYTES_NONE, head, tail;

	if (bytes_starts_with(text, BYTES_LIT("["))) {
		if (!bytes_split(bytes_slice(text, 1, text.len), ']', &host, &tail) || (tail.len > 0 && tail.ptr[0] != ':'))
			return false;
		if (tail.len > 0)
			port = bytes_slice(tail, 1, tail.len);
	} else if (bytes_split(text, ':', &head, &tail) && (tail.len == 0 || !memchr(tail.ptr, ':', tail.len))) {
		host = head;
		port = tail;
	}
	for (size_t i = 0; i < host.len; i++)
		if (host.ptr[i] == '[' || host.ptr[i] == ']')
			return false;
	*ret_host = host;
	*ret_port = port;
	return true;
}

void address_from_raw(int family, const void *raw, uint16_t port, uint16_t default_port, struct address *ret)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	*ret = (struct address){ .port = port };
	if (family == AF_INET6) {
		memcpy(&in6.sin6_addr, raw, sizeof in6.sin6_addr);
		memcpy(&ret->at, &in6, ret->len = sizeof in6);
	} else {
		memcpy(&in.sin_addr, raw, sizeof in.sin_addr);
		memcpy(&ret->at, &in, ret->len = sizeof in);
	}
	(void)inet_ntop(family, raw, ret->host, sizeof ret->host);
	if (port == default_port)
		(void)snprintf(ret->text, sizeof ret->text, "%s", ret->host);
	else
		(void)snprintf(ret->text, sizeof ret->text, family == AF_INET6 ? "[%s]:%u" : "%s:%u", ret->host, (unsigned)port);
}

/* What is allowed is told with each of its errors. */
static enum err_code refuse(struct bytes text, const char *why, uint16_t default_port, struct err *e)
{
	unsigned port = default_port ? default_port : 443;
	int n = (int)(text.len < 100 ? text.len : 100);

	errno = 0;
	FAIL(e, CONFIG, "\"%.*s\" %s: %s is allowed, as in %s192.0.2.1:%u or [2001:db8::1]:%u", n, (const char *)text.ptr, why,
	    default_port ? "ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT" : "ADDRESS:PORT or [ADDRESS]:PORT",
	    default_port ? "192.0.2.1, 2001:db8::1, " : "", port, port);
}

enum err_code address_parse(struct bytes text, uint16_t default_port, struct address *ret, struct err *e)
{
	struct bytes host, port_text;
	uint8_t raw[16];
	char name[ADDRESS_HOST_MAX + 1];

	if (!address_split(text, &host, &port_text))
		return refuse(text, "has a bracket that does not enclose its address alone", default_port, e);
	bool bracketed = host.ptr != text.ptr;
	bool fits = host.len < sizeof name && !memchr(host.ptr, 0, host.len);
	(void)snprintf(name, sizeof name, "%.*s", fits ? (int)host.len : 0, (const char *)host.ptr);
	int family = inet_pton(AF_INET6, name, raw) == 1 ? AF_INET6 : AF_INET;
	if (family == AF_INET && (bracketed || inet_pton(AF_INET, name, raw) != 1))
		return refuse(text, bracketed ? "has no IPv6 address in its brackets" : "has no IPv4 or IPv6 address", default_port, e);
	if (!port_text.ptr && default_port == 0)
		return refuse(text, "has no port", default_port, e);
	uint16_t port = port_text.ptr ? address_port(port_text) : default_port;
	if (port == 0)
		return refuse(text, "has no port from 1 to 65535", default_port, e);
	address_from_raw(family, raw, port, default_port, ret);
	return ERR_OK;
}
