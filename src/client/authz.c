#include "client/engine.h"

#include "base/codec.h"
#include "base/json.h"
#include "client/problem.h"
#include "crypto/digest.h"
#include "jose/jwk.h"

#include <stdio.h>
#include <string.h>

#define CHALLENGES_MAX 64
#define TOKEN_MAX      255 /* a file's name has no more */
#define LOOKS_MAX      6   /* so often a server is asked to look that looks once each time */

/* A challenge that can be solved here. */
struct offer {
	enum challenge_type type;
	const char *url, *token, *key_authorization, *digest, *record;
	bool begun; /* the server looks already, from an earlier order's request */
};

struct authz {
	const char *url, *name;
	bool wildcard;
	enum authz_state state;
	struct offer offers[CHALLENGE_TYPE__MAX]; /* as they are preferred */
	size_t n_offers, at;                      /* at: the one that is solved */
	bool deployed;
	bool seen;    /* the server has looked before it answered */
	bool in_vain; /* it found nothing, and looks again when it is asked to (RFC 8555 §8.2) */
	unsigned looks;
};

/* What the engine holds while it solves. */
struct solving {
	struct session *s;
	const struct solvers *solvers;
	const struct identifier *names;
	size_t n_names;
	struct authz *v;
	size_t n;
};

struct authz_json {
	struct bytes status, identifier, challenges;
	struct json_bool wildcard;
};
static const struct json_field authz_fields[] = {
	JSON_FIELD(struct authz_json, status, "status", JSON_STRING, true, 32),
	JSON_FIELD(struct authz_json, identifier, "identifier", JSON_OBJECT, true, 0),
	JSON_FIELD(struct authz_json, challenges, "challenges", JSON_ARRAY, true, 0),
	JSON_FIELD(struct authz_json, wildcard, "wildcard", JSON_BOOL, false, 0),
};
struct identifier_json {
	struct bytes type, value;
};
static const struct json_field identifier_fields[] = {
	JSON_FIELD(struct identifier_json, type, "type", JSON_STRING, true, 32),
	JSON_FIELD(struct identifier_json, value, "value", JSON_STRING, true, DNS_NAME_MAX),
};
/* Nothing is required: what a challenge of a type that is not used looks like is nobody's business here. */
struct challenge_json {
	struct bytes type, url, token, status, error;
};
static const struct json_field challenge_fields[] = {
	JSON_FIELD(struct challenge_json, type, "type", JSON_ANY, false, 0),
	JSON_FIELD(struct challenge_json, url, "url", JSON_ANY, false, 0),
	JSON_FIELD(struct challenge_json, token, "token", JSON_ANY, false, 0),
	JSON_FIELD(struct challenge_json, status, "status", JSON_ANY, false, 0),
	JSON_FIELD(struct challenge_json, error, "error", JSON_ANY, false, 0),
};

/* The challenge of this type, if there is one. */
static bool find_challenge(struct session *s, const struct bytes *v, size_t n, enum challenge_type type, struct challenge_json *ret)
{
	for (size_t i = 0; i < n; i++) {
		struct challenge_json c = { 0 };
		if (v[i].len == 0 || v[i].ptr[0] != '{' ||
		    json_read(s->scratch, v[i], "a challenge", challenge_fields, sizeof challenge_fields / sizeof *challenge_fields, &c,
			NULL) != ERR_OK)
			continue;
		if (!bytes_eq_str(problem_string(s->scratch, c.type), challenge_type_name(type)))
			continue;
		*ret = c;
		return true;
	}
	return false;
}

static enum err_code check_name(struct solving *g, const struct authz_json *a, struct authz *z, struct err *e)
{
	struct identifier_json j = { 0 };
	struct identifier id;

