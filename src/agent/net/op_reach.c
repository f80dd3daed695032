/* Whether an answer to http-01 or tls-alpn-01 can be had the way that a CA comes: by the name's addresses, from this host. */
#include "agent/net/dns_place.h"
#include "agent/net/op.h"
#include "base/clock.h"
#include "base/codec.h"
#include "client/http01_listener.h"
#include "client/tls_alpn01_listener.h"
#include "crypto/digest.h"
#include "os/process.h"
#include "pki/alpn_cert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESSES_MAX 16
#define ONE_MS        5000
#define ANSWER_MAX    8192

DEFINE_CLEANUP(SSL_CTX *, SSL_CTX_free);
DEFINE_CLEANUP(SSL *, SSL_free);
DEFINE_CLEANUP(X509 *, X509_free);

struct reach_json {
	struct bytes type, name, token, text;
	struct json_uint port;
	struct json_bool own;
	struct json_strings resolvers;
};
static const struct json_field fields[] = {
	JSON_FIELD(struct reach_json, type, "type", JSON_STRING, true, 32),
	JSON_FIELD(struct reach_json, name, "name", JSON_STRING, true, 255),
	JSON_FIELD(struct reach_json, token, "token", JSON_STRING, true, 255),
	JSON_FIELD(struct reach_json, text, "text", JSON_STRING, true, 512), /* the key authorization */
	JSON_FIELD(struct reach_json, port, "port", JSON_UINT, true, 0),
	JSON_FIELD(struct reach_json, own, "own", JSON_BOOL, true, 0), /* by a listener on the sockets that were handed over */
	JSON_FIELD(struct reach_json, resolvers, "resolvers", JSON_STRINGS, true, TALK_RESOLVERS_MAX), /* none: as the host finds names */
};

struct reach {
	struct arena *arena;
	const struct reach_json *j;
	enum challenge_type type;
	struct identifier id;
	uint8_t digest[SHA256_SIZE]; /* of the key authorization */
	struct address v[ADDRESSES_MAX];
	size_t n;
};

/* --- the addresses --- */

static void add_raw(struct reach *r, int family, const void *raw)
{
	if (r->n < ADDRESSES_MAX)
		address_from_raw(family, raw, (uint16_t)r->j->port.value, ADDRESS_DNS_PORT, &r->v[r->n++]);
}

static void add_address(struct reach *r, const struct sockaddr *from)
{
	if (from->sa_family == AF_INET)
		add_raw(r, AF_INET, &((const struct sockaddr_in *)(const void *)from)->sin_addr);
	else if (from->sa_family == AF_INET6)
		add_raw(r, AF_INET6, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr);
}

static enum err_code by_resolvers(struct reach *r, const char *name, struct err *e)
{
	const char *servers[TALK_RESOLVERS_MAX];
	struct address found[ADDRESSES_MAX];
	struct dns_resolver resolver;

	for (size_t i = 0; i < r->j->resolvers.n; i++)
		TRY(talk_text(r->arena, r->j->resolvers.v[i], &servers[i], e));
	TRY(dns_resolver_set(servers, r->j->resolvers.n, &resolver, e));
	size_t n = dns_addresses(&resolver, name, found, ADDRESSES_MAX);
	for (size_t i = 0; i < n; i++)
		add_address(r, (const struct sockaddr *)&found[i].at);
	errno = 0;
	if (n == 0)
		FAIL(e, DNS, "%.250s %s", name,
		    resolver.silent ? "is not known: the resolver does not answer" : "has no address in the DNS");
	return ERR_OK;
}

static enum err_code by_host(struct reach *r, const char *name, struct err *e)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int failed = getaddrinfo(name, NULL, &hints, &list);

	errno = 0;
	if (failed)
		FAIL(e, DNS, "%.250s has no address in the DNS that this host asks: %s", name, gai_strerror(failed));
	for (const struct addrinfo *at = list; at; at = at->ai_next)
		add_address(r, at->ai_addr);
	freeaddrinfo(list);
	return ERR_OK;
}

static enum err_code find_addresses(struct reach *r, struct err *e)
{
	const char *name = arena_str(r->arena, r->j->name);
	uint8_t raw[16];
	size_t n = identifier_ip_bytes(&r->id, raw);

	errno = 0;
	if (!name)
		FAIL(e, NOMEM, "no memory for a name");
	if (n > 0)
		add_raw(r, n == 4 ? AF_INET : AF_INET6, raw);
	else
		TRY(r->j->resolvers.n > 0 ? by_resolvers(r, name, e) : by_host(r, name, e));
	return ERR_OK;
}

/* --- one address --- */

