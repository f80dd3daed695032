/* Key rollover (RFC 8555 §7.3.5). */
#include "probe/list.h"

#include <string.h>

/* A new account, a new key, and the request from the one to the other; what is wrong with the inner JWS is in k. */
static enum err_code change(
    struct probe *p, struct key_change *k, struct actor **ret, bool judged, struct http_client_answer *x, struct err *e)
{
	const char *payload;

	if (!k->to)
		TRY(make_key(p, KEY_EC_P256, &k->to, e));
	if (!*ret)
		TRY(make_account(p, ret, e));
	k->account = *ret;
	TRY(key_change_payload(p, k, &payload, e));
	return probe_ask(p, &ASK(.judged = judged, .url = probe_url(p, URL_KEY_CHANGE), .as = *ret, .payload = payload), x, e);
}

static enum err_code changed(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct key_change k = { 0 };
	struct http_client_answer x;
	struct actor *who = NULL;

	(void)c;
	TRY(change(p, &k, &who, true, &x, e));
	return want_status(&x, 200, e);
}

/* Afterwards: `arg` old or new key asks for the account. */
static enum err_code afterwards(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct key_change k = { 0 };
	struct http_client_answer x;
	struct actor *who = NULL;

	TRY(change(p, &k, &who, false, &x, e));
	if (x.status != 200)
		FAIL(e, CONFIG, "the key could not be changed: %d", x.status);
	bool old = strcmp(c->arg, "old") == 0;
	const struct actor as = { .key = old ? who->key : k.to, .url = who->url };
	TRY(probe_ask(p, &ASK(.judged = true, .url = who->url, .as = &as), &x, e));
	return old ? want_problem(p, &x, 0, NULL, e) : want_status(&x, 200, e);
}

/* The new key finds the account, by its old URL. */
static enum err_code found_by_new(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct key_change k = { 0 };
	struct http_client_answer x;
	struct actor *who = NULL;

	(void)c;
	TRY(change(p, &k, &who, false, &x, e));
	if (x.status != 200)
		FAIL(e, CONFIG, "the key could not be changed: %d", x.status);
	const struct actor as = { .key = k.to };
	TRY(probe_ask(p,
	    &ASK(.judged = true, .url = probe_url(p, URL_NEW_ACCOUNT), .as = &as, .by = BY_JWK, .payload = "{\"onlyReturnExisting\":true}"),
	    &x, e));
	TRY(want_status(&x, 200, e));
	return want_value(&x, "location", who->url, e);
}

/* To a key that has an account: 409, and that account's Location. */
static enum err_code conflict(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct key_change k = { 0 };
	struct http_client_answer x;
	struct actor *who = NULL, *other;

	TRY(make_account(p, &other, e));
	k.to = other->key;
	TRY(change(p, &k, &who, true, &x, e));
	TRY(want_status(&x, 409, e));
	return c->arg ? want_value(&x, c->arg, other->url, e) : ERR_OK;
}

/* The inner JWS has the row's fault; the account's key stays what it is. */
static enum err_code refused(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct key_change k = { .defect = c->defect, .account_url = c->value, .nonce = c->type };
	struct http_client_answer x;
	struct actor *who = NULL;

	if (c->arg && strcmp(c->arg, "url") == 0)
		k.inner_url = probe_url(p, URL_NEW_ACCOUNT);
	if (c->arg && strcmp(c->arg, "old-key") == 0) {
		struct key *other;
		TRY(make_key(p, KEY_EC_P256, &other, e));
		k.old = other;
	}
	if (c->arg && strcmp(c->arg, "kid") == 0)
		k.by_kid = true;
	TRY(change(p, &k, &who, true, &x, e));
	return want_problem(p, &x, 0, NULL, e);
}

#define SEC                     "RFC 8555 §7.3.5"
#define KEY(id, must, run, ...) CASE("key-change/" id, SEC, MUST, must, run, __VA_ARGS__, .needs = NEED_KEY_CHANGE)

static const struct probe_case rows[] = {
	CASE("directory/key-change", "RFC 8555 §7.1.1", MUST, "A server that changes keys has keyChange, an https URL.",
	    case_directory_member, M_LOSE("keyChange"), .arg = "keyChange", .value = "url", .needs = NEED_KEY_CHANGE),
	KEY("changed-200", "A new key is answered by 200.", changed, M_STATUS(201)),
	KEY("new-key-works", "The new key signs for the account.", afterwards, M_STATUS(401), .arg = "new"),
	KEY("old-key-ends", "The old key signs no more.", afterwards, M_STATUS(200), .arg = "old"),
	KEY("same-url", "The account keeps its URL.", found_by_new, M_SET("location", "https://localhost/another")),
	KEY("conflict-409", "A key that has an account is refused with 409.", conflict, M_STATUS(400)),
	KEY("conflict-location", "The refusal names the account that has the key in Location.", conflict, M_DROP("location"),
	    .arg = "location"),
	KEY("inner-url", "An inner JWS for another URL is refused.", refused, M_STATUS(200), .arg = "url"),
	KEY("inner-old-key", "An oldKey that is not the account's is refused.", refused, M_STATUS(200), .arg = "old-key"),
	KEY("inner-account", "An account that is not the outer's is refused.", refused, M_STATUS(200),
	    .value = "https://localhost/acct/mallory"),
	KEY("inner-nonce", "An inner JWS with a nonce is refused.", refused, M_STATUS(200), .type = "AAAA"),
	KEY("inner-kid", "An inner JWS without the new key as jwk is refused.", refused, M_STATUS(200), .arg = "kid"),
	KEY("inner-signature", "An inner JWS that the new key did not sign is refused.", refused, M_STATUS(200),
	    .defect = DEFECT_SIGNATURE_OTHER),
	KEY("inner-alg-none", "An inner JWS with the algorithm none is refused.", refused, M_STATUS(200), .defect = DEFECT_ALG_NONE),
	KEY("inner-not-json", "A payload that is no JWS is refused.", refused, M_STATUS(200), .defect = DEFECT_NOT_JSON),
};
CASE_TABLE(key_change_cases, rows);
