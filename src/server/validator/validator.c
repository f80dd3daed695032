#include "server/validator/validator.h"

#include "base/event.h"
#include "base/json.h"
#include "crypto/digest.h"
#include "http/tls_probe.h"
#include "server/status.h"
#include "server/validator/front.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

struct validator {
	struct identity identity;
	struct validation_env env;
	struct suffixes *suffixes;
	struct counts counts;
	struct front *front; /* NULL: none now */
	struct err failure;  /* why this process cannot go on; code ERR_OK: it can */
};

enum err_code validator_new(
    struct event_base *base, const struct identity *i, const struct settings *s, struct validator **ret, struct err *e)
{
	CLEANUP(validator_free_p) struct validator *v = calloc(1, sizeof *v);

	errno = 0;
	if (!v)
		FAIL(e, NOMEM, "no memory for the validator");
	v->identity = *i;
	v->env = (struct validation_env){ .base = base, .identity = &v->identity };
	TRY(fetcher_new(base, &v->env.fetcher, e));
	TRY(tls_prober_new(base, &v->env.prober, e));
	TRY(suffixes_open(&v->suffixes, e));
	TRY(policy_new(base, v->suffixes, s, &v->env.policy, e));
	*ret = TAKE(v);
	return ERR_OK;
}

static void disconnect(struct validator *v)
{
	if (v->front)
		channel_counts_add(&v->counts.channels, front_channel_counts(v->front));
	front_free(v->front);
	v->front = NULL;
}

void validator_free(struct validator *v)
{
	if (!v)
		return;
	disconnect(v);
	policy_release(v->env.policy);
	fetcher_free(v->env.fetcher);
	tls_prober_free(v->env.prober);
	suffixes_free(v->suffixes);
	crypto_wipe(&v->identity, sizeof v->identity);
	free(v);
}

enum err_code validator_settings(struct validator *v, const struct settings *s, struct err *e)
{
	struct policy *p;

	TRY(policy_new(v->env.base, v->suffixes, s, &p, e));
	policy_release(v->env.policy);
	v->env.policy = p;
	return ERR_OK;
}

/* Nobody makes a new channel while both processes live: one that fails by itself ends this process, and the parent starts another. */
static void give_up(struct validator *v, const struct err *why)
{
	v->failure = *why;
	(void)event_base_loopbreak(v->env.base);
}

static void on_front_gone(void *ctx, const struct err *why)
{
	struct validator *v = ctx;

	if (why->code != ERR_CLOSED) {
		give_up(v, why);
		return;
	}
	event(EVENT_NOTICE, "front.gone", EVENT_STR("peer", "front"));
	disconnect(v);
}

enum err_code validator_failure(const struct validator *v, struct err *e)
{
	if (v->failure.code != ERR_OK)
		*e = v->failure;
	return v->failure.code;
}

void validator_connect(struct validator *v, int fd)
{
	struct err e = { 0 };

	disconnect(v);
	if (front_new(fd, &v->env, &v->counts, on_front_gone, v, &v->front, &e) != ERR_OK)
		give_up(v, &e);
}

static struct channel_counts all_channels(const struct validator *v)
{
	struct channel_counts c = v->counts.channels;

	if (v->front)
		channel_counts_add(&c, front_channel_counts(v->front));
	return c;
}

void validator_status(const struct validator *v, struct buf *out)
{
	struct json_out w = json_out_to(out);

	json_put_object(&w);
	json_put_member_bool(&w, "front", v->front != NULL);
	json_put_member_uint(&w, "running", v->front ? front_running(v->front) : 0);
	json_put_member_uint(&w, "validations", v->counts.validations);
	json_put_member_uint(&w, "rechecks", v->counts.rechecks);
	json_put_member_uint(&w, "valid", v->counts.valid);
	json_put_member_uint(&w, "redirects", v->counts.redirects);
	json_put_member_uint(&w, "dropped", v->counts.dropped);
	json_put_member_uint(&w, "tokens", v->counts.tokens);
	json_put_member_uint(&w, "malformed", v->counts.malformed);
	json_put_member_uint(&w, "fronts", v->counts.fronts);
	status_put_errors(&w, "problems", v->counts.problems);
	status_put_channel(&w, "front_channel", all_channels(v));
	json_end_object(&w);
}