	z->wildcard = a->wildcard.set && a->wildcard.value;
	TRY(json_read(g->s->scratch, a->identifier, "the authorization's identifier", identifier_fields, 2, &j, e));
	TRY(identifier_parse(g->s->scratch, j.type, j.value, &id, e));
	for (size_t i = 0; i < g->n_names; i++)
		if (g->names[i].type == id.type && g->names[i].wildcard == z->wildcard && bytes_eq(g->names[i].value, id.value)) {
			z->name = arena_str(g->s->arena, id.value);
			if (!z->name)
				FAIL(e, NOMEM, "no memory for an authorization");
			return ERR_OK;
		}
	FAIL(e, MALFORMED, "the server wants an authorization for %s%.*s, which was not asked for", z->wildcard ? "*." : "",
	    BYTES_FMT(id.value));
}

static const char *digest_of(struct session *s, struct bytes text)
{
	char out[BASE64URL_LEN(SHA256_SIZE) + 1];
	uint8_t digest[SHA256_SIZE];

	sha256_one(text, digest);
	base64url_encode(BYTES_ARRAY(digest), out);
	return arena_str(s->arena, bytes_str(out));
}

static enum err_code fill_offer(
    struct session *s, const struct challenge_json *c, enum challenge_type type, const struct authz *z, struct offer *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(1024);
	const char *type_name = challenge_type_name(type);
	struct bytes token = problem_string(s->scratch, c->token);
	uint8_t thumbprint[THUMBPRINT_SIZE];
	struct offer o = { .type = type, .record = "" };
	char what[64];

	/* A token becomes a file's name and a part of a URL: nothing but base64url may pass (RFC 8555 §8.3, §11.4). */
	if (!token.ptr || !base64url_is(token) || token.len > TOKEN_MAX)
		FAIL(e, MALFORMED, "the %s challenge for %s has a token that is not base64url", type_name, z->name);
	(void)snprintf(what, sizeof what, "the %s challenge", type_name);
	TRY(session_url(s, problem_string(s->scratch, c->url), what, &o.url, e));
	o.begun = bytes_eq_str(problem_string(s->scratch, c->status), "processing");
	jwk_thumbprint(s->account->key, thumbprint);
	key_authorization(token, thumbprint, &text);
	o.token = arena_str(s->arena, token);
	o.key_authorization = buf_ok(&text) ? arena_str(s->arena, buf_bytes(&text)) : NULL;
	o.digest = digest_of(s, buf_bytes(&text));
	if (type == CHALLENGE_TYPE_DNS_01)
		o.record = arena_str(s->arena, arena_fmt(s->scratch, "_acme-challenge.%s", z->name));
	if (!o.token || !o.key_authorization || !o.digest || !o.record)
		FAIL(e, NOMEM, "no memory for a challenge");
	*ret = o;
	return ERR_OK;
}

static bool can_solve(const struct solving *g, enum challenge_type type, const struct authz *z)
{
	struct bytes value = bytes_str(z->name);

	for (size_t i = 0; i < g->n_names; i++)
		if (bytes_eq(g->names[i].value, value))
			return g->solvers->of[type].deploy && challenge_type_covers(type, g->names[i].type, z->wildcard);
	return false;
}

/* "http-01, dns-01": what the server offers, as far as it is known here. */
static const char *offered(struct session *s, const struct bytes *v, size_t n, char *out, size_t size)
{
	struct challenge_json c;

	*out = 0;
	for (unsigned t = 0; t < CHALLENGE_TYPE__MAX; t++)
		if (find_challenge(s, v, n, (enum challenge_type)t, &c)) {
			size_t at = strlen(out);
			(void)snprintf(out + at, size - at, "%s%s", at ? ", " : "", challenge_type_name((enum challenge_type)t));
		}
	return *out ? out : "nothing that is known here";
}

static enum err_code fill_offers(struct solving *g, const struct bytes *v, size_t n, struct authz *z, struct err *e)
{
	char types[128];

	for (size_t i = 0; i < g->solvers->n; i++) {
		enum challenge_type type = g->solvers->order[i];
		struct challenge_json c = { 0 };
		if (can_solve(g, type, z) && find_challenge(g->s, v, n, type, &c))
			TRY(fill_offer(g->s, &c, type, z, &z->offers[z->n_offers++], e));
	}
	if (z->n_offers > 0)
		return ERR_OK;
	(void)err_set(e, ERR_MALFORMED, __FILE__, __LINE__, "the server offers no challenge for %s%s that can be solved here: it offers %s",
	    z->wildcard ? "*." : "", z->name, offered(g->s, v, n, types, sizeof types));
	return failure_note(g->s->error, ERR_MALFORMED, CHANCERY_VALIDATION, CHANCERY_FAULT_CALLER, "set up a way to solve one of these");
}