static enum err_code connect_to(const struct address *to, int64_t deadline_ms, int *ret, struct err *e)
{
	CLEANUP(close_p) int fd = socket(to->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int sys = 0;
	socklen_t len = sizeof sys;

	if (fd < 0)
		FAIL(e, CONNECTION, "%s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&to->at, to->len) != 0 && errno != EINPROGRESS)
		FAIL(e, CONNECTION, "%s", strerror(errno));
	TRY(wait_fd(fd, true, deadline_ms, e));
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &len) != 0 || sys != 0)
		FAIL(e, CONNECTION, "%s", strerror(sys));
	*ret = fd;
	fd = -1;
	return ERR_OK;
}

/* One question, and all of the answer that there is room for. */
static enum err_code talk(int fd, const char *request, struct buf *answer, int64_t deadline_ms, struct err *e)
{
	uint8_t part[1024];
	ssize_t n = 1;

	if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
		FAIL(e, CONNECTION, "%s", strerror(errno));
	while (n > 0 && answer->len < ANSWER_MAX - sizeof part) {
		TRY(wait_fd(fd, false, deadline_ms, e));
		n = recv(fd, part, sizeof part, 0);
		if (n < 0 && errno == EAGAIN)
			n = 1;
		else if (n > 0)
			buf_add(answer, (struct bytes){ part, (size_t)n });
	}
	return ERR_OK;
}

/* INCORRECT_RESPONSE: not the answer; the detail is its first line. */
static enum err_code get(const struct reach *r, int fd, int64_t deadline_ms, struct err *e)
{
	CLEANUP(buf_free_p) struct buf answer = buf_new(ANSWER_MAX);
	bool ipv6 = memchr(r->j->name.ptr, ':', r->j->name.len);
	char line[61];

	const char *request = (const char *)arena_fmt(r->arena,
	    "GET /.well-known/acme-challenge/%.*s HTTP/1.1\r\nHost: %s%.*s%s\r\nUser-Agent: chancery\r\nConnection: close\r\n\r\n",
	    BYTES_FMT(r->j->token), ipv6 ? "[" : "", BYTES_FMT(r->j->name), ipv6 ? "]" : "")
				  .ptr;
	errno = 0;
	if (!request)
		FAIL(e, NOMEM, "no memory");
	TRY(talk(fd, request, &answer, deadline_ms, e));
	if (memmem(answer.ptr, answer.len, r->j->text.ptr, r->j->text.len))
		return ERR_OK;
	size_t n = 0;
	for (; n < answer.len && n + 1 < sizeof line && answer.ptr[n] != '\r' && answer.ptr[n] != '\n'; n++)
		line[n] = (char)(answer.ptr[n] >= ' ' && answer.ptr[n] < 127 ? answer.ptr[n] : '?');
	line[n] = 0;
	errno = 0;
	FAIL(e, INCORRECT_RESPONSE, "%s%s%s", n ? "\"" : "nothing", line, n ? "\"" : "");
}

static enum err_code shake(SSL *ssl, int fd, int64_t deadline_ms, struct err *e)
{
	for (;;) {
		ERR_clear_error();
		int rc = SSL_connect(ssl), kind = SSL_get_error(ssl, rc);
		if (rc == 1)
			return ERR_OK;
		if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
			TRY(wait_fd(fd, kind == SSL_ERROR_WANT_WRITE, deadline_ms, e));
			continue;
		}
		const char *reason = ERR_reason_error_string(ERR_peek_last_error());
		ERR_clear_error();
		errno = 0;
		FAIL(e, INCORRECT_RESPONSE, "%s", reason ? reason : "it closes the connection");
	}
}

/* As RFC 8737 §3 has a validator look. */
static enum err_code check_answer(const struct reach *r, SSL *ssl, struct err *e)
{
	CLEANUP(X509_free_p) X509 *x = SSL_get1_peer_certificate(ssl);
	const unsigned char *protocol;
	unsigned char *der = NULL;
	struct err why = { 0 };
	struct san san;
	unsigned n;

	SSL_get0_alpn_selected(ssl, &protocol, &n);
	int len = x ? i2d_X509(x, &der) : 0;
	struct bytes cert = len > 0 ? arena_copy(r->arena, (struct bytes){ der, (size_t)len }) : BYTES_NONE;
	OPENSSL_free(der);
	errno = 0;
	if (n != 10 || memcmp(protocol, "acme-tls/1", n) != 0)
		FAIL(e, INCORRECT_RESPONSE, "it does not speak acme-tls/1");
	TRY(identifier_san(r->arena, &r->id, &san, e));
	if (!cert.ptr || alpn_cert_check(cert, &san, r->digest, &why) != ERR_OK)
		FAIL(e, INCORRECT_RESPONSE, "it shows another certificate");
	return ERR_OK;
}

static enum err_code show(const struct reach *r, int fd, int64_t deadline_ms, struct err *e)
{
	static const unsigned char protocol[] = "\012acme-tls/1";
	CLEANUP(SSL_CTX_free_p) SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	CLEANUP(SSL_free_p) SSL *ssl = context ? SSL_new(context) : NULL;
	char name[TLS_ALPN01_NAME_SIZE];

