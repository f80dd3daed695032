#include "server/front/validations.h"

#include "base/clock.h"
#include "base/event.h"
#include "jose/jwk.h"
#include "server/front/charges.h"
#include "server/front/objects.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_MS      400    /* how long a challenge's answer is held for its validation */
#define VALIDATE_MS  120000 /* the validator's own deadline is shorter; this one is for a validator that hangs */
#define ASK_AGAIN_MS 250
#define RUNNING_MAX  1024

/* One validation: in the list from its begin until its result is stored. Guarded by validations.lock but for what only its
 * present owner touches. */
struct validation {
	struct validation *next, *previous;
	struct validations *all;
	struct store_validation result; /* authz and type from the start */
	struct buf request;             /* VALIDATE's body, to ask again */
	struct buf control, caa, problem;
	struct http_request *waiting; /* whose answer is held; NULL when it was given */
	int64_t hold_until_ms;
	int64_t ask_again_ms; /* 0: asked */
	bool failed;          /* for a reason on the applicant's side: it counts against the limit */
	struct identifier identifier;
	uint8_t account[STORE_ACCOUNT_ID], name[DNS_NAME_MAX];
};

struct validations {
	struct front *front;
	pthread_mutex_t lock;
	struct validation *first;
	size_t n;
};

enum err_code validations_new(struct front *f, struct validations **ret, struct err *e)
{
	struct validations *v = calloc(1, sizeof *v);

	if (!v)
		FAIL(e, NOMEM, "no memory for validations");
	v->front = f;
	pthread_mutex_init(&v->lock, NULL);
	*ret = v;
	return ERR_OK;
}

static void validation_free(struct validation *one)
{
	buf_free(&one->request);
	buf_free(&one->control);
	buf_free(&one->caa);
	buf_free(&one->problem);
	free(one);
}

void validations_free(struct validations *v)
{
	if (!v)
		return;
	while (v->first) {
		struct validation *one = v->first;
		v->first = one->next;
		validation_free(one);
	}
	pthread_mutex_destroy(&v->lock);
	free(v);
}

static struct http_request *take_waiting(struct validation *one)
{
	pthread_mutex_lock(&one->all->lock);
	struct http_request *http = one->waiting;
	one->waiting = NULL;
	pthread_mutex_unlock(&one->all->lock);
	return http;
}

/* The challenge as it is now, to whoever waited. */
static void answer_challenge(struct front *f, struct http_request *http, const struct store_validation *which)
{
	struct reply reply = { .body = buf_new(65536) };
	struct store_authz authz;
	struct err e = { 0 };

	if (store_get_authz(f->store, http->arena, which->authz, &authz, &e) != ERR_OK) {
		front_answer_error(f, http, &e, NULL);
		buf_free(&reply.body);
		return;
	}
	reply_challenge(f, http->arena, &authz, challenge_of(&authz, which->type), &reply);
	front_answer(f, http, &reply, true);
	buf_free(&reply.body);
}

static void unlink_validation(struct validation *one)
{
	struct validations *v = one->all;

	pthread_mutex_lock(&v->lock);
	if (one->previous)
		one->previous->next = one->next;
	else
		v->first = one->next;
	if (one->next)
		one->next->previous = one->previous;
	v->n--;
	pthread_mutex_unlock(&v->lock);
}

static enum err_code result_check(const struct validation *one, struct err *e)
{
	if (!buf_ok(&one->control) || !buf_ok(&one->caa) || !buf_ok(&one->problem))
		FAIL(e, NOMEM, "no memory for a validation's result");
	return ERR_OK;
}