static const struct solver *solver_of(const struct solving *g, const struct authz *z)
{
	return &g->solvers->of[z->offers[z->at].type];
}

static const char *solver_tells(const struct solving *g, const struct authz *z)
{
	const struct solver *solver = solver_of(g, z);

	return z->n_offers > 0 && solver->tell ? solver->tell(solver->context) : "";
}

/* An authorization that is over: tells why as well as anybody can. The error is the one of the challenge that was solved, or else of any. */
static enum err_code authz_failed(struct solving *g, const struct authz *z, const struct bytes *v, size_t n, struct err *e)
{
	char doing[400];
	const char *hint = solver_tells(g, z);
	struct challenge_json c = { 0 };
	bool told = false;

	if (z->n_offers > 0)
		told = find_challenge(g->s, v, n, z->offers[z->at].type, &c) && c.error.len && c.error.ptr[0] == '{';
	for (unsigned t = 0; !told && t < CHALLENGE_TYPE__MAX; t++)
		told = find_challenge(g->s, v, n, (enum challenge_type)t, &c) && c.error.len && c.error.ptr[0] == '{';
	(void)snprintf(doing, sizeof doing, "%s: the server could not validate it", z->name);
	if (told) {
		enum err_code rc = problem_document_read(g->s->error, g->s->scratch, c.error, 0, PROBLEM_OF_VALIDATION, doing, e);
		if (*hint)
			(void)snprintf(g->s->error->hint, sizeof g->s->error->hint, "%s", hint);
		return rc;
	}
	(void)err_set(e, ERR_UNAUTHORIZED, __FILE__, __LINE__, "%s: its authorization is %s and the server does not say why", z->name,
	    authz_state_name(z->state));
	return failure_note(
	    g->s->error, ERR_UNAUTHORIZED, CHANCERY_VALIDATION, CHANCERY_FAULT_NAME, *hint ? hint : "try again: a new order is made then");
}

/* Of an authorization that is pending still: servers like step-ca leave it so, whatever becomes of the challenge. */
static enum err_code look_at_challenge(struct solving *g, const struct bytes *v, size_t n, struct authz *z, struct err *e)
{
	struct challenge_json c = { 0 };

	z->in_vain = false;
	if (z->n_offers == 0 || !find_challenge(g->s, v, n, z->offers[z->at].type, &c))
		return ERR_OK;
	struct bytes status = problem_string(g->s->scratch, c.status);
	z->in_vain = bytes_eq_str(status, "pending") && c.error.len && c.error.ptr[0] == '{';
	if (bytes_eq_str(status, "invalid") || (z->in_vain && z->looks >= LOOKS_MAX))
		return authz_failed(g, z, v, n, e);
	return ERR_OK;
}

/* Reads an authorization's state, and at first what has to be solved. */
static enum err_code take_authz(struct solving *g, struct bytes body, struct authz *z, bool first, struct err *e)
{
	struct authz_json j = { 0 };
	struct bytes *v;
	size_t n;

	TRY(json_read(g->s->scratch, body, "the server's authorization", authz_fields, sizeof authz_fields / sizeof *authz_fields, &j, e));
	if (!authz_state_from_name(j.status, &z->state))
		FAIL(e, MALFORMED, "the authorization has a status that ACME does not know: \"%.*s\"", BYTES_FMT(j.status));
	if (first)
		TRY(check_name(g, &j, z, e));
	if (z->state == AUTHZ_VALID)
		return ERR_OK;
	TRY(json_elements(g->s->scratch, j.challenges, CHALLENGES_MAX, &v, &n, e));
	if (z->state != AUTHZ_PENDING)
		return authz_failed(g, z, v, n, e);
	return first ? fill_offers(g, v, n, z, e) : look_at_challenge(g, v, n, z, e);
}

