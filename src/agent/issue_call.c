#include "agent/issue_call.h"

#include "acme/identifier.h"
#include "agent/hook.h"
#include "agent/tsig_key.h"
#include "base/codec.h"
#include "client/listener.h"
#include "client/webroot.h"
#include "crypto/digest.h"
#include "jose/jwk.h"

#include <errno.h>
#include <string.h>

#define TOKEN_MAX 255
#define MARGIN_MS 60000 /* beyond the deadline that the process keeps itself: hooks that clean up */

/* What an issuance holds here. */
struct solving {
	const struct issue_call *c;
	struct hook *hook;
	struct webroot *webroot;
	struct tsig_key tsig;
	uint8_t thumbprint[THUMBPRINT_SIZE];
	struct err stopped; /* why we ended it */
};

static void solving_close(struct solving *s)
{
	hook_free(s->hook);
	webroot_free(s->webroot);
	tsig_key_free(&s->tsig);
}

/* --- a challenge, as far as the network process may say what it is --- */

struct challenge_json {
	struct bytes type, name, token;
	struct json_bool wildcard, valid;
	struct json_uint remaining;
};
static const struct json_field challenge_fields[] = {
	JSON_FIELD(struct challenge_json, type, "type", JSON_STRING, true, 32),
	JSON_FIELD(struct challenge_json, name, "name", JSON_STRING, true, 255),
	JSON_FIELD(struct challenge_json, token, "token", JSON_STRING, true, TOKEN_MAX),
	JSON_FIELD(struct challenge_json, wildcard, "wildcard", JSON_BOOL, true, 0),
	JSON_FIELD(struct challenge_json, valid, "valid", JSON_BOOL, true, 0),
	JSON_FIELD(struct challenge_json, remaining, "remaining", JSON_UINT, true, 0),
};

static const char *wished_name(const struct wish *w, struct bytes name, bool wildcard)
{
	for (size_t i = 0; i < w->n_names; i++) {
		bool star = strncmp(w->names[i], "*.", 2) == 0;
		if (star == wildcard && bytes_eq_str(name, w->names[i] + (star ? 2 : 0)))
			return w->names[i] + (star ? 2 : 0);
	}
	return NULL;
}

/* What a program or a web server is given is made here anew: of what the other process says, the token alone goes further, and only as base64url. */
static enum err_code challenge_of(
    const struct solving *s, struct arena *a, const struct challenge_json *j, struct chancery_challenge *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(1024);
	char digest_text[BASE64URL_LEN(SHA256_SIZE) + 1];
	uint8_t digest[SHA256_SIZE];
	enum challenge_type type;

	errno = 0;
	const char *name = wished_name(s->c->wish, j->name, j->wildcard.value);
	if (!challenge_type_from_name(j->type, &type) || !name || !base64url_is(j->token))
		FAIL(e, MALFORMED, "a challenge for what was not asked for");
	key_authorization(j->token, s->thumbprint, &text);
	sha256_one(buf_bytes(&text), digest);
	base64url_encode(BYTES_ARRAY(digest), digest_text);
	struct chancery_challenge c = { .type = challenge_type_name(type),
		.name = name,
		.token = arena_str(a, j->token),
		.key_authorization = buf_ok(&text) ? arena_str(a, buf_bytes(&text)) : NULL,
		.digest = arena_str(a, bytes_str(digest_text)),
		.wildcard = j->wildcard.value,
		.remaining = (unsigned)j->remaining.value,
		.valid = j->valid.value };
	if (type == CHALLENGE_TYPE_DNS_01)
		c.record = (const char *)arena_fmt(a, "_acme-challenge.%s", name).ptr;
	if (!c.token || !c.key_authorization || !c.digest || (type == CHALLENGE_TYPE_DNS_01 && !c.record))
		FAIL(e, NOMEM, "no memory for a challenge");
	*ret = c;
	return ERR_OK;
}

static enum err_code solve(struct solving *s, struct arena *a, bool deploy, struct bytes json, struct json_out *answer, struct err *e)
{
	struct challenge_json j = { .type = BYTES_NONE };
	struct chancery_challenge c;
	int code = 0;