	tls_alpn01_server_name(&r->id, name);
	errno = 0;
	if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_set_alpn_protos(ssl, protocol, sizeof protocol - 1) != 0 ||
	    SSL_set_tlsext_host_name(ssl, name) != 1) {
		ERR_clear_error();
		FAIL(e, NOMEM, "no memory for TLS");
	}
	SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
	TRY(shake(ssl, fd, deadline_ms, e));
	return check_answer(r, ssl, e);
}

static enum err_code try_address(const struct reach *r, const struct address *to, struct err *e)
{
	int64_t deadline_ms = clock_monotonic_ms() + ONE_MS;
	CLEANUP(close_p) int fd = -1;
	struct err why = { 0 };

	enum err_code rc = connect_to(to, deadline_ms, &fd, &why);
	if (rc == ERR_OK)
		rc = r->type == CHALLENGE_TYPE_HTTP_01 ? get(r, fd, deadline_ms, &why) : show(r, fd, deadline_ms, &why);
	errno = 0;
	if (rc == ERR_OK)
		return ERR_OK;
	if (rc == ERR_INCORRECT_RESPONSE)
		FAIL(e, INCORRECT_RESPONSE, "%.*s leads to %s, where somebody else answers at port %u: %.100s", BYTES_FMT(r->j->name),
		    to->host, (unsigned)r->j->port.value, why.detail);
	FAIL(e, CONNECTION, "%.*s leads to %s, where port %u does not answer: %.100s", BYTES_FMT(r->j->name), to->host,
	    (unsigned)r->j->port.value, rc == ERR_TIMEOUT ? "nothing came within 5 s" : why.detail);
}

/* --- all of them: a CA may come to any --- */

static enum err_code try_all(struct reach *r, struct json_out *answer, struct err *e)
{
	TRY(find_addresses(r, e));
	json_put_key(answer, "addresses");
	json_put_array(answer);
	for (size_t i = 0; i < r->n; i++) {
		TRY(try_address(r, &r->v[i], e));
		json_put_string(answer, bytes_str(r->v[i].host));
	}
	json_end_array(answer);
	return ERR_OK;
}

static enum err_code prepare(struct reach *r, struct err *e)
{
	if (identifier_parse(r->arena, BYTES_LIT("ip"), r->j->name, &r->id, NULL) != ERR_OK)
		TRY(identifier_parse(r->arena, BYTES_LIT("dns"), r->j->name, &r->id, e));
	sha256_one(r->j->text, r->digest);
	errno = 0;
	if (!challenge_type_from_name(r->j->type, &r->type) || r->type == CHALLENGE_TYPE_DNS_01)
		FAIL(e, MALFORMED, "no such type of challenge");
	return ERR_OK;
}

/* With a listener of ours, where one is wanted. */
static enum err_code run(const struct net_state *s, struct reach *r, struct json_out *answer, struct err *e)
{
	CLEANUP(http01_listener_free_p) struct http01_listener *http = NULL;
	CLEANUP(tls_alpn01_listener_free_p) struct tls_alpn01_listener *tls = NULL;
	char digest[BASE64URL_LEN(SHA256_SIZE) + 1];

	base64url_encode(BYTES_ARRAY(r->digest), digest);
	const struct chancery_challenge c = { .type = challenge_type_name(r->type),
		.name = arena_str(r->arena, r->j->name),
		.token = arena_str(r->arena, r->j->token),
		.key_authorization = arena_str(r->arena, r->j->text),
		.digest = digest };
	int failed = !c.name || !c.token || !c.key_authorization;
	if (r->j->own.value && r->type == CHALLENGE_TYPE_HTTP_01) {
		TRY(http01_listener_on(s->sockets[r->type], &http, e));
		failed = failed || http01_listener_deploy(http, &c) != 0;
	} else if (r->j->own.value) {
		TRY(tls_alpn01_listener_on(s->sockets[r->type], &tls, e));
		failed = failed || tls_alpn01_listener_deploy(tls, &c) != 0;
	}
	errno = 0;
	if (failed)
		FAIL(e, NOMEM, "no memory");
	return try_all(r, answer, e);
}

enum err_code op_reach(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	struct net_state *s = c->context;
	struct reach_json j = { .name = BYTES_NONE };
	struct reach r = { .arena = a, .j = &j };

	(void)fd;
	TRY(json_read(a, json, "what is to be reached", fields, sizeof fields / sizeof *fields, &j, e));
	TRY(prepare(&r, e));
	enum err_code rc = run(s, &r, answer, e);
	for (size_t f = 0; f < 2; f++) {
		close_p(&s->sockets[r.type][f]);
		s->sockets[r.type][f] = -1;
	}
	return rc;
}
