#include "client/http01_listener.h"

#include "client/listener.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWERS_MAX 100
#define REQUEST_MAX 4096
#define PATH        "/.well-known/acme-challenge/"

struct connection {
	bool answered; /* only waits for the other side's end, so that no reset eats the answer */
	size_t len;
	char in[REQUEST_MAX];
};

struct answer {
	char *token, *text;
};

struct http01_listener {
	struct listener *listener;
	atomic_uint asked, served;
	pthread_mutex_t lock; /* of the answers */
	struct answer answers[ANSWERS_MAX];
	size_t n_answers;
	char said[256];
};

/* --- the answers --- */

int http01_listener_deploy(void *context, const struct chancery_challenge *challenge)
{
	struct http01_listener *l = context;
	struct answer a = { strdup(challenge->token), strdup(challenge->key_authorization) };
	bool ok = a.token && a.text;

	pthread_mutex_lock(&l->lock);
	ok = ok && l->n_answers < ANSWERS_MAX;
	if (ok)
		l->answers[l->n_answers++] = a;
	pthread_mutex_unlock(&l->lock);
	if (ok)
		return 0;
	free(a.token);
	free(a.text);
	return -1;
}

void http01_listener_clean_up(void *context, const struct chancery_challenge *challenge)
{
	struct http01_listener *l = context;

	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->n_answers; i++)
		if (strcmp(l->answers[i].token, challenge->token) == 0) {
			free(l->answers[i].token);
			free(l->answers[i].text);
			l->answers[i] = l->answers[--l->n_answers];
			break;
		}
	pthread_mutex_unlock(&l->lock);
}

const char *http01_listener_tell(void *context)
{
	struct http01_listener *l = context;

	if (atomic_load(&l->served) > 0)
		return "";
	if (atomic_load(&l->asked) > 0)
		(void)snprintf(l->said, sizeof l->said, "requests reached the listener here, but none for this challenge");
	else
		(void)snprintf(l->said, sizeof l->said,
		    "no request reached the listener here on port %u: look where the name's DNS leads, at port forwarding "
		    "and at firewalls",
		    listener_port(l->listener));
	return l->said;
}

/* --- one connection --- */

/* The answer's text for a request line "GET /.well-known/acme-challenge/TOKEN HTTP/1.1" into out; false when there is none. */
static bool find_answer(struct http01_listener *l, const char *line, char *out, size_t size)
{
	static const char start[] = "GET " PATH;
	bool found = false;

	if (strncmp(line, start, sizeof start - 1) != 0)
		return false;
	const char *token = line + sizeof start - 1;
	size_t n = strcspn(token, " ?\r\n");
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->n_answers && !found; i++)
		if (strlen(l->answers[i].token) == n && strncmp(l->answers[i].token, token, n) == 0) {
			(void)snprintf(out, size, "%s", l->answers[i].text);
			found = true;
		}
	pthread_mutex_unlock(&l->lock);
	return found;
}

static void answer(struct http01_listener *l, struct connection *c, int fd)
{
	char text[512] = "there is no such challenge here\n", out[1024];
	bool found = find_answer(l, c->in, text, sizeof text);

	atomic_fetch_add(&l->asked, 1);
	if (found)
		atomic_fetch_add(&l->served, 1);
	int n = snprintf(out, sizeof out,
	    "HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
	    found ? "200 OK" : "404 Not Found", strlen(text), text);
	/* It fits into an empty socket's buffer; one that is full is no validator's. */
	(void)send(fd, out, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(fd, SHUT_WR);
	c->answered = true;
}

static bool serve(void *context, void *connection, int fd, short *events)
{
	struct http01_listener *l = context;
	struct connection *c = connection;
	char sink[1024];
	size_t room = sizeof c->in - 1 - c->len;
	ssize_t n = c->answered ? recv(fd, sink, sizeof sink, MSG_DONTWAIT) : recv(fd, c->in + c->len, room, MSG_DONTWAIT);

	(void)events;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	if (c->answered)
		return true;
	c->len += (size_t)n;
	c->in[c->len] = 0;
	if (strstr(c->in, "\r\n\r\n") || strstr(c->in, "\n\n"))
		answer(l, c, fd);
	return c->answered || c->len < sizeof c->in - 1;
}

/* --- life --- */

/* Takes the sockets over. */
static enum err_code start_on(struct listener **sockets, struct http01_listener **ret, struct err *e)
{
	static const struct listener_kind kind = { .size = sizeof(struct connection), .serve = serve };
	CLEANUP(http01_listener_free_p) struct http01_listener *l = calloc(1, sizeof *l);

	if (!l)
		FAIL(e, NOMEM, "no memory for a listener");
	(void)pthread_mutex_init(&l->lock, NULL);
	l->listener = TAKE(*sockets);
	TRY(listener_start(l->listener, &kind, l, e));
	*ret = TAKE(l);
	return ERR_OK;
}

enum err_code http01_listener_new(const char *address, uint16_t port, struct http01_listener **ret, struct err *e)
{
	CLEANUP(listener_free_p) struct listener *sockets = NULL;

	TRY(listener_new(address, port, &sockets, e));
	return start_on(&sockets, ret, e);
}

enum err_code http01_listener_on(const int sockets[2], struct http01_listener **ret, struct err *e)
{
	CLEANUP(listener_free_p) struct listener *l = NULL;

	TRY(listener_on(sockets, &l, e));
	return start_on(&l, ret, e);
}

void http01_listener_free(struct http01_listener *l)
{
	if (!l)
		return;
	listener_free(l->listener);
	for (size_t i = 0; i < l->n_answers; i++) {
		free(l->answers[i].token);
		free(l->answers[i].text);
	}
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}

uint16_t http01_listener_port(const struct http01_listener *l)
{
	return listener_port(l->listener);
}
