#include "client/session_io.h"

#include "base/clock.h"

#include <time.h>

static enum err_code exchange(
    void *ctx, struct arena *a, const struct http_client_request *r, struct http_client_answer *ret, struct err *e)
{
	return http_client_do(ctx, a, r, ret, e);
}

static enum err_code wait_until(void *ctx, int64_t until_ms, struct err *e)
{
	int64_t rest = until_ms - clock_monotonic_ms();
	struct timespec t = { rest / 1000, rest % 1000 * 1000000 };

	(void)ctx;
	(void)e;
	if (rest > 0)
		(void)nanosleep(&t, NULL); /* a signal ends it, too */
	return ERR_OK;
}

static enum err_code call(void *ctx, const struct session_call *c, int64_t until_ms, int *ret, struct err *e)
{
	(void)ctx;
	(void)until_ms;
	int rc = c->f(c->arg);
	if (rc == CHANCERY_LATER && c->kind == SESSION_CALL_ASK)
		FAIL(e, CONFIG, "a callback returned CHANCERY_LATER, which is for event-driven use alone: nobody could tell the outcome");
	*ret = rc;
	return ERR_OK;
}

struct session_io session_io_blocking(struct http_client *http)
{
	return (struct session_io){ .ctx = http, .exchange = exchange, .wait = wait_until, .call = call };
}
