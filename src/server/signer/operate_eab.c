/* External account keys, as operators make, list and end them. */
#include "server/signer/operate.h"

#include "base/clock.h"
#include "base/codec.h"

#include <stdio.h>

#define PAGE 256 /* keys of one list */

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

enum err_code operate_eab_add(struct signer *s, struct arena *a, const struct operator_request *r, struct json_out *w, struct err *e)
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

	(void)a;
	if (r->alg.ptr && !mac_alg_from_jose(r->alg, &q.alg))
		FAIL(e, CONFIG, "alg is HS256, HS384 or HS512");
	TRY(check_profiles(s, &r->profiles, e));
	TRY(signer_clock_check(s, now_ms, e));
	TRY(eab_keys_add(s->eab, &q, now_ms, r->uid, &k, e));
	TRY(log_action(s, k, EAB_MADE, r->uid, e));
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

enum err_code operate_eab_list(struct signer *s, struct arena *a, const struct operator_request *r, struct json_out *w, struct err *e)
{
	const struct eab_key *after = NULL;
	int64_t now_ms = clock_wall_ms();

	(void)a;
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
enum err_code operate_eab_expire(struct signer *s, struct arena *a, const struct operator_request *r, struct json_out *w, struct err *e)
{
	const struct eab_key *k;

	(void)a;
	TRY(find(s, r->kid, &k, e));
	if (k->expires_ms == 0 || k->expires_ms > clock_wall_ms())
		TRY(log_action(s, k, EAB_EXPIRED, r->uid, e));
	put_key(w, k, clock_wall_ms());
	return ERR_OK;
}

/* Its accounts get nothing more either. */
enum err_code operate_eab_revoke(struct signer *s, struct arena *a, const struct operator_request *r, struct json_out *w, struct err *e)
{
	const struct eab_key *k;

	(void)a;
	TRY(find(s, r->kid, &k, e));
	if (!k->revoked_ms)
		TRY(log_action(s, k, EAB_REVOKED, r->uid, e));
	put_key(w, k, clock_wall_ms());
	return ERR_OK;
}
