#include "server/front/recheck.h"

#include "base/clock.h"
#include "base/event.h"
#include "server/front/objects.h"
#include "server/front/validations.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FRESH_S    (7 * 3600) /* one hour before the signer says no: for the clock, and for a signer that is away for a while */
#define ASK_MS     60000      /* the validator's own deadline is shorter; this one is for a validator that hangs */
#define AT_ONCE    8          /* questions of one order */
#define ORDERS_MAX 32         /* AT_ONCE x ORDERS_MAX are the credits of RECHECK (messages.def) */

/* One name: what is asked, then what was answered. */
struct name {
	struct recheck *all;
	uint8_t authz[STORE_AUTHZ_ID];
	struct identifier identifier; /* in the request's arena */
	struct buf request, caa, detail;
	enum err_code code;
};

/* Whoever asks or is being answered holds it: the last one to let go ends it. */
struct recheck {
	struct acme_request r;
	recheck_done *done;
	pthread_mutex_t lock;
	size_t holders, next, n;
	bool unanswered; /* the validator could not be asked, or did not answer */
	struct name names[];
};

static bool is_old(int64_t caa_s, int64_t now_ms)
{
	return caa_s && caa_s < now_ms / 1000 - FRESH_S;
}

bool recheck_is_due(const struct store_order *order, int64_t now_ms)
{
	return is_old(order->caa_s, now_ms);
}

static void recheck_free(struct recheck *k)
{
	for (size_t i = 0; i < k->n; i++) {
		buf_free(&k->names[i].request);
		buf_free(&k->names[i].caa);
		buf_free(&k->names[i].detail);
	}
	pthread_mutex_destroy(&k->lock);
	atomic_fetch_sub(&k->r.front->rechecking, 1);
	free(k);
}

/* --- the end --- */

/* CAA, once it forbids one of the names; else the first of what else is wrong. */
static enum err_code worst(const struct recheck *k)
{
	enum err_code code = ERR_OK;

	for (size_t i = 0; i < k->n; i++)
		if (code == ERR_OK || k->names[i].code == ERR_CAA)
			code = k->names[i].code;
	return code;
}

/* The refusal as a problem, with a subproblem for each name (RFC 8555 §6.7.1). */
static enum err_code tell_refused(struct recheck *k, struct err *e)
{
	struct arena *a = k->r.http->arena;
	struct err_sub *subs = arena_array(a, k->n, sizeof *subs);
	size_t n = 0;

	if (!subs)
		FAIL(e, NOMEM, "no memory for subproblems");
	for (size_t i = 0; i < k->n; i++) {
		const struct name *one = &k->names[i];
		if (one->code != ERR_OK)
			subs[n++] = (struct err_sub){ one->code, bytes_str(identifier_type_name(one->identifier.type)),
				identifier_display(a, &one->identifier), arena_copy(a, buf_bytes(&one->detail)) };
	}
	err_set(
	    e, worst(k), __FILE__, __LINE__, "CAA was looked at again, and %zu of %zu names are refused; the subproblems say why", n, k->n);
	e->subs = subs;
	e->n_subs = n;
	return e->code;
}

static enum err_code take_results(struct recheck *k, struct err *e)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->names[i].code == ERR_OK && k->names[i].caa.len > 0)
			TRY(store_set_caa(k->r.front->store, k->names[i].authz, buf_bytes(&k->names[i].caa), clock_wall_ms() / 1000, e));
	if (worst(k) != ERR_OK)
		return tell_refused(k, e);
	if (k->unanswered)
		FAIL(e, BUSY, "CAA could not be looked at again: the validator is away");
	return ERR_OK;
}

static void end(void *ctx)
{
	struct recheck *k = ctx;
	struct err e = { 0 };

	MAY_FAIL(take_results(k, &e)); /* e has it */
	k->r.now_ms = clock_wall_ms();
	k->done(&k->r, &e);
	recheck_free(k);
}

static void end_without_worker(struct recheck *k)
{
	struct err e = { 0 };

	err_set(&e, ERR_BUSY, __FILE__, __LINE__, "no worker for an order whose CAA was looked at again");
	front_answer_error(k->r.front, k->r.http, &e, &(struct problem_more){ 0 });
	recheck_free(k);
}

static void let_go(struct recheck *k)
{
	pthread_mutex_lock(&k->lock);
	bool last = --k->holders == 0;
	pthread_mutex_unlock(&k->lock);
	if (!last)
		return;
	if (!k->r.front->http) /* the server has ended, and nobody listens */
		recheck_free(k);
	else if (http_server_run(k->r.front->http, end, k, NULL) != ERR_OK)
		end_without_worker(k);
}