	TRY(json_read(a, json, "a challenge", challenge_fields, sizeof challenge_fields / sizeof *challenge_fields, &j, e));
	TRY(challenge_of(s, a, &j, &c, e));
	bool hooked = wish_is_hooked(s->c->wish, c.type);
	errno = 0;
	if (!hooked && !(s->webroot && strcmp(c.type, "http-01") == 0))
		FAIL(e, MALFORMED, "%s is solved by nothing here", c.type);
	if (hooked && deploy)
		code = hook_deploy(s->hook, &c);
	else if (hooked)
		hook_clean_up(s->hook, &c);
	else if (deploy)
		code = webroot_deploy(s->webroot, &c);
	else
		webroot_clean_up(s->webroot, &c);
	if (code < 0)
		FAIL(e, CRYPTO, "the solver failed");
	json_put_member_uint(answer, "code", (uint64_t)code);
	return ERR_OK;
}

/* --- what the process asks --- */

struct progress_json {
	struct json_uint step;
	struct bytes text;
};
static const struct json_field progress_fields[] = {
	JSON_FIELD(struct progress_json, step, "step", JSON_UINT, true, 0),
	JSON_FIELD(struct progress_json, text, "text", JSON_STRING, true, 0),
};

static enum err_code progress(const struct issue_call *c, struct arena *a, struct bytes json, struct json_out *answer, struct err *e)
{
	struct progress_json j = { .text = BYTES_NONE };
	const char *text;

	TRY(json_read(a, json, "a step", progress_fields, 2, &j, e));
	TRY(talk_text(a, j.text, &text, e));
	json_put_member_uint(answer, "code", c->progress(c->context, (enum chancery_step)j.step.value, text) != 0);
	return ERR_OK;
}

struct order_json {
	struct bytes url;
};
static const struct json_field order_fields[] = { JSON_FIELD(struct order_json, url, "url", JSON_STRING, true, 2048) };

static enum err_code order_made(struct solving *s, struct arena *a, struct bytes json, struct json_out *answer, struct err *e)
{
	struct order_json j = { .url = BYTES_NONE };
	const char *url;

	TRY(json_read(a, json, "an order", order_fields, 1, &j, e));
	TRY(talk_text(a, j.url, &url, e));
	bool fails = s->c->order_made && s->c->order_made(s->c->context, url, &s->stopped) != ERR_OK;
	json_put_member_uint(answer, "code", fails);
	return ERR_OK;
}

static enum err_code asked(void *context, struct arena *a, const char *what, struct bytes json, struct json_out *answer, struct err *e)
{
	struct solving *s = context;

	if (strcmp(what, "deploy") == 0 || strcmp(what, "clean_up") == 0)
		return solve(s, a, *what == 'd', json, answer, e);
	if (strcmp(what, "order") == 0)
		return order_made(s, a, json, answer, e);
	if (strcmp(what, "progress") == 0)
		return progress(s->c, a, json, answer, e);
	if (ca_asked(s->c->crew, a, what, json, answer, e) == ERR_OK)
		return ERR_OK;
	s->stopped = *e;
	return e->code;
}

/* --- how challenges are solved --- */

static enum err_code hand_socket(struct crew *crew, struct arena *a, const char *type, unsigned family, int fd, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new(256);
	struct json_out j = json_out_to(&json);
	struct bytes answer;

	json_put_object(&j);
	json_put_member_str(&j, "type", type);
	json_put_member_uint(&j, "family", family);
	json_end_object(&j);
	return crew_net_call(
	    crew, a, &(struct peer_call){ .name = "listen", .json = buf_bytes(&json), .fd = fd, .timeout_ms = MARGIN_MS }, &answer, e);
}

/* Ports below 1024 are for root, and the other process is not: so we listen, and it answers. */
enum err_code issue_hand_sockets(struct crew *crew, struct arena *a, const struct wish *w, const char *type, struct err *e)
{
	bool http = strcmp(type, "http-01") == 0;
	int sockets[2];
	enum err_code rc = ERR_OK;

	TRY(listener_sockets(
	    given_value(w->given, http ? "http-address" : "tls-address", NULL), http ? w->http_port : w->tls_port, sockets, e));
	for (unsigned f = 0; rc == ERR_OK && f < 2; f++)
		rc = hand_socket(crew, a, type, f, sockets[f], e); /* -1: none any more */
	close_p(&sockets[0]);
	close_p(&sockets[1]);
	return rc;
}

