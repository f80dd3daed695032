#include "server/validator/validator.h"

#include "base/event.h"
#include "base/json.h"
#include "crypto/digest.h"
#include "server/validator/front.h"

#include <errno.h>
#include <stdlib.h>

struct validator {
	struct identity identity;
	struct validation_env env;
	struct counts counts;
	struct front *front; /* NULL: none now */
};

enum err_code validator_new(struct event_base *base, const struct identity *i, const struct settings *s, struct validator **ret, struct err *e)
{
	CLEANUP(validator_free_p) struct validator *v = calloc(1, sizeof *v);

	errno = 0;
	if (!v)
		FAIL(e, NOMEM, "no memory for the validator");
	v->identity = *i;
	v->env = (struct validation_env){ .base = base, .identity = &v->identity };
	TRY(fetcher_new(base, &v->env.fetcher, e));
	TRY(policy_new(base, s, &v->env.policy, e));
	*ret = TAKE(v);
	return ERR_OK;
}

static void add_counts(struct channel_counts *to, struct channel_counts c)
{
	to->received += c.received;
	to->sent += c.sent;
	to->refused_size += c.refused_size;
	to->refused_type += c.refused_type;
	to->refused_turn += c.refused_turn;
	to->refused_credit += c.refused_credit;
}

static void disconnect(struct validator *v)
{
	if (v->front)
		add_counts(&v->counts.channels, front_channel_counts(v->front));
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
	crypto_wipe(&v->identity, sizeof v->identity);
	free(v);
}

enum err_code validator_settings(struct validator *v, const struct settings *s, struct err *e)
{
	struct policy *p;

	TRY(policy_new(v->env.base, s, &p, e));
	policy_release(v->env.policy);
	v->env.policy = p;
	return ERR_OK;
}

static void on_front_gone(void *ctx)
{
	struct validator *v = ctx;

	event(EVENT_NOTICE, "front.gone", EVENT_STR("peer", "front"));
	disconnect(v);
}

enum err_code validator_connect(struct validator *v, int fd, struct err *e)
{
	disconnect(v);
	return front_new(fd, &v->env, &v->counts, on_front_gone, v, &v->front, e);
}

static void put_problems(const struct validator *v, struct json_out *w)
{
	json_put_key(w, "problems");
	json_put_object(w);
	for (unsigned c = 0; c < ERR__MAX; c++)
		if (v->counts.problems[c])
			json_put_member_uint(w, err_name((enum err_code)c), v->counts.problems[c]);
	json_end_object(w);
}

static void put_channel(const struct validator *v, struct json_out *w)
{
	struct channel_counts c = v->counts.channels;

	if (v->front)
		add_counts(&c, front_channel_counts(v->front));
	json_put_key(w, "front_channel");
	json_put_object(w);
	json_put_member_uint(w, "received", c.received);
	json_put_member_uint(w, "sent", c.sent);
	json_put_member_uint(w, "refused_size", c.refused_size);
	json_put_member_uint(w, "refused_type", c.refused_type);
	json_put_member_uint(w, "refused_turn", c.refused_turn);
	json_put_member_uint(w, "refused_credit", c.refused_credit);
	json_end_object(w);
}

void validator_status(const struct validator *v, struct buf *out)
{
	struct json_out w = json_out_to(out);

	json_put_object(&w);
	json_put_member_bool(&w, "front", v->front != NULL);
	json_put_member_uint(&w, "running", v->front ? front_running(v->front) : 0);
	json_put_member_uint(&w, "validations", v->counts.validations);
	json_put_member_uint(&w, "valid", v->counts.valid);
	json_put_member_uint(&w, "redirects", v->counts.redirects);
	json_put_member_uint(&w, "dropped", v->counts.dropped);
	json_put_member_uint(&w, "tokens", v->counts.tokens);
	json_put_member_uint(&w, "malformed", v->counts.malformed);
	json_put_member_uint(&w, "fronts", v->counts.fronts);
	put_problems(v, &w);
	put_channel(v, &w);
	json_end_object(&w);
}
