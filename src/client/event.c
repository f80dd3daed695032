/* Event-driven use: the engine runs in a fiber, which stops wherever it would wait or call the caller. What it stopped for is done here, on the stack of
 * whoever calls chancery_client_step(), and it goes on when that is settled. */
#include "base/clock.h"
#include "client/client_impl.h"
#include "client/fiber.h"
#include "http/client_async.h"

#include <stdio.h>
#include <stdlib.h>

enum want { WANT_NOTHING, WANT_ANSWER, WANT_TIME, WANT_CALL };

struct event {
	struct chancery_client *client;
	struct http_async *http;
	/* Of what runs */
	struct fiber *fiber; /* NULL: nothing runs */
	struct http_client *settings;
	struct arena *copies;
	struct operation op; /* what came of it stays here until it is taken */
	bool cancelled;
	/* What the fiber has stopped for, on its stack, and how that went */
	enum want want;
	struct arena *arena;
	const struct http_client_request *request;
	struct http_client_answer *answer;
	int64_t until_ms;
	const struct session_call *call;
	int *outcome;
	enum err_code rc;
	struct err *e;
	/* How far it is */
	bool sent, calling, later, resolved;
	int resolution;
};

/* --- in the fiber --- */

static enum err_code stop_for(struct event *v, enum want want, struct err *e)
{
	v->want = want;
	v->rc = ERR_OK;
	v->e = e;
	fiber_suspend(v->fiber);
	return v->rc;
}

static enum err_code cancelled(struct err *e)
{
	return err_set(e, ERR_CRYPTO, __FILE__, __LINE__, "cancelled");
}

static enum err_code exchange(
    void *ctx, struct arena *a, const struct http_client_request *r, struct http_client_answer *ret, struct err *e)
{
	struct event *v = ctx;

	if (v->cancelled)
		return cancelled(e);
	v->arena = a;
	v->request = r;
	v->answer = ret;
	return stop_for(v, WANT_ANSWER, e);
}

static enum err_code wait_until(void *ctx, int64_t until_ms, struct err *e)
{
	struct event *v = ctx;

	if (v->cancelled)
		return cancelled(e);
	v->until_ms = until_ms;
	return stop_for(v, WANT_TIME, e);
}

static enum err_code call(void *ctx, const struct session_call *c, int64_t until_ms, int *ret, struct err *e)
{
	struct event *v = ctx;

	if (v->cancelled && c->kind != SESSION_CALL_UNDO)
		return cancelled(e);
	v->call = c;
	v->until_ms = until_ms;
	v->outcome = ret;
	return stop_for(v, WANT_CALL, e);
}

static void run(void *arg)
{
	struct event *v = arg;
	const struct session_io io = { .ctx = v, .exchange = exchange, .wait = wait_until, .call = call };

	operation_do(v->client, &io, &v->op);
}

/* --- outside: whether what it stopped for is settled --- */

static bool answer_is_there(struct event *v)
{
	if (!v->sent) {
		v->rc = http_async_begin(v->http, v->settings, v->arena, v->request, v->e);
		v->sent = v->rc == ERR_OK;
		if (!v->sent)
			return true;
	}
	if (!http_async_step(v->http))
		return false;
	v->rc = http_async_take(v->http, v->answer, v->e);
	v->sent = false;
	return true;
}

static void make_call(struct event *v)
{
	v->resolved = false;
	v->calling = true;
	*v->outcome = v->call->f(v->call->arg);
	v->calling = false;
	v->later = v->call->kind == SESSION_CALL_ASK && *v->outcome == CHANCERY_LATER;
}

static bool call_is_over(struct event *v)
{
	if (!v->later)
		make_call(v);
	if (v->later && v->resolved)
		*v->outcome = v->resolution;
	else if (v->later && clock_monotonic_ms() >= v->until_ms)
		v->rc = err_set(v->e, ERR_TIMEOUT, __FILE__, __LINE__, "the outcome that was to come later did not come");
	else if (v->later)
		return false;
	v->later = false;
	return true;
}

static bool is_settled(struct event *v)
{
	switch (v->want) {
	case WANT_NOTHING:
		return true;
	case WANT_ANSWER:
		return answer_is_there(v);
	case WANT_TIME:
		return clock_monotonic_ms() >= v->until_ms;
	case WANT_CALL:
		return call_is_over(v);
	}
	return true;
}

/* The fiber then finds its way out by itself, as after any failure. */
static void give_up(struct event *v)
{
	if (v->sent)
		http_async_drop(v->http);
	v->sent = v->later = false;
	v->rc = cancelled(v->e);
}

static void forget_result(struct event *v)
{
	chancery_certificate_free(v->op.certificate);
	failure_reset(&v->op.error);
	v->op = (struct operation){ 0 };
}

static enum chancery_result end(struct event *v)
{
	struct chancery_client *c = v->client;

	fiber_free(TAKE(v->fiber));
	http_async_alarm(v->http, HTTP_ASYNC_NEVER);
	http_async_disconnect(v->http);
	http_client_free(TAKE(v->settings));
	chancery_key_free(TAKE(v->op.key));
	arena_free(TAKE(v->copies));
	v->op.names = NULL;
	v->op.pem = NULL;
	c->busy = false;
	if (!v->cancelled || v->op.error.result == CHANCERY_OK)
		return client_end(c, &v->op);
	forget_result(v);
	(void)client_usage(c, "cancelled as asked");
	return c->error.result = CHANCERY_CALLBACK;
}