/* --- questions and answers --- */

static peer_done answered;

/* The next name to ask for, for which the caller then holds; NULL: none now. */
static struct name *take_next(struct recheck *k)
{
	struct name *one = NULL;

	pthread_mutex_lock(&k->lock);
	if (!k->unanswered && k->next < k->n && k->holders <= AT_ONCE) { /* one of the holders is who asks */
		one = &k->names[k->next++];
		k->holders++;
	}
	pthread_mutex_unlock(&k->lock);
	return one;
}

static void mark_unanswered(struct recheck *k)
{
	pthread_mutex_lock(&k->lock);
	k->unanswered = true;
	pthread_mutex_unlock(&k->lock);
}

/* The caller holds k, and lets go of it afterwards. */
static void ask_on(struct recheck *k)
{
	struct name *one;

	while ((one = take_next(k)))
		if (peer_ask(k->r.front->validator, MESSAGE_RECHECK, buf_bytes(&one->request), ASK_MS, answered, one, NULL) != ERR_OK) {
			mark_unanswered(k);
			let_go(k);
		}
}

static void keep_answer(struct name *one, const struct message *answer)
{
	struct validated v;
	struct err e = { 0 };

	if (validated_read(answer->body, &v, &e) != ERR_OK || (v.code == ERR_OK && v.caa.len == 0)) {
		event_error(EVENT_ERROR, "recheck.bad_answer", &e);
		mark_unanswered(one->all);
		return;
	}
	struct buf *kept = v.code == ERR_OK ? &one->caa : &one->detail;
	buf_add(kept, v.code == ERR_OK ? v.caa : v.detail);
	if (buf_ok(kept))
		one->code = v.code;
	else
		mark_unanswered(one->all);
}

/* On the control thread. */
static void answered(void *ctx, enum err_code code, const struct message *answer)
{
	struct name *one = ctx;
	struct recheck *k = one->all;

	if (code == ERR_OK)
		keep_answer(one, answer);
	else
		mark_unanswered(k);
	ask_on(k);
	let_go(k);
}

/* --- the beginning --- */

static const struct store_challenge *valid_challenge(const struct store_authz *authz)
{
	for (size_t i = 0; i < authz->n_challenges; i++)
		if (authz->challenges[i].state == CHALLENGE_VALID)
			return &authz->challenges[i];
	return NULL;
}

static enum err_code add_name(struct recheck *k, const struct store_authz *authz, struct err *e)
{
	const struct store_challenge *c = valid_challenge(authz);
	struct name *one = &k->names[k->n];

	if (!c)
		FAIL(e, ORDER_NOT_READY, "an authorization of the order is %s", authz_state_name(authz->state));
	*one = (struct name){
		.all = k, .identifier = authz->identifier, .request = buf_new(2048), .caa = buf_new(4096), .detail = buf_new(4096)
	};
	k->n++;
	memcpy(one->authz, authz->id, sizeof one->authz);
	return validation_request(k->r.front, k->r.http->arena, authz, c, &one->request, e);
}

static enum err_code add_names(struct recheck *k, const struct store_order *order, struct err *e)
{
	struct store_authz authz;

	for (size_t i = 0; i < order->n_identifiers; i++) {
		TRY(store_get_authz(k->r.front->store, k->r.http->arena, order->authz[i], &authz, e));
		if (is_old(authz.caa_s, k->r.now_ms))
			TRY(add_name(k, &authz, e));
	}
	return ERR_OK;
}

enum err_code recheck_begin(struct acme_request *r, const struct store_order *order, recheck_done *done, struct err *e)
{
	struct recheck *k = calloc(1, sizeof *k + order->n_identifiers * sizeof *k->names);

	if (!k)
		FAIL(e, NOMEM, "no memory to look at CAA again");
	bool room = atomic_fetch_add(&r->front->rechecking, 1) < ORDERS_MAX;
	k->r = *r;
	k->r.key = NULL;
	k->done = done;
	k->holders = 1;
	pthread_mutex_init(&k->lock, NULL);
	enum err_code rc =
	    room ? add_names(k, order, e) : err_set(e, ERR_BUSY, __FILE__, __LINE__, "CAA is being looked at for %d orders", ORDERS_MAX);
	if (rc != ERR_OK) {
		recheck_free(k);
		return rc;
	}
	ask_on(k);
	let_go(k);
	return ERR_OK;
}
