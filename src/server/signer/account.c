/* Requests that change an account: another key (RFC 8555 §7.3.5), its end (§7.3.6), its binding to an external account (§7.3.4). What counts
 * is what the client has signed; what comes of it is in the log before the front hears of it. */
#include "server/signer/state.h"

#include "base/clock.h"
#include "base/json.h"
#include "server/key_change.h"

#include <errno.h>
#include <string.h>

#define KEY_CHANGE_PATH  "/acme/key-change"
#define NEW_ACCOUNT_PATH "/acme/new-account"

struct new_account_payload {
	struct bytes binding;
};
static const struct json_field new_account_fields[] = {
	JSON_FIELD(struct new_account_payload, binding, "externalAccountBinding", JSON_OBJECT, false, 0),
};

struct account_payload {
	struct bytes status;
};
static const struct json_field account_fields[] = {
	JSON_FIELD(struct account_payload, status, "status", JSON_STRING, true, 32),
};

#define FIELDS(f) (f), sizeof(f) / sizeof *(f)

static enum err_code check_url(const struct signer *s, const struct jws *j, const char *path, const char *what, struct err *e)
{
	struct bytes base = s->settings.base_url;

	if (!bytes_starts_with(j->url, base) || !bytes_eq_str(bytes_slice(j->url, base.len, j->url.len), path))
		FAIL(e, UNAUTHORIZED, "the %s request's url is not this CA's %s%s", what, "BASE", path);
	return ERR_OK;
}

/* A request by the account whose key was given, with its signature. */
static enum err_code check_by_account(const struct jws *j, const struct account_evidence_key *k, const char *what, struct err *e)
{
	if (!j->kid.ptr || !bytes_eq(j->kid, k->url))
		FAIL(e, UNAUTHORIZED, "the %s request is not by the account whose key was given", what);
	return jws_verify(j, k->key, e);
}

/* What is asked of a key that is to speak for an account. */
static enum err_code check_new_key(const struct signer *s, const struct key *k, struct err *e)
{
	for (size_t i = 0; i < s->own.n; i++)
		if (bytes_eq(key_spki(k), s->own.spki[i]))
			FAIL(e, BAD_PUBLIC_KEY, "the key is one of this CA's own");
	if (blocked_has(s->blocked, k))
		FAIL(e, BAD_PUBLIC_KEY, "the key is on this CA's list of blocked keys: make a new one");
	if (blocks_has_key(s->blocks, k))
		FAIL(e, BAD_PUBLIC_KEY, "this CA's operator has blocked the key: make a new one");
	return key_check_weak(k, e);
}

static enum err_code put_event(enum log_type type, const struct account_event *v, struct signer *s, struct buf *event, struct err *e)
{
	TRY(accounts_reserve(s->accounts, 1, e));
	account_event_write(type, v, event);
	return ERR_OK;
}

/* --- rollover --- */

/* No key that speaks or ever spoke for an account becomes another's: so a key leads to one account alone. */
static enum err_code check_free(const struct signer *s, const struct account_evidence_key *k, const struct key_change *c, struct err *e)
{
	if (accounts_of_key(s->accounts, c->thumbprint) || memcmp(c->thumbprint, k->thumbprint, sizeof c->thumbprint) == 0)
		FAIL(e, CONFLICT, "the new key is, or was, an account's key already: make another");
	return ERR_OK;
}

static enum err_code judge_rollover(
    struct signer *s, const struct account_evidence_key *k, const struct key_change *c, struct bytes body, struct buf *event, struct err *e)
{
	const struct account_known *known = accounts_of_key(s->accounts, k->thumbprint);

	/* The same request again: the front has lost our answer. */
	if (known && !known->deactivated && memcmp(known->current, c->thumbprint, sizeof known->current) == 0 &&
	    accounts_rolled(s->accounts, k->id, k->thumbprint, c->thumbprint))
		return ERR_OK;
	TRY(account_speaks(s, k, e));
	if (known && known->n_keys >= ACCOUNT_KEYS_MAX)
		FAIL(e, RATE_LIMITED, "the account has had %d keys, which is the most: make a new account", ACCOUNT_KEYS_MAX);
	TRY(check_free(s, k, c, e));
	TRY(check_new_key(s, c->key, e));
	struct account_event v = { .evidence = body };
	memcpy(v.account, k->id, sizeof v.account);
	memcpy(v.thumbprint, k->thumbprint, sizeof v.thumbprint);
	memcpy(v.new_thumbprint, c->thumbprint, sizeof v.new_thumbprint);
	return put_event(LOG_ROLLOVER, &v, s, event, e);
}