static enum err_code read_all(struct solving *g, const struct order *o, struct err *e)
{
	struct http_client_answer answer;

	for (size_t i = 0; i < g->n; i++) {
		struct authz *z = &g->v[i];
		z->url = o->authz_urls[i];
		session_doing(g->s, "reading the authorization %.300s", z->url);
		TRY(session_post(g->s, z->url, BYTES_NONE, NULL, &answer, e));
		TRY(take_authz(g, answer.body, z, true, e));
		if (z->state == AUTHZ_VALID)
			TRY(session_tell(g->s, e, CHANCERY_STEP_VALIDATED, "%s is validated already", z->name));
	}
	return ERR_OK;
}

static struct chancery_challenge challenge_of(const struct authz *z)
{
	const struct offer *o = &z->offers[z->at];

	return (struct chancery_challenge){ .type = challenge_type_name(o->type),
		.name = z->name,
		.token = o->token,
		.key_authorization = o->key_authorization,
		.digest = o->digest,
		.record = *o->record ? o->record : NULL,
		.wildcard = z->wildcard,
		.valid = z->state == AUTHZ_VALID };
}

static enum err_code solver_failed(struct solving *g, const struct authz *z, const char *what, struct err *e)
{
	return session_stopped(g->s, what, solver_tells(g, z), e);
}

/* A solver's function and what it is called with. */
struct solver_call {
	const struct solver *solver;
	struct chancery_challenge challenge;
};

static int call_deploy(void *arg)
{
	const struct solver_call *c = arg;

	return c->solver->deploy(c->solver->context, &c->challenge);
}

static int call_clean_up(void *arg)
{
	const struct solver_call *c = arg;

	c->solver->clean_up(c->solver->context, &c->challenge);
	return 0;
}

static int call_ready(void *arg)
{
	const struct solvers *s = arg;

	return s->ready(s->ready_context);
}

/* The first offer whose solver does not decline. */
static enum err_code deploy(struct solving *g, struct authz *z, unsigned remaining, struct err *e)
{
	int rc = CHANCERY_DECLINE;

	for (size_t i = 0; i < z->n_offers && rc == CHANCERY_DECLINE; i++) {
		z->at = i;
		struct solver_call c = { solver_of(g, z), challenge_of(z) };
		c.challenge.remaining = remaining;
		session_doing(g->s, "putting the answer for %s in place (%s)", z->name, c.challenge.type);
		z->deployed = true; /* also when it does not come back: what it has begun has to be taken away */
		TRY(session_call(g->s, SESSION_CALL_ASK, call_deploy, &c, &rc, e));
		z->deployed = rc == 0;
	}
	if (rc != 0)
		return solver_failed(
		    g, z, rc == CHANCERY_DECLINE ? "the solver takes no challenge that is offered" : "the solver failed", e);
	return ERR_OK;
}

static enum err_code tell_deployed(struct solving *g, const struct authz *z, struct err *e)
{
	const struct offer *o = &z->offers[z->at];

	switch (o->type) {
	case CHALLENGE_TYPE_HTTP_01:
		return session_tell(
		    g->s, e, CHANCERY_STEP_CHALLENGE, "%s: the server may look at http://%s/.well-known/acme-challenge/", z->name, z->name);
	case CHALLENGE_TYPE_DNS_01:
		return session_tell(g->s, e, CHANCERY_STEP_CHALLENGE, "%s: the server may look at TXT %s", z->name, o->record);
	case CHALLENGE_TYPE_TLS_ALPN_01:
		return session_tell(g->s, e, CHANCERY_STEP_CHALLENGE, "%s: the server may look at its port 443", z->name);
	case CHALLENGE_TYPE__MAX:
		break;
	}
	FAIL(e, BUG, "a challenge of type %d", (int)o->type);
}

/* "The client indicates to the server that it is ready": an empty object (RFC 8555 §7.5.1). */
static enum err_code ask_to_look(struct solving *g, struct authz *z, struct err *e)
{
	struct http_client_answer answer;

