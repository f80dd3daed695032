/* chancery-ca-validator: the process that asks applicants' hosts and DNS. What it sees it writes into receipts; it holds the
 * receipt key, and neither the database nor a CA key (DESIGN §2). One loop; the parent's channel here, all else in the library. */
#include "base/event.h"
#include "crypto/digest.h"
#include "server/child.h"
#include "server/validator/link.h"
#include "server/validator/validator.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#define FILES_WANTED 8192 /* each validation may hold two DNS sockets or one of HTTP, and has its CAA question beside it */

struct server {
	struct child child;
	struct event_base *base;
	struct link *parent;
	struct validator *validator;
};

static void stop(struct server *v)
{
	(void)event_base_loopbreak(v->base);
}

/* Settings that do not hold leave the old in force. */
static void on_settings(struct server *v, const struct message *m)
{
	struct err why = { 0 };

	enum err_code rc = child_settings(&v->child, m, &why);
	if (rc == ERR_OK)
		rc = validator_settings(v->validator, &v->child.settings, &why);
	struct err e = { 0 };
	rc = rc == ERR_OK ? child_ready(&v->child, &e) : child_keeps_settings(&v->child, &why, &e);
	if (rc != ERR_OK)
		event_error(EVENT_ERROR, "settings.not_answered", &e);
	link_watch(v->parent);
}

static void on_status(struct server *v, uint32_t id)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(message_rules[MESSAGE_VALIDATOR_STATUS].body_max);
	struct err e = { 0 };

	validator_status(v->validator, &out);
	if (link_send(v->parent, MESSAGE_VALIDATOR_STATUS, id, buf_bytes(&out), &e) != ERR_OK)
		event_error(EVENT_WARNING, "parent.send", &e);
}

static void on_peer(struct server *v, const struct message *m)
{
	if (m->body.len != 1 || m->body.ptr[0] != PROCESS_FRONT)
		close(m->fd);
	else
		validator_connect(v->validator, m->fd);
}

static void on_parent_message(void *ctx, const struct message *m)
{
	struct server *v = ctx;

	if (m->type == MESSAGE_SETTINGS_VALIDATOR)
		on_settings(v, m);
	else if (m->type == MESSAGE_STATUS_VALIDATOR)
		on_status(v, m->id);
	else if (m->type == MESSAGE_STOP_VALIDATOR)
		stop(v);
	else if (m->type == MESSAGE_PEER_VALIDATOR)
		on_peer(v, m);
	else if (m->fd >= 0)
		close(m->fd);
}

/* Without a parent there is nobody to serve. */
static void on_parent_closed(void *ctx, const struct err *why)
{
	if (why->code != ERR_CLOSED)
		event_error(EVENT_ERROR, "parent.channel", why);
	stop(ctx);
}

/* Everything that opens a file stands before the jail. */
static enum err_code start(struct server *v, struct err *e)
{
	struct identity identity;

	TRY(child_start(PROCESS_VALIDATOR, &v->child, e));
	child_raise_files(FILES_WANTED); /* with fewer, validations beyond them fail and are told so */
	v->base = event_base_new();
	if (!v->base)
		FAIL(e, NOMEM, "no memory for the event loop");
	TRY(identity_read(v->child.folder, &identity, e));
	enum err_code rc = validator_new(v->base, &identity, &v->child.settings, &v->validator, e);
	crypto_wipe(&identity, sizeof identity);
	TRY(rc);
	TRY(child_jail(&v->child, e));
	TRY(link_new(v->base, v->child.parent, on_parent_message, on_parent_closed, v, &v->parent, e));
	TRY(child_ready(&v->child, e));
	link_watch(v->parent);
	return ERR_OK;
}

int main(void)
{
	static struct server v;
	struct err e = { 0 };

	enum err_code rc = start(&v, &e);
	if (rc == ERR_OK && event_base_dispatch(v.base) < 0) {
		errno = 0;
		rc = err_set(&e, ERR_IO, __FILE__, __LINE__, "the event loop failed");
	}
	if (rc == ERR_OK)
		rc = validator_failure(v.validator, &e);
	if (rc != ERR_OK)
		child_failed(&v.child, &e);
	link_free(v.parent);
	validator_free(v.validator);
	if (v.base)
		event_base_free(v.base);
	child_free(&v.child);
	return rc == ERR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