/* On a worker: the result becomes durable, then it is told. */
static void store_result(void *ctx)
{
	struct validation *one = ctx;
	struct front *f = one->all->front;
	struct err e = { 0 };

	one->result.now_s = clock_wall_ms() / 1000;
	one->result.control = buf_bytes(&one->control);
	one->result.caa = buf_bytes(&one->caa);
	one->result.problem = buf_bytes(&one->problem);
	enum err_code rc = result_check(one, &e);
	if (rc == ERR_OK)
		rc = store_end_challenge(f->store, &one->result, &e);
	/* CONFLICT: the client has deactivated the authorization meanwhile, and the result is of no use. */
	if (rc != ERR_OK && rc != ERR_CONFLICT) {
		event_error(EVENT_ERROR, "validation.not_stored", &e);
		store_abandon_challenge(f->store, one->result.authz, one->result.type); /* pending again: the client may ask anew */
	} else if (one->failed) {
		charge_failed_validation(f, one->account, &one->identifier, clock_wall_ms());
	}
	struct http_request *http = take_waiting(one);
	unlink_validation(one);
	if (http)
		answer_challenge(f, http, &one->result);
	validation_free(one);
}

/* Keeps the result in the validation; a message that makes no sense counts as the validator's failure. */
static void keep_result(struct validation *one, const struct message *answer)
{
	struct validated v;
	struct err e = { 0 };

	if (validated_read(answer->body, &v, &e) != ERR_OK) {
		event_error(EVENT_ERROR, "validation.bad_answer", &e);
		v = (struct validated){ .code = ERR_SERVER_INTERNAL };
	}
	one->result.valid = v.code == ERR_OK;
	one->failed = err_is_peers(v.code);
	if (one->result.valid) {
		buf_add(&one->control, v.control);
		buf_add(&one->caa, v.caa);
		return;
	}
	err_set(&e, v.code, __FILE__, __LINE__, "%.*s", BYTES_FMT(v.detail));
	problem_json(&e, &one->problem);
}

static void validation_done(void *ctx, enum err_code code, const struct message *answer)
{
	struct validation *one = ctx;

	if (code != ERR_OK) { /* the validator died or hangs: ask again when it is back */
		pthread_mutex_lock(&one->all->lock);
		one->ask_again_ms = clock_monotonic_ms() + ASK_AGAIN_MS;
		pthread_mutex_unlock(&one->all->lock);
		return;
	}
	keep_result(one, answer);
	if (http_server_run(one->all->front->http, store_result, one, NULL) != ERR_OK)
		store_result(one); /* every worker is busy and the queue is full: this loop waits for the disk once */
}

enum err_code validation_request(
    struct front *f, struct arena *a, const struct store_authz *authz, const struct store_challenge *c, struct buf *out, struct err *e)
{
	struct validate v = { .method = c->type, .identifier = authz->identifier, .token = c->token };
	CLEANUP(key_free_p) struct key *k = NULL;

	/* The key that the account has now answers; its URL stays that of its first (RFC 8555 §7.3.5, §8.1). */
	TRY(keys_find(f->keys, f->store, a, authz->account, &k, e));
	jwk_thumbprint(k, v.thumbprint);
	v.account_url = account_url(a, f->settings->base_url, authz->account);
	validate_write(&v, out);
	if (!buf_ok(out) || !v.account_url.ptr)
		FAIL(e, NOMEM, "no memory for a validation");
	return ERR_OK;
}

/* With the lock held: how many of an account's are under way. */
static size_t running_of(const struct validations *v, const uint8_t account[STORE_ACCOUNT_ID])
{
	size_t n = 0;

	for (const struct validation *one = v->first; one; one = one->next)
		n += memcmp(one->account, account, STORE_ACCOUNT_ID) == 0;
	return n;
}

/* An account may take as many places as it leaves free: one alone half of them, and whoever comes later finds room however many hosts of others
 * never answer. */
static enum err_code link_validation(struct validations *v, struct validation *one, struct err *e)
{
	pthread_mutex_lock(&v->lock);
	bool room = running_of(v, one->account) < RUNNING_MAX - v->n;
	if (room) {
		v->n++;
		one->next = v->first;
		if (v->first)
			v->first->previous = one;
		v->first = one;
	}
	pthread_mutex_unlock(&v->lock);
	if (!room)
		FAIL(e, BUSY, "too many validations of this account are under way");
	return ERR_OK;
}