enum err_code rollover_prepare(
    struct signer *s, struct arena *a, struct bytes body, int64_t now_ms, struct buf *event, struct bytes *ret_answer, struct err *e)
{
	struct account_evidence v;
	struct account_evidence_key k;
	struct key_change c = { 0 };
	struct jws j;

	(void)now_ms;
	errno = 0;
	TRY(account_evidence_read(body, &v, e));
	TRY(jws_parse(a, v.request, JWS_NONCE_REQUIRED, &j, e));
	TRY(check_url(s, &j, KEY_CHANGE_PATH, "keyChange", e));
	TRY(account_find(s, a, v.jwk, &k, e));
	TRY(check_by_account(&j, &k, "keyChange", e));
	TRY(key_change_read(a, &j, k.key, &c, e));
	enum err_code rc = judge_rollover(s, &k, &c, body, event, e);
	key_free(c.key);
	TRY(rc);
	*ret_answer = arena_copy(a, BYTES_ARRAY(k.id));
	if (!ret_answer->ptr)
		FAIL(e, NOMEM, "no memory for an answer");
	return ERR_OK;
}

/* --- deactivation --- */

enum err_code deactivate_prepare(
    struct signer *s, struct arena *a, struct bytes body, int64_t now_ms, struct buf *event, struct bytes *ret_answer, struct err *e)
{
	struct account_payload p = { 0 };
	struct account_evidence v;
	struct account_evidence_key k;
	struct jws j;

	(void)now_ms;
	(void)ret_answer; /* DEACTIVATE_OK is empty */
	errno = 0;
	TRY(account_evidence_read(body, &v, e));
	TRY(jws_parse(a, v.request, JWS_NONCE_REQUIRED, &j, e));
	TRY(account_find(s, a, v.jwk, &k, e));
	if (!bytes_eq(j.url, k.url))
		FAIL(e, UNAUTHORIZED, "the deactivation's url is not its account's");
	TRY(check_by_account(&j, &k, "deactivation", e));
	TRY(json_read(a, j.payload, "the account", FIELDS(account_fields), &p, e));
	if (!bytes_eq_str(p.status, "deactivated"))
		FAIL(e, MALFORMED, "the account's status can be changed to \"deactivated\" alone (RFC 8555 section 7.3.6)");
	const struct account_known *known = accounts_of_key(s->accounts, k.thumbprint);
	if (known && known->deactivated && memcmp(known->current, k.thumbprint, sizeof known->current) == 0)
		return ERR_OK; /* the same request again */
	TRY(accounts_speaking(s->accounts, k.thumbprint, k.id, e));
	struct account_event n = { .evidence = body };
	memcpy(n.account, k.id, sizeof n.account);
	memcpy(n.thumbprint, k.thumbprint, sizeof n.thumbprint);
	return put_event(LOG_DEACTIVATE, &n, s, event, e);
}

/* --- external accounts --- */

/* The key that the binding names, and by which it is. */
static enum err_code find_eab_key(const struct signer *s, const struct eab *b, const struct eab_key **ret, struct err *e)
{
	const struct eab_key *k = eab_keys_find(s->eab, b->kid);

	if (!k)
		FAIL(e, UNAUTHORIZED, "this CA has given out no external account key of this kid");
	TRY(eab_verify(b, (struct bytes){ k->secret, k->secret_len }, e));
	*ret = k;
	return ERR_OK;
}

/* The newAccount request with its own key and binding, all of which hold. */
static enum err_code read_new_account(struct signer *s, struct arena *a, struct bytes request, uint8_t ret_thumbprint[THUMBPRINT_SIZE],
    const struct eab_key **ret, struct err *e)
{
	CLEANUP(key_free_p) struct key *account = NULL;
	struct new_account_payload p = { 0 };
	struct jws j;
	struct eab b;

	TRY(jws_parse(a, request, JWS_NONCE_REQUIRED, &j, e));
	if (!j.jwk.ptr)
		FAIL(e, MALFORMED, "a newAccount request has its key as jwk in its protected header (RFC 8555 section 6.2)");
	TRY(check_url(s, &j, NEW_ACCOUNT_PATH, "newAccount", e));
	TRY(jwk_parse(a, j.jwk, &account, e));
	TRY(jws_verify(&j, account, e));
	TRY(json_read(a, j.payload, "the account", FIELDS(new_account_fields), &p, e));
	if (!p.binding.ptr)
		FAIL(e, EXTERNAL_ACCOUNT_REQUIRED, "the newAccount request has no externalAccountBinding");
	TRY(eab_parse(a, p.binding, &b, e));
	TRY(eab_check(a, &b, j.url, account, e));
	TRY(find_eab_key(s, &b, ret, e));
	TRY(check_new_key(s, account, e));
	jwk_thumbprint(account, ret_thumbprint);
	return ERR_OK;
}

