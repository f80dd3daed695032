/* A place where a certificate is served, as a person writes it: [PROTOCOL://]HOST[:PORT][/NAME].
 *
 *	example.org               TLS at port 443, asked for example.org
 *	127.0.0.1:8443/a.example  TLS there, asked for a.example
 *	smtp://mail.example.org   STARTTLS at port 25; imap:// at 143, pop3:// at 110; smtps://, imaps:// and pop3s:// are TLS at their ports */
#ifndef CHANCERY_AGENT_ENDPOINT_H
#define CHANCERY_AGENT_ENDPOINT_H

#include "base/arena.h"
#include "base/err.h"

/* How TLS begins: at once, or after a word of the protocol. */
enum endpoint_start { ENDPOINT_TLS, ENDPOINT_SMTP, ENDPOINT_IMAP, ENDPOINT_POP3 };

struct endpoint {
	const char *text; /* as it was written */
	const char *host; /* without brackets */
	uint16_t port;
	enum endpoint_start start;
	const char *name; /* for SNI; NULL: none was written, and the host is an address */
};
/* Strings are in the arena. CONFIG with what is wrong. */
enum err_code endpoint_parse(struct arena *a, const char *text, struct endpoint *ret, struct err *e) MUST_USE;
/* Whether a host, or what a certificate names, is an IP address and no name. */
bool endpoint_is_address(const char *host);
/* "tls", "smtp", "imap", "pop3" */
const char *endpoint_start_name(enum endpoint_start s);
bool endpoint_start_from_name(struct bytes name, enum endpoint_start *ret);

/* What is shown there. */
#define SERVED_CERTIFICATES_MAX 10
struct served {
	struct bytes certificates[SERVED_CERTIFICATES_MAX]; /* DER, the server's own first */
	size_t n;
};

#endif