/* Who is validated for what, longer than the request's arena lives. */
static void keep_subject(struct validation *one, const struct store_authz *authz)
{
	size_t n = authz->identifier.value.len < sizeof one->name ? authz->identifier.value.len : sizeof one->name;

	memcpy(one->account, authz->account, sizeof one->account);
	memcpy(one->name, authz->identifier.value.ptr, n);
	one->identifier = authz->identifier;
	one->identifier.value = (struct bytes){ one->name, n };
}

enum err_code validations_begin(
    struct validations *v, struct http_request *http, const struct store_authz *authz, enum challenge_type type, struct err *e)
{
	const struct store_challenge *c = challenge_of(authz, type);
	CLEANUP(buf_free_p) struct buf request = buf_new(2048);

	if (!c)
		FAIL(e, NOT_FOUND, "the authorization has no such challenge");
	TRY(charge_validation(v->front, authz->account, &authz->identifier, clock_wall_ms(), e));
	TRY(validation_request(v->front, http->arena, authz, c, &request, e));
	struct validation *one = calloc(1, sizeof *one);
	if (!one)
		FAIL(e, NOMEM, "no memory for a validation");
	*one = (struct validation){ .all = v,
		.waiting = http,
		.hold_until_ms = clock_monotonic_ms() + HOLD_MS,
		.request = request,
		.control = buf_new(4096),
		.caa = buf_new(4096),
		.problem = buf_new(8192),
		.result.type = type };
	request = buf_new(0);
	memcpy(one->result.authz, authz->id, sizeof one->result.authz);
	keep_subject(one, authz);
	enum err_code rc = store_begin_challenge(v->front->store, authz->id, type, e);
	if (rc == ERR_OK && (rc = link_validation(v, one, e)) != ERR_OK)
		store_abandon_challenge(v->front->store, authz->id, type);
	if (rc != ERR_OK) {
		validation_free(one);
		return rc;
	}
	if (peer_ask(v->front->validator, MESSAGE_VALIDATE, buf_bytes(&one->request), VALIDATE_MS, validation_done, one, NULL) != ERR_OK)
		validation_done(one, ERR_BUSY, NULL);
	return ERR_OK;
}

/* One whose hold has passed or that must be asked again; *ret_soonest_ms is when the next of the others is due. */
static struct validation *find_due(
    struct validations *v, int64_t now_ms, bool *ret_ask, struct http_request **ret_http, int64_t *ret_soonest_ms)
{
	struct validation *due = NULL;

	*ret_http = NULL;
	*ret_ask = false;
	*ret_soonest_ms = INT64_MAX;
	pthread_mutex_lock(&v->lock);
	for (struct validation *one = v->first; one && !due; one = one->next) {
		if (one->waiting && one->hold_until_ms <= now_ms) {
			*ret_http = one->waiting;
			one->waiting = NULL;
			due = one;
		} else if (one->ask_again_ms && one->ask_again_ms <= now_ms) {
			one->ask_again_ms = 0;
			*ret_ask = true;
			due = one;
		} else {
			int64_t at = one->waiting ? one->hold_until_ms : INT64_MAX;
			at = one->ask_again_ms && one->ask_again_ms < at ? one->ask_again_ms : at;
			*ret_soonest_ms = at < *ret_soonest_ms ? at : *ret_soonest_ms;
		}
	}
	pthread_mutex_unlock(&v->lock);
	return due;
}

int validations_tick(struct validations *v)
{
	int64_t now_ms = clock_monotonic_ms(), soonest_ms;
	struct validation *one;
	struct http_request *http;
	bool ask;

	while ((one = find_due(v, now_ms, &ask, &http, &soonest_ms))) {
		if (http) {
			struct store_validation which = one->result;
			answer_challenge(v->front, http, &which);
		} else if (ask && peer_ask(v->front->validator, MESSAGE_VALIDATE, buf_bytes(&one->request), VALIDATE_MS, validation_done,
				      one, NULL) != ERR_OK) {
			validation_done(one, ERR_BUSY, NULL);
		}
	}
	return soonest_ms == INT64_MAX ? -1 : (int)(soonest_ms - now_ms);
}