static enum chancery_result go_on(struct event *v)
{
	http_async_alarm(v->http, HTTP_ASYNC_NEVER);
	(void)http_async_step(v->http); /* reads off the alarm that woke us, and whatever else */
	do {
		if (is_settled(v))
			continue;
		if (!v->cancelled) {
			http_async_alarm(v->http, v->want == WANT_ANSWER ? HTTP_ASYNC_NEVER : v->until_ms);
			return CHANCERY_PENDING;
		}
		give_up(v);
	} while (fiber_resume(v->fiber));
	return end(v);
}

/* --- what is begun --- */

void event_free(struct event *v)
{
	if (!v)
		return;
	chancery_client_cancel(v->client);
	forget_result(v);
	http_async_free(v->http);
	free(v);
}

DEFINE_CLEANUP(struct event *, event_free);

static enum err_code event_new(struct chancery_client *c, struct event **ret, struct err *e)
{
	CLEANUP(event_free_p) struct event *v = calloc(1, sizeof *v);

	if (!v)
		FAIL(e, NOMEM, "no memory for event-driven use");
	v->client = c;
	TRY(http_async_new(&v->http, e));
	*ret = TAKE(v);
	return ERR_OK;
}

/* Made on first use, and the client's from then on. */
static bool is_ready(struct chancery_client *c)
{
	struct err e = { 0 };

	if (c->event)
		return true;
	enum err_code rc = event_new(c, &c->event, &e);
	if (rc == ERR_OK)
		return true;
	failure_reset(&c->error);
	(void)failure_finish(&c->error, rc, NULL, &e);
	return false;
}

/* One that is refused for its number of names is told so by whoever reads them. */
static bool copy_names(struct event *v, const struct operation *o)
{
	size_t n = o->n_names < ENGINE_NAMES_MAX ? o->n_names : ENGINE_NAMES_MAX;
	const char **names = arena_array(v->copies, n + 1, sizeof *names);
	bool good = names != NULL;

	for (size_t i = 0; good && i < n; i++) {
		names[i] = arena_str(v->copies, bytes_str(o->names[i]));
		good = names[i] != NULL;
	}
	v->op.names = names;
	return good;
}

static enum err_code prepare(struct event *v, const struct operation *o, struct err *e)
{
	v->op = *o;
	v->op.key = o->key ? keys_ref(o->key) : NULL;
	v->copies = arena_new(4096, 1u << 20);
	if (!v->copies || !copy_names(v, o))
		FAIL(e, NOMEM, "no memory for a copy of the names");
	v->op.pem = o->pem ? arena_str(v->copies, bytes_str(o->pem)) : NULL;
	if (o->pem && !v->op.pem)
		FAIL(e, CONFIG, "a text of more than a megabyte is no certificate, nor a request for one");
	TRY(client_http(v->client, &v->settings, e));
	return fiber_new(run, v, &v->fiber, e);
}

enum chancery_result client_begin(struct chancery_client *c, const struct operation *o)
{
	struct err e = { 0 };

	if (client_is_busy(c) || !is_ready(c))
		return c->error.result;
	struct event *v = c->event;
	forget_result(v);
	v->cancelled = false;
	v->want = WANT_NOTHING;
	enum err_code rc = prepare(v, o, &e);
	if (rc != ERR_OK) {
		(void)failure_finish(&v->op.error, rc, NULL, &e);
		return end(v);
	}
	c->busy = true;
	http_async_alarm(v->http, clock_monotonic_ms());
	return client_ok(c);
}

/* --- the public side --- */

int chancery_client_fd(struct chancery_client *client)
{
	return is_ready(client) ? http_async_fd(client->event->http) : -1;
}

enum chancery_result chancery_client_step(struct chancery_client *client)
{
	struct event *v = client->event;

	if (!v || !v->fiber)
		return client_usage(client, "a step of nothing: there is no call that was begun and is not over");
	if (v->calling)
		return client_usage(client, "a step within a callback: it is for whoever polls");
	failure_reset(&client->error);
	return go_on(v);
}

enum chancery_result chancery_client_resolve(struct chancery_client *client, int outcome)
{
	struct event *v = client->event;
	bool waits = v && v->fiber && (v->later || (v->calling && v->call->kind == SESSION_CALL_ASK));

	if (!waits || v->resolved)
		return client_usage(
		    client, "an outcome that nothing waits for: no callback returned CHANCERY_LATER, or it has one already");
	if (outcome == CHANCERY_LATER)
		return client_usage(client, "an outcome is 0, CHANCERY_DECLINE or a failure");
	v->resolved = true;
	v->resolution = outcome;
	if (v->later)
		http_async_alarm(v->http, clock_monotonic_ms());
	return client_ok(client);
}

void chancery_client_cancel(struct chancery_client *client)
{
	struct event *v = client->event;

	if (!v || !v->fiber)
		return;
	v->cancelled = true;
	if (!v->calling)
		(void)go_on(v);
}

enum chancery_result chancery_client_take_certificate(struct chancery_client *client, struct chancery_certificate **ret)
{
	struct event *v = client->event;

	if (!ret)
		return client_usage(client, "an argument of NULL");
	if (client_is_busy(client))
		return CHANCERY_USAGE;
	if (!v || !v->op.certificate)
		return client_usage(client, "there is no certificate that came and was not taken");
	*ret = TAKE(v->op.certificate);
	return client_ok(client);
}

enum chancery_result chancery_client_take_renewal(struct chancery_client *client, struct chancery_renewal *ret)
{
	struct event *v = client->event;

	if (!ret)
		return client_usage(client, "an argument of NULL");
	if (client_is_busy(client))
		return CHANCERY_USAGE;
	if (!v || !v->op.has_renewal)
		return client_usage(client, "there is no renewal information that came");
	*ret = v->op.renewal;
	return client_ok(client);
}

const char *chancery_client_account_url(const struct chancery_client *client)
{
	return client->account_url;
}