enum err_code bind_prepare(
    struct signer *s, struct arena *a, struct bytes body, int64_t now_ms, struct buf *event, struct bytes *ret_answer, struct err *e)
{
	struct account_event n = { .evidence = body };
	struct account_evidence v;
	uint8_t thumbprint[THUMBPRINT_SIZE];
	const struct eab_key *key = NULL;
	char kid[EAB_KID_LEN + 1];

	errno = 0;
	TRY(account_evidence_read(body, &v, e));
	TRY(read_new_account(s, a, v.request, thumbprint, &key, e));
	TRY(accounts_speaking(s->accounts, thumbprint, n.account, e));
	eab_kid_text(key->kid, kid);
	CLEANUP(buf_free_p) struct buf answer = buf_new(256);
	wire_put_bytes(&answer, bytes_str(kid));
	*ret_answer = arena_copy(a, buf_bytes(&answer));
	if (!buf_ok(&answer) || !ret_answer->ptr)
		FAIL(e, NOMEM, "no memory for an answer");
	const struct account_known *known = accounts_of_key(s->accounts, thumbprint);
	if (known && known->bound && memcmp(known->kid, key->kid, sizeof known->kid) == 0)
		return ERR_OK; /* the same request again takes no second use */
	if (known && known->bound)
		FAIL(e, UNAUTHORIZED, "the account is bound by another external account key already");
	TRY(eab_key_usable(key, now_ms, e));
	n.kid = bytes_str(kid);
	return put_event(LOG_BIND, &n, s, event, e);
}

/* --- what the log says --- */

/* The key that the account had: orders that were made by it live for some hours still. */
static void keep_former(struct signer *s, const struct account_event *v, int64_t time_ms)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(8192, 65536);
	struct former_key *f = &s->former[s->n_former % FORMER_KEYS];
	CLEANUP(key_free_p) struct key *k = NULL;
	struct account_evidence given;

	if (time_ms < clock_wall_ms() - ORDER_LIFETIME_MAX_S * INT64_C(1000) - ORDER_SLACK_MS - ORDER_SKEW_MS)
		return;
	if (!a || account_evidence_read(v->evidence, &given, NULL) != ERR_OK || jwk_parse(a, given.jwk, &k, NULL) != ERR_OK)
		return; /* then such an order has to be made again */
	key_free(f->key);
	memcpy(f->account, v->account, sizeof f->account);
	f->key = TAKE(k);
	s->n_former++;
}

enum err_code account_take(struct signer *s, const struct record *r, struct err *e)
{
	struct account_event v;
	uint8_t kid[ACCOUNT_KID_SIZE];

	TRY(account_event_read(r, &v, e));
	TRY(accounts_reserve(s->accounts, 1, e));
	if (r->type == LOG_ROLLOVER) {
		accounts_roll(s->accounts, v.account, v.new_thumbprint);
		keep_former(s, &v, r->time_ms);
		s->counts.rollovers++;
	} else if (r->type == LOG_DEACTIVATE) {
		accounts_deactivate(s->accounts, v.account);
		s->counts.deactivated++;
	} else if (eab_kid_parse(v.kid, kid)) {
		accounts_bind(s->accounts, v.account, kid);
		eab_keys_used(s->eab, v.kid, r->time_ms);
		s->counts.bound++;
	}
	return ERR_OK;
}

enum err_code eab_take(struct signer *s, const struct record *r, struct err *e)
{
	struct eab_event v;

	TRY(eab_event_read(r, &v, e));
	if (v.action == EAB_REVOKED)
		eab_keys_revoked(s->eab, v.kid, r->time_ms);
	else if (v.action == EAB_EXPIRED)
		eab_keys_expired(s->eab, v.kid, r->time_ms);
	return ERR_OK;
}
