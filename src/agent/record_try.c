#include "agent/record_try.h"

#include "agent/issue_call.h"
#include "base/codec.h"
#include "crypto/digest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MARGIN_MS 120000 /* updates, and what is taken away again */

struct record {
	char token[BASE64URL_LEN(16) + 1], text[BASE64URL_LEN(16) + BASE64URL_LEN(32) + 2], digest[BASE64URL_LEN(SHA256_SIZE) + 1];
	char at[300];
	struct chancery_challenge c;
};
struct trial {
	struct crew *crew;
	const struct wish *wish;
	bool (*stopped)(void);
	struct record *v;
	size_t n, placed;
	struct hook *hook; /* NULL: by an update, which the process makes itself */
};

static void trial_close(struct trial *t)
{
	for (size_t i = 0; i < t->placed; i++)
		hook_clean_up(t->hook, &t->v[i].c);
	hook_free(t->hook);
}

static void make_record(struct record *r, const char *name)
{
	bool wildcard = strncmp(name, "*.", 2) == 0;
	char thumbprint[BASE64URL_LEN(32) + 1];
	uint8_t random[48], digest[SHA256_SIZE];

	random_bytes(random, sizeof random);
	base64url_encode((struct bytes){ random, 16 }, r->token);
	base64url_encode((struct bytes){ random + 16, 32 }, thumbprint);
	(void)snprintf(r->text, sizeof r->text, "%s.%s", r->token, thumbprint);
	sha256_one(bytes_str(r->text), digest);
	base64url_encode(BYTES_ARRAY(digest), r->digest);
	name += wildcard ? 2 : 0;
	(void)snprintf(r->at, sizeof r->at, "_acme-challenge.%s", name);
	r->c = (struct chancery_challenge){ .type = "dns-01",
		.name = name,
		.token = r->token,
		.key_authorization = r->text,
		.digest = r->digest,
		.record = r->at,
		.wildcard = wildcard };
}

static enum err_code make_records(struct trial *t, struct err *e)
{
	t->v = arena_array(t->wish->arena, t->wish->n_names, sizeof *t->v);
	errno = 0;
	if (!t->v)
		FAIL(e, NOMEM, "no memory for records");
	for (size_t i = 0; i < t->wish->n_names; i++) {
		const char *way = wish_way_of(t->wish, i);
		if (way && strcmp(way, "dns-01") == 0)
			make_record(&t->v[t->n++], t->wish->names[i]);
	}
	for (size_t i = 0; i < t->n; i++)
		t->v[i].c.remaining = (unsigned)(t->n - 1 - i);
	return ERR_OK;
}

static enum err_code by_hook(struct trial *t, struct err *e)
{
	TRY(hook_new(&t->wish->hook, t->crew, &t->hook, e));
	for (; t->placed < t->n; t->placed++) {
		errno = 0;
		if (t->stopped())
			FAIL(e, CLOSED, "stopped");
		int code = hook_deploy(t->hook, &t->v[t->placed].c);
		errno = 0;
		if (code != 0)
			FAIL(e, CONFIG, "%s", code > 0 ? "the hook declines dns-01" : hook_failure(t->hook));
	}
	return ERR_OK;
}

/* --- the look --- */

static enum err_code put_all(const struct trial *t, struct tsig_key *tsig, struct json_out *j, struct err *e)
{
	json_put_object(j);
	json_put_key(j, "records");
	json_put_array(j);
	for (size_t i = 0; i < t->n; i++) {
		json_put_object(j);
		json_put_member_str(j, "name", t->v[i].at);
		json_put_member_str(j, "value", t->v[i].digest);
		json_end_object(j);
	}
	json_end_array(j);
	if (!t->hook)
		TRY(issue_put_update(t->wish, tsig, j, e));
	issue_put_resolvers(t->wish, j);
	json_put_member_uint(j, "seconds", t->wish->propagation_s);
	json_end_object(j);
	return ERR_OK;
}

/* Whether to go on waiting. */
static enum err_code asked(void *context, struct arena *a, const char *what, struct bytes json, struct json_out *answer, struct err *e)
{
	const struct trial *t = context;

	(void)a;
	(void)json;
	(void)answer;
	errno = 0;
	if (strcmp(what, "go on") != 0)
		FAIL(e, MALFORMED, "nobody knows what \"%s\" is", what);
	if (t->stopped())
		FAIL(e, CLOSED, "stopped");
	return ERR_OK;
}

struct answer_json {
	struct json_strings notes;
	struct json_uint seen;
};
static const struct json_field fields[] = {
	JSON_FIELD(struct answer_json, notes, "notes", JSON_STRINGS, true, 0),
	JSON_FIELD(struct answer_json, seen, "seen", JSON_UINT, true, 0),
};

static enum err_code take(const struct trial *t, struct bytes json, struct record_seen *ret, struct err *e)
{
	struct answer_json j = { .notes = { false, NULL, 0 } };

	TRY(json_read(t->wish->arena, json, "what name servers have", fields, 2, &j, e));
	*ret = (struct record_seen){ .servers = (size_t)j.seen.value };
	for (; ret->n_notes < j.notes.n && ret->n_notes < RECORD_NOTES_MAX; ret->n_notes++)
		TRY(talk_text(t->wish->arena, j.notes.v[ret->n_notes], &ret->notes[ret->n_notes], e));
	return ERR_OK;
}

static enum err_code look(struct trial *t, struct record_seen *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new_secret(CHANNEL_BODY_MAX);
	struct json_out j = json_out_to(&json);
	struct tsig_key tsig = { .name = { 0 } };
	struct bytes answer;

	enum err_code rc = put_all(t, &tsig, &j, e);
	tsig_key_free(&tsig);
	TRY(rc);
	errno = 0;
	if (!buf_ok(&json))
		FAIL(e, TOO_LARGE, "too much for one request");
	const struct peer_call call = { .name = "record",
		.json = buf_bytes(&json),
		.fd = -1,
		.asked = asked,
		.context = t,
		.timeout_ms = t->wish->propagation_s * 1000 + MARGIN_MS };
	TRY(crew_net_call(t->crew, t->wish->arena, &call, &answer, e));
	return take(t, answer, ret, e);
}

enum err_code record_try(struct crew *crew, const struct wish *w, bool (*stopped)(void), struct record_seen *ret, struct err *e)
{
	CLEANUP(trial_close) struct trial t = { .crew = crew, .wish = w, .stopped = stopped };

	TRY(make_records(&t, e));
	if (!w->dns_server)
		TRY(by_hook(&t, e));
	return look(&t, ret, e);
}
