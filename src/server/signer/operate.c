/* What operators ask of the running signer: external account keys. A line of JSON in, one out; docs/protocol/operators.md. */
#include "server/signer/state.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PAGE 256 /* keys of one list */

struct request {
	struct bytes command, label, alg, kid, after, action, detail;
	struct json_uint lifetime, uses;
	struct json_strings names, profiles;
};
static const struct json_field request_fields[] = {
	JSON_FIELD(struct request, command, "command", JSON_STRING, true, 32),
	JSON_FIELD(struct request, label, "label", JSON_STRING, false, EAB_LABEL_MAX),
	JSON_FIELD(struct request, alg, "alg", JSON_STRING, false, 16),
	JSON_FIELD(struct request, lifetime, "lifetime", JSON_UINT, false, 0),
	JSON_FIELD(struct request, uses, "uses", JSON_UINT, false, 0),
	JSON_FIELD(struct request, names, "names", JSON_STRINGS, false, EAB_NAMES_MAX),
	JSON_FIELD(struct request, profiles, "profiles", JSON_STRINGS, false, EAB_PROFILES_MAX),
	JSON_FIELD(struct request, kid, "kid", JSON_STRING, false, 64),
	JSON_FIELD(struct request, after, "after", JSON_STRING, false, 64),
	JSON_FIELD(struct request, action, "action", JSON_STRING, false, AUDIT_ACTION_MAX),
	JSON_FIELD(struct request, detail, "detail", JSON_STRING, false, AUDIT_DETAIL_MAX),
};

static const char *state_of(const struct eab_key *k, int64_t now_ms)
{
	if (k->revoked_ms)
		return "revoked";
	if (k->expires_ms && now_ms >= k->expires_ms)
		return "expired";
	return k->uses_max && k->uses >= k->uses_max ? "used up" : "active";
}

static void put_time(struct json_out *w, const char *name, int64_t time_ms)
{
	if (time_ms)
		json_put_member_uint(w, name, (uint64_t)time_ms / 1000);
}

static void put_list(struct json_out *w, const char *name, const struct bytes *v, size_t n)
{
	if (n == 0)
		return;
	json_put_key(w, name);
	json_put_array(w);
	for (size_t i = 0; i < n; i++)
		json_put_string(w, v[i]);
	json_end_array(w);
}

/* Everything but the secret. */
static void put_key(struct json_out *w, const struct eab_key *k, int64_t now_ms)
{
	char kid[EAB_KID_LEN + 1];

	eab_kid_text(k->kid, kid);
	json_put_member_str(w, "kid", kid);
	json_put_member(w, "label", k->label);
	json_put_member_str(w, "state", state_of(k, now_ms));
	put_time(w, "created", k->created_ms);
	json_put_member_uint(w, "createdBy", k->created_by);
	put_time(w, "expires", k->expires_ms);
	put_time(w, "revoked", k->revoked_ms);
	json_put_member_uint(w, "uses", k->uses);
	if (k->uses_max)
		json_put_member_uint(w, "usesMax", k->uses_max);
	put_time(w, "lastUsed", k->used_ms);
	put_list(w, "names", k->names, k->n_names);
	put_list(w, "profiles", k->profiles, k->n_profiles);
}

static const char *const action_events[] = { [EAB_MADE] = "eab.added", [EAB_REVOKED] = "eab.revoked", [EAB_EXPIRED] = "eab.expired" };

/* Into the log: who did what with which key. */
static enum err_code log_action(struct signer *s, const struct eab_key *k, enum eab_action action, uint32_t uid, struct err *e)
{
	CLEANUP(buf_free_p) struct buf detail = buf_new(EAB_DETAIL_MAX), body = buf_new(EAB_DETAIL_MAX + 1024);
	struct json_out w = json_out_to(&detail);
	char kid[EAB_KID_LEN + 1], who[16];

	json_put_object(&w);
	put_key(&w, k, clock_wall_ms());
	json_end_object(&w);
	eab_kid_text(k->kid, kid);
	struct eab_event v = { .kid = bytes_str(kid), .action = (uint8_t)action, .uid = uid, .detail = buf_bytes(&detail) };
	eab_event_write(&v, &body);
	if (!buf_ok(&detail) || !buf_ok(&body))
		FAIL(e, NOMEM, "no memory for a record of the log");
	TRY(signer_add_event(s, LOG_EAB, buf_bytes(&body), e));
	(void)snprintf(who, sizeof who, "%u", (unsigned)uid);
	event(EVENT_NOTICE, action_events[action], EVENT_STR("kid", kid), EVENT_STR("uid", who));
	return ERR_OK;
}

/* --- eab-add --- */

static enum err_code check_profiles(const struct signer *s, const struct json_strings *profiles, struct err *e)
{
	for (size_t i = 0; i < profiles->n; i++) {
		bool found = false;
		for (size_t k = 0; k < s->settings.n_profiles; k++)
			found = found || bytes_eq(profiles->v[i], s->settings.profiles[k].name);
		if (!found)
			FAIL(e, CONFIG, "this CA has no profile \"%.*s\"", BYTES_FMT(bytes_slice(profiles->v[i], 0, 64)));
	}
	return ERR_OK;
}

static enum err_code add(struct signer *s, const struct request *r, uint32_t uid, struct json_out *w, struct err *e)
{
	struct eab_request q = { .label = r->label.ptr ? r->label : BYTES_LIT(""),
		.alg = MAC_HS256,
		.lifetime_s = r->lifetime.value,
		.uses_max = r->uses.value,
		.names = r->names,
		.profiles = r->profiles };
	char secret[BASE64URL_LEN(EAB_SECRET_MAX) + 1];
	int64_t now_ms = clock_wall_ms();
	const struct eab_key *k;