	z->looks++;
	session_doing(g->s, "telling the server that the answer for %s is in place", z->name);
	TRY(session_post(g->s, z->offers[z->at].url, BYTES_LIT("{}"), NULL, &answer, e));
	/* Only whether a poll at once is worth it: what counts is the authorization. */
	struct challenge_json c = { 0 };
	if (json_read(g->s->scratch, answer.body, "the challenge", challenge_fields, sizeof challenge_fields / sizeof *challenge_fields, &c,
		NULL) == ERR_OK) {
		struct bytes status = problem_string(g->s->scratch, c.status);
		z->seen = bytes_eq_str(status, "valid") || bytes_eq_str(status, "invalid");
	}
	return ERR_OK;
}

static enum err_code respond(struct solving *g, struct authz *z, struct err *e)
{
	TRY(tell_deployed(g, z, e));
	return z->offers[z->at].begun ? ERR_OK : ask_to_look(g, z, e);
}

/* "the client SHOULD send POST-as-GET requests to the authorization's URL" (RFC 8555 §7.5.1). */
static enum err_code await(struct solving *g, struct authz *z, struct err *e)
{
	struct http_client_answer answer = { 0 };

	for (unsigned n = 0; z->state == AUTHZ_PENDING; n++) {
		session_doing(g->s, "waiting for the validation of %s", z->name);
		if (n > 0 || !z->seen)
			TRY(session_pause(g->s, &answer, n, "the validation is not done yet", e));
		if (z->in_vain)
			TRY(ask_to_look(g, z, e));
		session_doing(g->s, "waiting for the validation of %s", z->name);
		TRY(session_post(g->s, z->url, BYTES_NONE, NULL, &answer, e));
		TRY(take_authz(g, answer.body, z, false, e));
	}
	return session_tell(g->s, e, CHANCERY_STEP_VALIDATED, "%s is validated", z->name);
}

static enum err_code solve(struct solving *g, struct err *e)
{
	bool pending[ENGINE_NAMES_MAX];
	unsigned remaining = 0;
	int rc = 0;

	for (size_t i = 0; i < g->n; i++) {
		pending[i] = g->v[i].state == AUTHZ_PENDING;
		remaining += pending[i];
	}
	for (size_t i = 0; i < g->n; i++)
		if (pending[i])
			TRY(deploy(g, &g->v[i], --remaining, e));
	if (g->solvers->ready) {
		session_doing(g->s, "waiting until the answers can be seen");
		TRY(session_call(g->s, SESSION_CALL_ASK, call_ready, (void *)(uintptr_t)g->solvers, &rc, e));
		if (rc != 0)
			return solver_failed(g, &g->v[0], "the answers cannot be seen", e);
	}
	for (size_t i = 0; i < g->n; i++)
		if (pending[i])
			TRY(respond(g, &g->v[i], e));
	for (size_t i = 0; i < g->n; i++)
		if (pending[i])
			TRY(await(g, &g->v[i], e));
	return ERR_OK;
}

static void clean_up(struct solving *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].deployed && solver_of(g, &g->v[i])->clean_up) {
			struct solver_call c = { solver_of(g, &g->v[i]), challenge_of(&g->v[i]) };
			int ignored;
			MAY_FAIL(session_call(g->s, SESSION_CALL_UNDO, call_clean_up, &c, &ignored, NULL)); /* it tells nothing */
		}
}

enum err_code authz_solve_all(
    struct session *s, const struct order *o, const struct identifier *names, size_t n, const struct solvers *solvers, struct err *e)
{
	struct solving g = { .s = s, .solvers = solvers, .names = names, .n_names = n, .n = o->n_authz };

	g.v = arena_array(s->arena, g.n ? g.n : 1, sizeof *g.v);
	if (!g.v || g.n > ENGINE_NAMES_MAX)
		FAIL(e, NOMEM, "no memory for %zu authorizations", g.n);
	TRY(read_all(&g, o, e));
	enum err_code rc = solve(&g, e);
	clean_up(&g);
	return rc;
}
