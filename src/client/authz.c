#include "client/engine.h"

#include "base/codec.h"
#include "base/json.h"
#include "client/problem.h"
#include "jose/jwk.h"

#include <stdio.h>
#include <string.h>

#define CHALLENGES_MAX 64
#define TOKEN_MAX      255 /* a file's name has no more */

struct authz {
	const char *url, *name, *challenge_url, *token, *key_authorization;
	enum authz_state state;
	bool deployed;
	bool begun; /* the server looks already, from an earlier order's request */
	bool seen;  /* the server has looked before it answered */
};

/* What the engine holds while it solves. */
struct solving {
	struct session *s;
	const struct solver *solver;
	const struct identifier *names;
	size_t n_names;
	struct authz *v;
	size_t n;
};

struct authz_json {
	struct bytes status, identifier, challenges;
};
static const struct json_field authz_fields[] = {
	JSON_FIELD(struct authz_json, status, "status", JSON_STRING, true, 32),
	JSON_FIELD(struct authz_json, identifier, "identifier", JSON_OBJECT, true, 0),
	JSON_FIELD(struct authz_json, challenges, "challenges", JSON_ARRAY, true, 0),
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

/* The http-01 challenge of an authorization, if there is one. */
static enum err_code find_challenge(struct session *s, struct bytes array, struct challenge_json *ret, bool *ret_found, struct err *e)
{
	struct bytes *v;
	size_t n;

	*ret_found = false;
	TRY(json_elements(s->scratch, array, CHALLENGES_MAX, &v, &n, e));
	for (size_t i = 0; i < n && !*ret_found; i++) {
		struct challenge_json c = { 0 };
		if (v[i].len == 0 || v[i].ptr[0] != '{' ||
		    json_read(s->scratch, v[i], "a challenge", challenge_fields, sizeof challenge_fields / sizeof *challenge_fields, &c,
			NULL) != ERR_OK)
			continue;
		if (!bytes_eq_str(problem_string(s->scratch, c.type), challenge_type_name(CHALLENGE_TYPE_HTTP_01)))
			continue;
		*ret = c;
		*ret_found = true;
	}
	return ERR_OK;
}

static enum err_code check_name(struct solving *g, struct bytes identifier, struct authz *z, struct err *e)
{
	struct identifier_json j = { 0 };
	struct identifier id;

	TRY(json_read(g->s->scratch, identifier, "the authorization's identifier", identifier_fields, 2, &j, e));
	TRY(identifier_parse(g->s->scratch, j.type, j.value, &id, e));
	for (size_t i = 0; i < g->n_names; i++)
		if (bytes_eq(g->names[i].value, id.value)) {
			z->name = arena_str(g->s->arena, id.value);
			if (!z->name)
				FAIL(e, NOMEM, "no memory for an authorization");
			return ERR_OK;
		}
	FAIL(e, MALFORMED, "the server wants an authorization for %.*s, which was not asked for", BYTES_FMT(id.value));
}

static enum err_code fill_challenge(struct session *s, const struct challenge_json *c, struct authz *z, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(1024);
	struct bytes token = problem_string(s->scratch, c->token);
	uint8_t thumbprint[THUMBPRINT_SIZE];

	/* A token becomes a file's name and a part of a URL: nothing but base64url may pass (RFC 8555 §8.3, §11.4). */
	if (!token.ptr || !base64url_is(token) || token.len > TOKEN_MAX)
		FAIL(e, MALFORMED, "the http-01 challenge for %s has a token that is not base64url", z->name);
	TRY(session_url(s, problem_string(s->scratch, c->url), "the http-01 challenge", &z->challenge_url, e));
	z->begun = bytes_eq_str(problem_string(s->scratch, c->status), "processing");
	jwk_thumbprint(s->account->key, thumbprint);
	key_authorization(token, thumbprint, &text);
	z->token = arena_str(s->arena, token);
	z->key_authorization = buf_ok(&text) ? arena_str(s->arena, buf_bytes(&text)) : NULL;
	if (!z->token || !z->key_authorization)
		FAIL(e, NOMEM, "no memory for a challenge");
	return ERR_OK;
}

static const char *solver_tells(const struct solver *solver)
{
	return solver->tell ? solver->tell(solver->context) : "";
}

/* An authorization that is over: tells why as well as anybody can. */
static enum err_code authz_failed(struct solving *g, const struct authz *z, const struct challenge_json *c, struct err *e)
{
	char doing[400];
	const char *hint = solver_tells(g->solver);

	(void)snprintf(doing, sizeof doing, "%s: the server could not validate it", z->name);
	if (c && c->error.len && c->error.ptr[0] == '{') {
		enum err_code rc = problem_read(g->s->error, g->s->scratch, c->error, 0, PROBLEM_OF_VALIDATION, doing, e);
		if (*hint)
			(void)snprintf(g->s->error->hint, sizeof g->s->error->hint, "%s", hint);
		return rc;
	}
	(void)err_set(e, ERR_UNAUTHORIZED, __FILE__, __LINE__, "%s: its authorization is %s and the server does not say why", z->name,
	    authz_state_name(z->state));
	return failure_note(
	    g->s->error, ERR_UNAUTHORIZED, CHANCERY_VALIDATION, CHANCERY_FAULT_NAME, *hint ? hint : "try again: a new order is made then");
}

/* Reads an authorization's state, and at first what has to be solved. */
static enum err_code take_authz(struct solving *g, struct bytes body, struct authz *z, bool first, struct err *e)
{
	struct authz_json j = { 0 };
	struct challenge_json c = { 0 };
	bool found;

	TRY(json_read(g->s->scratch, body, "the server's authorization", authz_fields, sizeof authz_fields / sizeof *authz_fields, &j, e));
	if (!authz_state_from_name(j.status, &z->state))
		FAIL(e, MALFORMED, "the authorization has a status that ACME does not know: \"%.*s\"", BYTES_FMT(j.status));
	if (first)
		TRY(check_name(g, j.identifier, z, e));
	if (z->state == AUTHZ_VALID)
		return ERR_OK;
	TRY(find_challenge(g->s, j.challenges, &c, &found, e));
	if (z->state != AUTHZ_PENDING)
		return authz_failed(g, z, found ? &c : NULL, e);
	if (!first)
		return ERR_OK;
	if (!found) {
		(void)err_set(e, ERR_MALFORMED, __FILE__, __LINE__, "the server offers no http-01 challenge for %s", z->name);
		return failure_note(g->s->error, ERR_MALFORMED, CHANCERY_PROTOCOL, CHANCERY_FAULT_SERVER,
		    "this CA wants the name proved in a way that is not known here");
	}
	return fill_challenge(g->s, &c, z, e);
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
	return (struct chancery_challenge){ challenge_type_name(CHALLENGE_TYPE_HTTP_01), z->name, z->token, z->key_authorization };
}

static enum err_code deploy(struct solving *g, struct authz *z, struct err *e)
{
	struct chancery_challenge c = challenge_of(z);

	session_doing(g->s, "putting the answer for %s in place", z->name);
	if (g->solver->deploy(g->solver->context, &c) != 0) {
		(void)err_set(e, ERR_CRYPTO, __FILE__, __LINE__, "the solver failed");
		return failure_note(g->s->error, ERR_CRYPTO, CHANCERY_CALLBACK, CHANCERY_FAULT_CALLER, solver_tells(g->solver));
	}
	z->deployed = true;
	return ERR_OK;
}

/* "The client indicates to the server that it is ready": an empty object (RFC 8555 §7.5.1). */
static enum err_code respond(struct solving *g, struct authz *z, struct err *e)
{
	struct http_client_answer answer;

	TRY(session_tell(
	    g->s, e, CHANCERY_STEP_CHALLENGE, "%s: the server may look at http://%s/.well-known/acme-challenge/", z->name, z->name));
	if (z->begun)
		return ERR_OK;
	session_doing(g->s, "telling the server that the answer for %s is in place", z->name);
	TRY(session_post(g->s, z->challenge_url, BYTES_LIT("{}"), NULL, &answer, e));
	/* Only whether a poll at once is worth it: what counts is the authorization. */
	struct challenge_json c = { 0 };
	if (json_read(g->s->scratch, answer.body, "the challenge", challenge_fields, sizeof challenge_fields / sizeof *challenge_fields, &c,
		NULL) == ERR_OK) {
		struct bytes status = problem_string(g->s->scratch, c.status);
		z->seen = bytes_eq_str(status, "valid") || bytes_eq_str(status, "invalid");
	}
	return ERR_OK;
}

/* "the client SHOULD send POST-as-GET requests to the authorization's URL" (RFC 8555 §7.5.1). */
static enum err_code await(struct solving *g, struct authz *z, struct err *e)
{
	struct http_client_answer answer = { 0 };

	for (unsigned n = 0; z->state == AUTHZ_PENDING; n++) {
		session_doing(g->s, "waiting for the validation of %s", z->name);
		if (n > 0 || !z->seen)
			TRY(session_pause(g->s, &answer, n, "the validation is not done yet", e));
		TRY(session_post(g->s, z->url, BYTES_NONE, NULL, &answer, e));
		TRY(take_authz(g, answer.body, z, false, e));
	}
	return session_tell(g->s, e, CHANCERY_STEP_VALIDATED, "%s is validated", z->name);
}

static enum err_code solve(struct solving *g, struct err *e)
{
	bool pending[ENGINE_NAMES_MAX];

	for (size_t i = 0; i < g->n; i++)
		pending[i] = g->v[i].state == AUTHZ_PENDING;
	for (size_t i = 0; i < g->n; i++)
		if (pending[i])
			TRY(deploy(g, &g->v[i], e));
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
		if (g->v[i].deployed && g->solver->clean_up) {
			struct chancery_challenge c = challenge_of(&g->v[i]);
			g->solver->clean_up(g->solver->context, &c);
		}
}

enum err_code authz_solve_all(
    struct session *s, const struct order *o, const struct identifier *names, size_t n, const struct solver *solver, struct err *e)
{
	struct solving g = { .s = s, .solver = solver, .names = names, .n_names = n, .n = o->n_authz };

	g.v = arena_array(s->arena, g.n ? g.n : 1, sizeof *g.v);
	if (!g.v || g.n > ENGINE_NAMES_MAX)
		FAIL(e, NOMEM, "no memory for %zu authorizations", g.n);
	TRY(read_all(&g, o, e));
	enum err_code rc = solve(&g, e);
	clean_up(&g);
	return rc;
}