static enum err_code put_way(struct solving *s, struct arena *a, const char *type, struct json_out *j, struct err *e)
{
	const struct wish *w = s->c->wish;
	const char *by = "program";

	if (strcmp(type, "dns-01") == 0 && w->dns_server)
		by = "dns-update";
	else if (wish_is_hooked(w, type))
		by = "program";
	else if (strcmp(type, "http-01") == 0 && given_flag(w->given, "stateless"))
		by = "stateless";
	else if (strcmp(type, "http-01") == 0 && given_flag(w->given, "webroot"))
		TRY(s->webroot ? ERR_OK : webroot_new(given_value(w->given, "webroot", NULL), &s->webroot, e));
	else
		by = "sockets";
	if (strcmp(by, "sockets") == 0)
		TRY(issue_hand_sockets(s->c->crew, a, w, type, e));
	json_put_object(j);
	json_put_member_str(j, "type", type);
	json_put_member_str(j, "by", by);
	json_end_object(j);
	return ERR_OK;
}

static enum err_code put_ways(struct solving *s, struct arena *a, struct json_out *j, struct err *e)
{
	const struct wish *w = s->c->wish;
	const char *type;

	json_put_key(j, "ways");
	json_put_array(j);
	for (size_t i = 0; (type = wish_way(w, i)) != NULL; i++)
		TRY(put_way(s, a, type, j, e));
	json_end_array(j);
	return ERR_OK;
}

enum err_code issue_put_update(const struct wish *w, struct tsig_key *tsig, struct json_out *j, struct err *e)
{
	const char *key = given_value(w->given, "tsig-key", NULL);

	if (!w->dns_server)
		return ERR_OK;
	json_put_key(j, "dns_update");
	json_put_object(j);
	json_put_member_str(j, "server", w->dns_server);
	if (key) {
		TRY(tsig_key_read(key, tsig, e));
		json_put_member_str(j, "name", tsig->name);
		json_put_member_str(j, "algorithm", tsig->algorithm);
		json_put_member_str(j, "secret", (const char *)tsig->secret.ptr);
	}
	json_end_object(j);
	return ERR_OK;
}

/* --- the call --- */

static void put_optional(struct json_out *j, const char *member, const char *value)
{
	if (value)
		json_put_member_str(j, member, value);
}

void issue_put_resolvers(const struct wish *w, struct json_out *j)
{
	const char *resolver;

	json_put_key(j, "resolvers");
	json_put_array(j);
	for (size_t i = 0; (resolver = given_nth(w->given, "resolver", i)) != NULL; i++)
		json_put_string(j, bytes_str(resolver));
	json_end_array(j);
}

/* What CAA records call the CA, as its entry says, and who is asked for them. */
static void put_dns(const struct issue_call *c, struct json_out *j)
{
	json_put_key(j, "caa");
	json_put_array(j);
	for (size_t i = 0; c->ca->entry && i < c->ca->entry->caa.n; i++)
		json_put_string(j, bytes_str(c->ca->entry->caa.v[i]));
	json_end_array(j);
	json_put_member_uint(j, "propagation", c->wish->propagation_s);
	issue_put_resolvers(c->wish, j);
}

static enum err_code put_all(struct solving *s, struct arena *a, struct buf *out, struct err *e)
{
	const struct issue_call *c = s->c;
	struct json_out j = json_out_to(out);

	json_put_object(&j);
	TRY(ca_wish_put(c->ca, &j, e));
	if (c->wish->csr)
		json_put_member_str(&j, "csr", c->wish->csr);
	else
		talk_put_bytes(&j, "key", c->key);
	json_put_member_bool(&j, "must_staple", given_flag(c->wish->given, "must-staple"));
	put_optional(&j, "resume", c->resume);
	put_optional(&j, "profile", given_value(c->wish->given, "profile", NULL));
	put_optional(&j, "preferred_chain", given_value(c->wish->given, "preferred-chain", NULL));
	if (c->replaces.ptr)
		json_put_member(&j, "replaces", c->replaces);
	json_put_member_strs(&j, "names", c->wish->names, c->wish->n_names);
	put_dns(c, &j);
	TRY(put_ways(s, a, &j, e));
	TRY(issue_put_update(s->c->wish, &s->tsig, &j, e));
	json_end_object(&j);
	errno = 0;
	if (!buf_ok(out))
		FAIL(e, TOO_LARGE, "too much for one request");
	return ERR_OK;
}

