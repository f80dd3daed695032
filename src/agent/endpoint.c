#include "agent/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *scheme;
	uint16_t port;
	enum endpoint_start start;
} schemes[] = {
	{ "tls", 443, ENDPOINT_TLS },
	{ "https", 443, ENDPOINT_TLS },
	{ "smtp", 25, ENDPOINT_SMTP },
	{ "submission", 587, ENDPOINT_SMTP },
	{ "smtps", 465, ENDPOINT_TLS },
	{ "imap", 143, ENDPOINT_IMAP },
	{ "imaps", 993, ENDPOINT_TLS },
	{ "pop3", 110, ENDPOINT_POP3 },
	{ "pop3s", 995, ENDPOINT_TLS },
};

static const char *const start_names[] = { "tls", "smtp", "imap", "pop3" };

const char *endpoint_start_name(enum endpoint_start s)
{
	return start_names[s];
}

bool endpoint_start_from_name(struct bytes name, enum endpoint_start *ret)
{
	for (size_t i = 0; i < sizeof start_names / sizeof *start_names; i++)
		if (bytes_eq_str(name, start_names[i])) {
			*ret = (enum endpoint_start)i;
			return true;
		}
	return false;
}

bool endpoint_is_address(const char *host)
{
	uint8_t out[16];

	return inet_pton(AF_INET, host, out) == 1 || inet_pton(AF_INET6, host, out) == 1;
}

static enum err_code take_scheme(struct bytes *text, struct endpoint *ret, struct err *e)
{
	size_t at = 0;

	while (at + 3 <= text->len && memcmp(text->ptr + at, "://", 3) != 0)
		at++;
	ret->port = 443;
	if (at + 3 > text->len)
		return ERR_OK;
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
		if (bytes_eq_str(bytes_slice(*text, 0, at), schemes[i].scheme)) {
			ret->port = schemes[i].port;
			ret->start = schemes[i].start;
			*text = bytes_slice(*text, at + 3, text->len);
			return ERR_OK;
		}
	FAIL(e, CONFIG, "%.200s: tls, https, smtp, submission, smtps, imap, imaps, pop3 and pop3s are known", ret->text);
}

static enum err_code take_port(struct arena *a, struct bytes text, struct endpoint *ret, struct err *e)
{
	const char *digits = arena_str(a, text);
	char *end = NULL;
	unsigned long port = digits ? strtoul(digits, &end, 10) : 0;

	errno = 0;
	if (!digits || !text.len || *end || digits[0] < '0' || digits[0] > '9' || port == 0 || port > 65535)
		FAIL(e, CONFIG, "%.200s: a port is a number from 1 to 65535", ret->text);
	ret->port = (uint16_t)port;
	return ERR_OK;
}

static enum err_code take_host(struct arena *a, struct bytes text, struct endpoint *ret, struct err *e)
{
	struct bytes host = text, port = BYTES_NONE, rest;

	if (text.len && text.ptr[0] == '[') {
		if (!bytes_split(bytes_slice(text, 1, text.len), ']', &host, &rest) || (rest.len && rest.ptr[0] != ':'))
			FAIL(e, CONFIG, "%.200s: an address in brackets, then : and a port", ret->text);
		if (rest.len)
			port = bytes_slice(rest, 1, rest.len);
	} else if (bytes_split(text, ':', &host, &rest)) {
		if (memchr(rest.ptr, ':', rest.len))
			FAIL(e, CONFIG, "%.200s: an IPv6 address stands in brackets", ret->text);
		port = rest;
	}
	if (port.ptr)
		TRY(take_port(a, port, ret, e));
	ret->host = arena_str(a, host);
	if (!ret->host || !host.len || strpbrk(ret->host, "[]"))
		FAIL(e, CONFIG, "%.200s: it names no host", ret->text);
	return ERR_OK;
}

enum err_code endpoint_parse(struct arena *a, const char *text, struct endpoint *ret, struct err *e)
{
	struct endpoint p = { .text = arena_str(a, bytes_str(text)) };
	struct bytes rest = bytes_str(text), host, name;

	errno = 0;
	if (!p.text)
		FAIL(e, NOMEM, "no memory for an endpoint");
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c > '~')
			FAIL(e, CONFIG, "an endpoint is [PROTOCOL://]HOST[:PORT][/NAME], in visible ASCII");
	TRY(take_scheme(&rest, &p, e));
	if (!bytes_split(rest, '/', &host, &name)) {
		host = rest;
		name = BYTES_NONE;
	}
	TRY(take_host(a, host, &p, e));
	if (name.len) {
		p.name = arena_str(a, name);
		if (!p.name || strchr(p.name, '/'))
			FAIL(e, CONFIG, "%.200s: behind the / stands the name that is asked for", p.text);
	} else if (!endpoint_is_address(p.host)) {
		p.name = p.host;
	}
	*ret = p;
	return ERR_OK;
}
