#include "server/validator/link.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#define MESSAGES_A_TURN 64 /* then the other events of the loop have theirs */

struct link {
	struct channel *channel;
	struct event *readable, *writable;
	link_message *message;
	link_closed *closed;
	void *ctx;
};

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct link *l = ctx;
	struct message m;
	struct err e = { 0 };

	(void)fd;
	(void)what;
	for (int i = 0; i < MESSAGES_A_TURN; i++) {
		enum err_code rc = channel_receive(l->channel, &m, &e);
		if (rc == ERR_AGAIN)
			return;
		if (rc != ERR_OK) {
			l->closed(l->ctx, &e);
			return;
		}
		l->message(l->ctx, &m);
	}
	event_active(l->readable, EV_READ, 0); /* the channel may hold more than the descriptor shows */
}

void link_watch(struct link *l)
{
	if (channel_wants_write(l->channel))
		(void)event_add(l->writable, NULL);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct link *l = ctx;
	struct err e = { 0 };

	(void)fd;
	(void)what;
	if (channel_flush(l->channel, &e) == ERR_OK)
		link_watch(l);
	else
		l->closed(l->ctx, &e);
}

enum err_code link_new(
    struct event_base *base, struct channel *c, link_message *message, link_closed *closed, void *ctx, struct link **ret, struct err *e)
{
	CLEANUP(link_free_p) struct link *l = calloc(1, sizeof *l);

	errno = 0;
	if (!l)
		FAIL(e, NOMEM, "no memory for a channel");
	*l = (struct link){ .channel = c, .message = message, .closed = closed, .ctx = ctx };
	l->readable = event_new(base, channel_fd(c), EV_READ | EV_PERSIST, on_readable, l);
	l->writable = event_new(base, channel_fd(c), EV_WRITE, on_writable, l);
	if (!l->readable || !l->writable || event_add(l->readable, NULL) != 0)
		FAIL(e, NOMEM, "no memory for a channel");
	*ret = TAKE(l);
	return ERR_OK;
}

void link_free(struct link *l)
{
	if (!l)
		return;
	if (l->readable)
		event_free(l->readable);
	if (l->writable)
		event_free(l->writable);
	free(l);
}

enum err_code link_send(struct link *l, uint16_t type, uint32_t id, struct bytes body, struct err *e)
{
	enum err_code rc = channel_send(l->channel, type, id, body, e);

	link_watch(l);
	return rc;
}