struct issued_json {
	struct bytes fullchain, certificate, order, account;
	struct json_uint leaf_len, not_before, not_after;
};
static const struct json_field issued_fields[] = {
	JSON_FIELD(struct issued_json, fullchain, "fullchain", JSON_STRING, true, 0),
	JSON_FIELD(struct issued_json, certificate, "certificate", JSON_STRING, true, 2048),
	JSON_FIELD(struct issued_json, order, "order", JSON_STRING, true, 2048),
	JSON_FIELD(struct issued_json, account, "account", JSON_STRING, true, 2048),
	JSON_FIELD(struct issued_json, leaf_len, "leaf_len", JSON_UINT, true, 0),
	JSON_FIELD(struct issued_json, not_before, "not_before", JSON_UINT, true, 0),
	JSON_FIELD(struct issued_json, not_after, "not_after", JSON_UINT, true, 0),
};

static enum err_code take(struct arena *a, struct bytes answer, struct issued *ret, struct err *e)
{
	struct issued_json j = { .fullchain = BYTES_NONE };
	struct issued i = { .fullchain = BYTES_NONE };

	TRY(json_read(a, answer, "a certificate", issued_fields, sizeof issued_fields / sizeof *issued_fields, &j, e));
	errno = 0;
	if (j.leaf_len.value > j.fullchain.len)
		FAIL(e, MALFORMED, "a chain that is shorter than its certificate");
	i.fullchain = j.fullchain;
	i.leaf_len = (size_t)j.leaf_len.value;
	i.not_before_s = (int64_t)j.not_before.value;
	i.not_after_s = (int64_t)j.not_after.value;
	TRY(talk_text(a, j.certificate, &i.certificate_url, e));
	TRY(talk_text(a, j.order, &i.order_url, e));
	TRY(talk_text(a, j.account, &i.account_url, e));
	*ret = i;
	return ERR_OK;
}

static enum err_code thumbprint(const struct issue_call *c, uint8_t ret[THUMBPRINT_SIZE], struct err *e)
{
	CLEANUP(key_free_p) struct key *key = NULL;

	TRY(key_from_spki(c->ca->account, &key, e));
	jwk_thumbprint(key, ret);
	return ERR_OK;
}

/* What a hook said is known here; of an update, the other process tells it. */
static void tell_solver(const struct solving *s, struct arena *a, struct outcome *out)
{
	const char *why = s->hook ? hook_failure(s->hook) : "";
	const char *hint = s->webroot ? webroot_tell(s->webroot) : "";

	if (out->result == CHANCERY_OK)
		return;
	if (*why)
		out->solver = arena_str(a, bytes_str(why));
	if (*hint && out->result == CHANCERY_CALLBACK)
		out->hint = arena_str(a, bytes_str(hint));
	out->solver = out->solver ? out->solver : "";
	out->hint = out->hint ? out->hint : "";
}

enum err_code issue_call(const struct issue_call *c, struct arena *a, struct issued *ret, struct outcome *out, struct err *e)
{
	CLEANUP(solving_close) struct solving s = { .c = c };
	CLEANUP(buf_free_p) struct buf json = buf_new_secret(CHANNEL_BODY_MAX);
	struct bytes answer;

	TRY(thumbprint(c, s.thumbprint, e));
	if (c->wish->hook.program)
		TRY(hook_new(&c->wish->hook, c->crew, &s.hook, e));
	TRY(put_all(&s, a, &json, e));
	struct peer_call p = { .name = "issue",
		.json = buf_bytes(&json),
		.fd = -1,
		.asked = asked,
		.context = &s,
		.timeout_ms = c->ca->timeout_s * 1000 + MARGIN_MS + c->wish->hook.timeout_s * 1000 };
	TRY(crew_net_call(c->crew, a, &p, &answer, e));
	TRY(outcome_read(a, answer, out, e));
	if (s.stopped.code != ERR_OK) {
		*e = s.stopped;
		return e->code;
	}
	tell_solver(&s, a, out);
	return out->result == CHANCERY_OK ? take(a, answer, ret, e) : ERR_OK;
}