	if (r->alg.ptr && !mac_alg_from_jose(r->alg, &q.alg))
		FAIL(e, CONFIG, "alg is HS256, HS384 or HS512");
	TRY(check_profiles(s, &r->profiles, e));
	TRY(signer_clock_check(s, now_ms, e));
	TRY(eab_keys_add(s->eab, &q, now_ms, uid, &k, e));
	TRY(log_action(s, k, EAB_MADE, uid, e));
	put_key(w, k, now_ms);
	json_put_member_str(w, "alg", mac_alg_jose(q.alg));
	base64url_encode((struct bytes){ k->secret, k->secret_len }, secret);
	json_put_member_str(w, "key", secret);
	crypto_wipe(secret, sizeof secret);
	return ERR_OK;
}

/* --- eab-list, eab-expire, eab-revoke --- */

static enum err_code find(const struct signer *s, struct bytes kid, const struct eab_key **ret, struct err *e)
{
	*ret = kid.ptr ? eab_keys_find(s->eab, kid) : NULL;
	if (!*ret)
		FAIL(e, NOT_FOUND, "there is no external account key of this kid");
	return ERR_OK;
}

static enum err_code list(const struct signer *s, const struct request *r, struct json_out *w, struct err *e)
{
	const struct eab_key *after = NULL;
	int64_t now_ms = clock_wall_ms();

	if (r->after.ptr)
		TRY(find(s, r->after, &after, e));
	size_t from = after ? (size_t)(after - eab_keys_at(s->eab, 0)) + 1 : 0, n = eab_keys_count(s->eab);
	json_put_key(w, "keys");
	json_put_array(w);
	for (size_t i = from; i < n && i < from + PAGE; i++) {
		json_put_object(w);
		put_key(w, eab_keys_at(s->eab, i), now_ms);
		json_end_object(w);
	}
	json_end_array(w);
	json_put_member_bool(w, "more", n > from + PAGE);
	return ERR_OK;
}

/* It binds no more accounts; those that it has bound go on. */
static enum err_code expire(struct signer *s, const struct request *r, uint32_t uid, struct json_out *w, struct err *e)
{
	const struct eab_key *k;

	TRY(find(s, r->kid, &k, e));
	if (k->expires_ms == 0 || k->expires_ms > clock_wall_ms())
		TRY(log_action(s, k, EAB_EXPIRED, uid, e));
	put_key(w, k, clock_wall_ms());
	return ERR_OK;
}

/* Its accounts get nothing more either. */
static enum err_code revoke(struct signer *s, const struct request *r, uint32_t uid, struct json_out *w, struct err *e)
{
	const struct eab_key *k;

	TRY(find(s, r->kid, &k, e));
	if (!k->revoked_ms)
		TRY(log_action(s, k, EAB_REVOKED, uid, e));
	put_key(w, k, clock_wall_ms());
	return ERR_OK;
}

/* --- audit --- */

/* What an operator does elsewhere, into the same chain as what is done here. */
static enum err_code audit(struct signer *s, const struct request *r, uint32_t uid, struct json_out *w, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(AUDIT_ACTION_MAX + AUDIT_DETAIL_MAX + 64);
	struct audit v = { .uid = uid, .action = r->action, .detail = r->detail.ptr ? r->detail : BYTES_LIT("") };
	char who[16];

	if (!r->action.ptr || r->action.len == 0)
		FAIL(e, CONFIG, "action says what was done: 1 to %d characters", AUDIT_ACTION_MAX);
	audit_write(&v, &body);
	if (!buf_ok(&body))
		FAIL(e, NOMEM, "no memory for a record of the log");
	TRY(signer_add_event(s, LOG_AUDIT, buf_bytes(&body), e));
	(void)snprintf(who, sizeof who, "%u", (unsigned)uid);
	event(EVENT_NOTICE, "operator.action", { "action", v.action }, { "detail", v.detail }, EVENT_STR("uid", who));
	json_put_member_uint(w, "record", log_position(s->log).chain.sequence);
	return ERR_OK;
}

static enum err_code operate(struct signer *s, struct arena *a, struct bytes line, uint32_t uid, struct json_out *w, struct err *e)
{
	struct request r = { .command = BYTES_NONE };

	TRY(json_read(a, line, "the request", request_fields, sizeof request_fields / sizeof *request_fields, &r, e));
	if (bytes_eq_str(r.command, "eab-add"))
		return add(s, &r, uid, w, e);
	if (bytes_eq_str(r.command, "eab-list"))
		return list(s, &r, w, e);
	if (bytes_eq_str(r.command, "eab-expire"))
		return expire(s, &r, uid, w, e);
	if (bytes_eq_str(r.command, "eab-revoke"))
		return revoke(s, &r, uid, w, e);
	if (bytes_eq_str(r.command, "audit"))
		return audit(s, &r, uid, w, e);
	FAIL(e, CONFIG, "unknown command; eab-add, eab-list, eab-expire, eab-revoke and audit are known");
}

enum err_code signer_operate(struct signer *s, struct bytes line, uint32_t uid, struct buf *answer, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	struct json_out w = json_out_to(answer);
	struct err why = { 0 };

	if (!a)
		FAIL(e, NOMEM, "no memory for an operator's request");
	errno = 0;
	json_put_object(&w);
	enum err_code rc = operate(s, a, line, uid, &w, &why);
	if (log_poisoned(s->log)) {
		*e = why;
		return rc != ERR_OK ? rc : ERR_IO;
	}
	if (rc != ERR_OK) {
		buf_reset(answer);
		w = json_out_to(answer);
		json_put_object(&w);
		json_put_member_str(&w, "error", why.detail);
	}
	json_end_object(&w);
	return ERR_OK;
}
