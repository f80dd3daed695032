#include "server/validator/front.h"

#include "base/clock.h"
#include "base/event.h"
#include "server/validator/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX 16384

/* One that the front waits for. */
struct job {
	struct front *front;
	struct job *next, *previous;
	uint32_t id;
	uint64_t request; /* of the client, for the log */
	enum validation_parts parts;
	struct validation *validation;
};

struct front {
	const struct validation_env *env;
	struct counts *counts;
	struct channel *channel;
	struct link *link;
	struct job *first;
	size_t running;
	front_gone *gone;
	void *ctx;
};

static void job_free(struct job *j)
{
	struct front *f = j->front;

	if (j->previous)
		j->previous->next = j->next;
	else
		f->first = j->next;
	if (j->next)
		j->next->previous = j->previous;
	f->running--;
	validation_cancel(j->validation);
	free(j);
}

void front_free(struct front *f)
{
	if (!f)
		return;
	if (f->counts)
		f->counts->dropped += f->running;
	while (f->first)
		job_free(f->first);
	link_free(f->link);
	if (f->channel)
		channel_free(f->channel);
	free(f);
}

size_t front_running(const struct front *f)
{
	return f->running;
}

struct channel_counts front_channel_counts(const struct front *f)
{
	return channel_counts(f->channel);
}

/* An answer to a front that is gone is lost with it: the channel's end is told by reading from it. One that is lost here would hold the front's
 * credit, and whoever waits, for ever. */
static void answer(struct front *f, uint16_t type, uint32_t id, struct bytes body)
{
	struct err e = { 0 };

	if (link_send(f->link, type, id, body, &e) != ERR_OK && e.code != ERR_CLOSED)
		f->gone(f->ctx, &e);
}

static void answer_validate(struct front *f, enum validation_parts parts, uint32_t id, const struct validated *v)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(ANSWER_MAX);

	if (v->code == ERR_OK)
		f->counts->valid++;
	else
		f->counts->problems[v->code]++;
	validated_write(v, &out);
	if (buf_ok(&out)) {
		answer(f, parts == VALIDATION_WHOLE ? MESSAGE_VALIDATED : MESSAGE_RECHECKED, id, buf_bytes(&out));
		return;
	}
	struct err e = { 0 };
	err_set(&e, ERR_NOMEM, __FILE__, __LINE__, "no memory for an answer");
	f->gone(f->ctx, &e);
}

static void log_result(const struct validation_result *r)
{
	if (r->validated.code == ERR_OK)
		event(EVENT_INFO, "validation.valid", { "name", r->name }, EVENT_STR("method", challenge_type_name(r->method)));
	else
		event(EVENT_INFO, "validation.refused", { "name", r->name }, EVENT_STR("method", challenge_type_name(r->method)),
		    EVENT_STR("code", err_name(r->validated.code)), { "detail", r->validated.detail });
}

static void on_validated(void *ctx, const struct validation_result *result)
{
	struct job *j = ctx;

	j->validation = NULL;
	j->front->counts->redirects += result->redirects;
	event_set_request(j->request);
	log_result(result);
	answer_validate(j->front, j->parts, j->id, &result->validated);
	event_set_request(0);
	job_free(j);
}

static enum err_code start_job(struct front *f, const struct validate *v, enum validation_parts parts, uint32_t id, struct err *e)
{
	struct job *j = calloc(1, sizeof *j);

	errno = 0;
	if (!j)
		FAIL(e, NOMEM, "no memory for a validation");
	*j = (struct job){ .front = f, .next = f->first, .id = id, .request = event_request(), .parts = parts };
	if (f->first)
		f->first->previous = j;
	f->first = j;
	f->running++;
	enum err_code rc = validation_start(f->env, v, parts, on_validated, j, &j->validation, e);
	if (rc != ERR_OK)
		job_free(j);
	return rc;
}

/* Every request gets its answer: it holds one of the front's credits until then. */
static void on_validate(struct front *f, const struct message *m)
{
	enum validation_parts parts = m->type == MESSAGE_RECHECK ? VALIDATION_CAA_ALONE : VALIDATION_WHOLE;
	struct validate v;
	struct err e = { 0 };

	f->counts->validations++;
	f->counts->rechecks += parts == VALIDATION_CAA_ALONE;
	enum err_code rc = validate_read(m->body, &v, &e);
	f->counts->malformed += rc != ERR_OK;
	if (rc == ERR_OK)
		rc = start_job(f, &v, parts, m->id, &e);
	if (rc == ERR_OK)
		return;
	if (!err_is_peers(rc))
		event_error(EVENT_ERROR, "validation.not_started", &e);
	answer_validate(f, parts, m->id,
	    &(struct validated){ .control = BYTES_LIT(""), .caa = BYTES_LIT(""), .code = rc, .detail = bytes_str(e.detail) });
}

static void on_tokens_ask(struct front *f, const struct message *m)
{
	static char text[TOKENS_MAX * TOKEN_LEN + 1];
	struct wire w = wire_of(m->body);
	uint32_t n = wire_u32(&w);

	if (wire_end(&w, "TOKENS_ASK", NULL) != ERR_OK || n > TOKENS_MAX) {
		f->counts->malformed++;
		n = 0;
	}
	for (uint32_t i = 0; i < n; i++) /* each writes its NUL where the next one begins */
		token_mint(BYTES_ARRAY(f->env->identity->receipt_key), clock_wall_ms(), text + (size_t)i * TOKEN_LEN);
	f->counts->tokens += n;
	answer(f, MESSAGE_TOKENS, m->id, (struct bytes){ (const uint8_t *)text, (size_t)n * TOKEN_LEN });
}

static void on_message(void *ctx, const struct message *m)
{
	struct front *f = ctx;

	event_set_request(m->request);
	if (m->type == MESSAGE_VALIDATE || m->type == MESSAGE_RECHECK)
		on_validate(f, m);
	else if (m->type == MESSAGE_TOKENS_ASK)
		on_tokens_ask(f, m);
	event_set_request(0);
}

static void on_closed(void *ctx, const struct err *why)
{
	struct front *f = ctx;

	f->gone(f->ctx, why);
}

enum err_code front_new(
    int fd, const struct validation_env *env, struct counts *counts, front_gone *gone, void *ctx, struct front **ret, struct err *e)
{
	CLEANUP(front_free_p) struct front *f = calloc(1, sizeof *f);

	errno = 0;
	if (!f) {
		close(fd);
		FAIL(e, NOMEM, "no memory for the front's channel");
	}
	*f = (struct front){ .env = env, .counts = counts, .gone = gone, .ctx = ctx };
	TRY(server_channel_new(fd, PROCESS_VALIDATOR, PROCESS_FRONT, &f->channel, e));
	TRY(link_new(env->base, f->channel, on_message, on_closed, f, &f->link, e));
	counts->fronts++;
	*ret = TAKE(f);
	return ERR_OK;
}
