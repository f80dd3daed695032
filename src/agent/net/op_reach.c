/* Whether an answer to http-01 can be had the way that a CA comes: by the name's addresses, from this host. */
#include "agent/net/op.h"
#include "base/clock.h"
#include "client/http01_listener.h"
#include "os/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESSES_MAX 8
#define ONE_MS        5000
#define ANSWER_MAX    8192

struct reach_json {
	struct bytes name, token, text;
	struct json_uint port;
	struct json_bool own;
};
static const struct json_field fields[] = {
	JSON_FIELD(struct reach_json, name, "name", JSON_STRING, true, 255),
	JSON_FIELD(struct reach_json, token, "token", JSON_STRING, true, 255),
	JSON_FIELD(struct reach_json, text, "text", JSON_STRING, true, 512), /* what is to be answered */
	JSON_FIELD(struct reach_json, port, "port", JSON_UINT, true, 0),
	JSON_FIELD(struct reach_json, own, "own", JSON_BOOL, true, 0), /* by a listener on the sockets that were handed over */
};

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

static enum err_code connect_to(const struct addrinfo *to, int64_t deadline_ms, int *ret, struct err *e)
{
	CLEANUP(close_p) int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int sys = 0;
	socklen_t len = sizeof sys;

	if (fd < 0)
		FAIL(e, CONNECTION, "%s", strerror(errno));
	if (connect(fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS)
		FAIL(e, CONNECTION, "%s", strerror(errno));
	TRY(wait_fd(fd, true, deadline_ms, e));
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &len) != 0 || sys != 0)
		FAIL(e, CONNECTION, "%s", strerror(sys));
	*ret = fd;
	fd = -1;
	return ERR_OK;
}

static enum err_code try_address(struct arena *a, const struct reach_json *j, const struct addrinfo *to, const char *shown, struct err *e)
{
	CLEANUP(buf_free_p) struct buf answer = buf_new(ANSWER_MAX);
	int64_t deadline_ms = clock_monotonic_ms() + ONE_MS;
	CLEANUP(close_p) int fd = -1;
	struct err why = { 0 };

	const char *request = (const char *)arena_fmt(a,
	    "GET /.well-known/acme-challenge/%.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: chancery\r\nConnection: close\r\n\r\n",
	    BYTES_FMT(j->token), BYTES_FMT(j->name))
				  .ptr;
	errno = 0;
	if (!request)
		FAIL(e, NOMEM, "no memory");
	enum err_code rc = connect_to(to, deadline_ms, &fd, &why);
	if (rc == ERR_OK)
		rc = talk(fd, request, &answer, deadline_ms, &why);
	errno = 0;
	if (rc != ERR_OK)
		FAIL(e, CONNECTION, "%.*s leads to %s, where port %u does not answer: %.100s", BYTES_FMT(j->name), shown,
		    (unsigned)j->port.value, rc == ERR_TIMEOUT ? "no connection within 5 s" : why.detail);
	if (!memmem(answer.ptr, answer.len, j->text.ptr, j->text.len)) {
		struct bytes line = buf_bytes(&answer), rest;
		(void)bytes_split(buf_bytes(&answer), '\r', &line, &rest);
		FAIL(e, INCORRECT_RESPONSE, "%.*s leads to %s, where somebody else answers: \"%.60s\"", BYTES_FMT(j->name), shown,
		    (const char *)arena_fmt(a, "%.*s", (int)(line.len < 60 ? line.len : 60), line.ptr ? (const char *)line.ptr : "").ptr);
	}
	return ERR_OK;
}

static const char *address_text(struct arena *a, const struct addrinfo *at)
{
	char text[INET6_ADDRSTRLEN] = "";
	const void *from = at->ai_family == AF_INET ? (const void *)&((const struct sockaddr_in *)(const void *)at->ai_addr)->sin_addr
						    : (const void *)&((const struct sockaddr_in6 *)(const void *)at->ai_addr)->sin6_addr;

	(void)inet_ntop(at->ai_family, from, text, sizeof text);
	const char *copy = arena_str(a, bytes_str(text));
	return copy ? copy : "";
}

/* Every address: a CA may come to any of them. */
static enum err_code try_all(struct arena *a, const struct reach_json *j, struct json_out *answer, struct err *e)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	const char *name = arena_str(a, j->name);
	enum err_code rc = ERR_OK;
	char port[8];

	(void)snprintf(port, sizeof port, "%u", (unsigned)j->port.value % 65536);
	int failed = name ? getaddrinfo(name, port, &hints, &list) : EAI_MEMORY;
	errno = 0;
	if (failed)
		FAIL(e, DNS, "%.*s has no address in the DNS that this host asks: %s", BYTES_FMT(j->name), gai_strerror(failed));
	json_put_key(answer, "addresses");
	json_put_array(answer);
	for (const struct addrinfo *at = list; rc == ERR_OK && at; at = at->ai_next) {
		const char *shown = address_text(a, at);
		rc = try_address(a, j, at, shown, e);
		json_put_string(answer, bytes_str(shown));
	}
	json_end_array(answer);
	freeaddrinfo(list);
	return rc;
}

enum err_code op_reach(struct child *c, struct arena *a, struct bytes json, int *fd, struct json_out *answer, struct err *e)
{
	CLEANUP(http01_listener_free_p) struct http01_listener *listener = NULL;
	struct net_state *s = c->context;
	struct reach_json j = { .name = BYTES_NONE };

	(void)fd;
	TRY(json_read(a, json, "what is to be reached", fields, sizeof fields / sizeof *fields, &j, e));
	const struct chancery_challenge challenge = { .token = arena_str(a, j.token), .key_authorization = arena_str(a, j.text) };
	errno = 0;
	if (!challenge.token || !challenge.key_authorization)
		FAIL(e, NOMEM, "no memory");
	if (j.own.value) {
		TRY(http01_listener_on(s->sockets[CHALLENGE_TYPE_HTTP_01], &listener, e));
		if (http01_listener_deploy(listener, &challenge) != 0)
			FAIL(e, NOMEM, "no memory");
	}
	enum err_code rc = try_all(a, &j, answer, e);
	for (size_t f = 0; f < 2; f++) {
		close_p(&s->sockets[CHALLENGE_TYPE_HTTP_01][f]);
		s->sockets[CHALLENGE_TYPE_HTTP_01][f] = -1;
	}
	return rc;
}
