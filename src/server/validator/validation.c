#include "server/validator/validation.h"

#include "base/clock.h"
#include "base/codec.h"
#include "jose/jwk.h"
#include "server/validator/caa_check.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define ARENA        4096
#define ARENA_MAX    (128u << 10)
#define KEY_AUTH_MAX 128

struct validation {
	struct validation_env env;
	struct validate request; /* its spans lie in the arena */
	struct arena *arena;
	struct event *deadline;
	enum validation_parts parts;
	struct control *method; /* under way */
	struct caa_check *caa;  /* under way */
	struct control_result control;
	struct caa_result caa_result;
	validation_done *done;
	void *ctx;
};

void validation_cancel(struct validation *v)
{
	if (!v)
		return;
	method_of(v->request.method)->cancel(v->method);
	caa_check_cancel(v->caa);
	if (v->deadline)
		event_free(v->deadline);
	policy_release(v->env.policy);
	if (v->arena)
		arena_free(v->arena);
	free(v);
}
DEFINE_CLEANUP(struct validation *, validation_cancel);

/* --- the end --- */

static void tell_problem(struct validation *v, const struct err *why)
{
	struct validation_result r = { .name = v->request.identifier.value,
		.method = v->request.method,
		.validated = { .control = BYTES_LIT(""), .caa = BYTES_LIT(""), .code = why->code, .detail = bytes_str(why->detail) },
		.redirects = v->control.redirects };

	v->done(v->ctx, &r);
	validation_cancel(v);
}

static struct receipt receipt_base(const struct validation *v, enum receipt_kind kind)
{
	struct receipt r = { .key_id = v->env.identity->key_id,
		.perspective = BYTES_LIT(PERSPECTIVE),
		.kind = kind,
		.identifier = { .type = v->request.identifier.type, .value = v->request.identifier.value },
		.scope = v->request.identifier.wildcard ? SCOPE_WILDCARD : SCOPE_EXACT,
		.account_url = v->request.account_url,
		.time_ms = clock_wall_ms(),
		.method = v->request.method };

	memcpy(r.instance, v->env.identity->instance, sizeof r.instance);
	memcpy(r.thumbprint, v->request.thumbprint, sizeof r.thumbprint);
	random_bytes(r.id, sizeof r.id);
	return r;
}

static void write_control(const struct validation *v, struct buf *out)
{
	struct receipt r = receipt_base(v, RECEIPT_CONTROL);

	r.dnssec = v->control.dnssec;
	r.domain = v->request.identifier.value;
	r.token = v->request.token;
	r.relaxed_address = v->control.relaxed_address;
	memcpy(r.seen, v->control.seen, sizeof r.seen);
	receipt_write(&r, BYTES_ARRAY(v->env.identity->receipt_key), out);
}

static void write_caa(const struct validation *v, struct buf *out)
{
	struct receipt r = receipt_base(v, RECEIPT_CAA);

	r.dnssec = v->caa_result.dnssec;
	r.issuer_domain = v->env.policy->issuer_domain;
	r.node = v->caa_result.node;
	memcpy(r.rrset, v->caa_result.rrset, sizeof r.rrset);
	r.ttl_s = v->caa_result.ttl_s;
	r.outcome = v->caa_result.outcome;
	receipt_write(&r, BYTES_ARRAY(v->env.identity->receipt_key), out);
}

static void tell_receipts(struct validation *v)
{
	CLEANUP(buf_free_p) struct buf control = buf_new(RECEIPT_SIZE_MAX), caa = buf_new(RECEIPT_SIZE_MAX);
	struct err e = { 0 };

	if (v->parts == VALIDATION_WHOLE)
		write_control(v, &control);
	if (v->request.identifier.type == IDENTIFIER_DNS)
		write_caa(v, &caa);
	if (!buf_ok(&control) || !buf_ok(&caa)) {
		errno = 0;
		err_set(&e, ERR_NOMEM, __FILE__, __LINE__, "no memory for receipts");
		tell_problem(v, &e);
		return;
	}
	struct validation_result r = { .name = v->request.identifier.value,
		.method = v->request.method,
		.validated = { .control = buf_bytes(&control), .caa = buf_bytes(&caa), .code = ERR_OK, .detail = BYTES_LIT("") },
		.redirects = v->control.redirects };
	v->done(v->ctx, &r);
	validation_cancel(v);
}

/* The first problem ends it; nothing more is asked of hosts then. */
static void on_part_done(struct validation *v, const struct err *why)
{
	if (why->code != ERR_OK)
		tell_problem(v, why);
	else if (!v->method && !v->caa)
		tell_receipts(v);
}

static void on_control(void *ctx, const struct control_result *result)
{
	struct validation *v = ctx;

	v->method = NULL;
	v->control = *result;
	on_part_done(v, &v->control.why);
}

