#include "client/fibered_testing.h"

#include "client/fiber.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct stopping {
	const struct session_io *inner;
	void (*f)(void *arg, const struct session_io *io);
	void *arg;
	struct fiber *fiber;
	/* What it wants, and what came of it */
	void (*settle)(struct stopping *s);
	struct arena *a;
	const struct http_client_request *request;
	struct http_client_answer *answer;
	const struct session_call *call;
	int64_t until_ms;
	int *outcome;
	struct err *e;
	enum err_code rc;
};

static void settle_exchange(struct stopping *s)
{
	s->rc = s->inner->exchange(s->inner->ctx, s->a, s->request, s->answer, s->e);
}

static void settle_wait(struct stopping *s)
{
	s->rc = s->inner->wait(s->inner->ctx, s->until_ms, s->e);
}

static void settle_call(struct stopping *s)
{
	s->rc = s->inner->call(s->inner->ctx, s->call, s->until_ms, s->outcome, s->e);
}

static enum err_code stop(struct stopping *s, void (*settle)(struct stopping *s), struct err *e)
{
	s->settle = settle;
	s->e = e;
	fiber_suspend(s->fiber);
	return s->rc;
}

static enum err_code exchange(
    void *ctx, struct arena *a, const struct http_client_request *r, struct http_client_answer *ret, struct err *e)
{
	struct stopping *s = ctx;

	s->a = a;
	s->request = r;
	s->answer = ret;
	return stop(s, settle_exchange, e);
}

static enum err_code wait_until(void *ctx, int64_t until_ms, struct err *e)
{
	struct stopping *s = ctx;

	s->until_ms = until_ms;
	return stop(s, settle_wait, e);
}

static enum err_code call(void *ctx, const struct session_call *c, int64_t until_ms, int *ret, struct err *e)
{
	struct stopping *s = ctx;

	s->call = c;
	s->until_ms = until_ms;
	s->outcome = ret;
	return stop(s, settle_call, e);
}

static void run(void *arg)
{
	struct stopping *s = arg;
	const struct session_io io = { .ctx = s, .exchange = exchange, .wait = wait_until, .call = call };

	s->f(s->arg, &io);
}

unsigned fibered(const struct session_io *inner, void (*f)(void *arg, const struct session_io *io), void *arg)
{
	struct stopping s = { .inner = inner, .f = f, .arg = arg };
	unsigned stops = 0;

	assert_int_equal(fiber_new(run, &s, &s.fiber, NULL), ERR_OK);
	for (; fiber_resume(s.fiber); stops++)
		s.settle(&s);
	fiber_free(s.fiber);
	return stops;
}