static void on_caa(void *ctx, const struct caa_result *result)
{
	struct validation *v = ctx;

	v->caa = NULL;
	v->caa_result = *result;
	on_part_done(v, &v->caa_result.why);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
	struct validation *v = ctx;
	struct err e = { 0 };

	(void)fd;
	(void)what;
	if (v->method)
		method_of(v->request.method)->late(v->method, &e);
	else
		caa_check_late(v->caa, &e);
	tell_problem(v, &e);
}

/* --- the beginning --- */

/* The front is not believed: it could send a "name" that makes another URL of it. */
static enum err_code check_request(
    const struct validation_env *env, struct arena *a, const struct validate *v, enum validation_parts parts, struct err *e)
{
	const char *type = identifier_type_name(v->identifier.type);
	struct identifier id;

	errno = 0;
	TRY(identifier_parse(a, bytes_str(type), v->identifier.value, &id, e));
	if (id.wildcard || !bytes_eq(id.value, v->identifier.value))
		FAIL(e, MALFORMED, "the name is not in its normal form");
	if (!challenge_type_covers(v->method, v->identifier.type, v->identifier.wildcard))
		FAIL(e, MALFORMED, "%s cannot show control of %s", challenge_type_name(v->method),
		    v->identifier.wildcard ? "a wildcard name (RFC 8555 §7.1.3)" : "an identifier of this type");
	TRY(names_judge(&env->policy->names, &v->identifier, e));
	if (parts == VALIDATION_WHOLE)
		return token_check(BYTES_ARRAY(env->identity->receipt_key), clock_wall_ms(), v->token, e);
	if (v->identifier.type != IDENTIFIER_DNS)
		FAIL(e, MALFORMED, "an address has no CAA records");
	return ERR_OK;
}

static enum err_code copy_request(struct validation *v, const struct validate *from, struct err *e)
{
	v->request = *from;
	v->request.identifier.value = arena_copy(v->arena, from->identifier.value);
	v->request.token = arena_copy(v->arena, from->token);
	v->request.account_url = arena_copy(v->arena, from->account_url);
	if (!v->request.identifier.value.ptr || !v->request.token.ptr || !v->request.account_url.ptr)
		FAIL(e, NOMEM, "no memory for a validation");
	return ERR_OK;
}

static enum err_code start_method(struct validation *v, int64_t deadline_ms, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(KEY_AUTH_MAX);
	struct control_request r = { .arena = v->arena,
		.policy = v->env.policy,
		.fetcher = v->env.fetcher,
		.prober = v->env.prober,
		.identifier = v->request.identifier,
		.token = v->request.token,
		.deadline_ms = deadline_ms };

	key_authorization(v->request.token, v->request.thumbprint, &text);
	r.key_authorization = arena_copy(v->arena, buf_bytes(&text));
	if (!buf_ok(&text) || !r.key_authorization.ptr)
		FAIL(e, NOMEM, "no memory for a validation");
	return method_of(v->request.method)->start(&r, on_control, v, &v->method, e);
}

static enum err_code start_caa(struct validation *v, struct err *e)
{
	struct caa_request r = { .wildcard = v->request.identifier.wildcard,
		.issuer_domain = v->env.policy->issuer_domain,
		.account_url = v->request.account_url,
		.method = bytes_str(challenge_type_name(v->request.method)) };

	return caa_check_start(v->env.policy, v->request.identifier.value, &r, on_caa, v, &v->caa, e);
}

static enum err_code start_deadline(struct validation *v, struct err *e)
{
	int64_t ms = v->env.policy->deadline_ms;
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	v->deadline = event_new(v->env.base, -1, 0, on_deadline, v);
	if (!v->deadline || event_add(v->deadline, &tv) != 0)
		FAIL(e, NOMEM, "no memory for a validation");
	return ERR_OK;
}

/* What is asked at all. */
static enum err_code start_parts(struct validation *v, struct err *e)
{
	TRY(start_deadline(v, e));
	if (v->parts == VALIDATION_WHOLE)
		TRY(start_method(v, clock_monotonic_ms() + v->env.policy->deadline_ms, e));
	return v->request.identifier.type == IDENTIFIER_DNS ? start_caa(v, e) : ERR_OK;
}

enum err_code validation_start(const struct validation_env *env, const struct validate *from, enum validation_parts parts,
    validation_done *done, void *ctx, struct validation **ret, struct err *e)
{
	CLEANUP(validation_cancel_p) struct validation *v = calloc(1, sizeof *v);

	errno = 0;
	if (!v)
		FAIL(e, NOMEM, "no memory for a validation");
	*v = (struct validation){ .env = *env, .parts = parts, .done = done, .ctx = ctx };
	v->env.policy = policy_hold(env->policy);
	v->arena = arena_new(ARENA, ARENA_MAX);
	if (!v->arena)
		FAIL(e, NOMEM, "no memory for a validation");
	TRY(check_request(env, v->arena, from, parts, e));
	TRY(copy_request(v, from, e));
	TRY(start_parts(v, e));
	*ret = TAKE(v);
	return ERR_OK;
}
