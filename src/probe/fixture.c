/* Accounts, orders and certificates: those that cases share, made on first use, and those that a case uses up. */
#include "base/clock.h"
#include "base/codec.h"
#include "jose/eab.h"
#include "jose/jwk.h"
#include "pki/csr.h"
#include "probe/probe_impl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PAYLOAD_MAX 32768
#define PATIENCE_MS 30000

/* --- once --- */

enum err_code fixture_make(struct probe *p, unsigned which, fixture_fn *make, struct err *e)
{
	struct fixture *f = &p->fixtures[which];
	struct arena *before = p->scratch;

	if (!f->tried) {
		f->tried = true;
		p->scratch = p->arena;
		f->rc = make(p, &f->why);
		p->scratch = before;
	}
	if (f->rc == ERR_OK)
		return ERR_OK;
	/* That the ground of a case is not there says nothing about its requirement. */
	*e = f->why;
	e->code = f->rc == ERR_CONFIRM ? ERR_CONFIG : f->rc;
	return e->code;
}

static const char *text_of(struct bytes json_string_text, struct arena *a)
{
	struct bytes v;

	return json_string_text.ptr && json_string(a, json_string_text, &v, NULL) == ERR_OK ? arena_str(a, v) : NULL;
}

static void take_features(struct probe *p)
{
	p->features |= p->urls[URL_NEW_AUTHZ] ? NEED_NEW_AUTHZ : 0u;
	p->features |= p->urls[URL_RENEWAL_INFO] ? NEED_ARI : 0u;
	p->features |= p->urls[URL_REVOKE_CERT] ? NEED_REVOKE : 0u;
	p->features |= p->urls[URL_KEY_CHANGE] ? NEED_KEY_CHANGE : 0u;
	p->features |= member_of(p, p->meta, "profiles").ptr ? NEED_PROFILES : 0u;
	p->features |= member_of(p, p->meta, "termsOfService").ptr ? NEED_TOS : 0u;
	if (bytes_eq_str(member_of(p, p->meta, "externalAccountRequired"), "true") && p->options.eab_kid)
		p->features |= NEED_EAB;
}

static enum err_code read_directory(struct probe *p, struct err *e)
{
	static const char *const names[URL__MAX] = { "newNonce", "newAccount", "newOrder", "newAuthz", "revokeCert", "keyChange",
		"renewalInfo" };
	struct http_client_answer x;

	TRY(probe_ask(p, &GET(.url = p->options.directory_url), &x, e));
	if (x.status != 200 || !member_of(p, x.body, "").ptr)
		FAIL(e, CONFIG, "%.200s is no ACME directory: status %d", p->options.directory_url, x.status);
	for (int i = 0; i < URL__MAX; i++)
		p->urls[i] = text_of(member_of(p, x.body, names[i]), p->scratch);
	p->meta = member_of(p, x.body, "meta");
	if (!p->urls[URL_NEW_NONCE] || !p->urls[URL_NEW_ACCOUNT] || !p->urls[URL_NEW_ORDER])
		FAIL(e, CONFIG, "%.200s is no ACME directory: newNonce, newAccount or newOrder is missing", p->options.directory_url);
	take_features(p);
	return ERR_OK;
}

enum err_code probe_open(struct probe *p, struct err *e)
{
	return fixture_make(p, FIXTURE_DIRECTORY, read_directory, e);
}

/* --- accounts --- */

enum err_code make_key(struct probe *p, enum key_type t, struct key **ret, struct err *e)
{
	struct keys *k = p->scratch == p->arena ? &p->kept_keys : &p->keys;
	struct key *key;

	if (k->n == PROBE_KEYS_MAX)
		FAIL(e, BUG, "more than %d keys", PROBE_KEYS_MAX);
	TRY(key_generate(t, t == KEY_RSA ? 2048 : 0, &key, e));
	k->v[k->n++] = key;
	*ret = key;
	return ERR_OK;
}

static enum err_code eab_of(struct probe *p, const struct key *account, struct buf *out, struct err *e)
{
	return eab_write(
	    MAC_HS256, bytes_str(p->options.eab_kid), bytes_str(p->urls[URL_NEW_ACCOUNT]), account, p->options.eab_key, out, e);
}

enum err_code account_payload(struct probe *p, const struct key *key, const char **ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(PAYLOAD_MAX), eab = buf_new(PAYLOAD_MAX);
	struct json_out w = json_out_to(&text);

	json_put_object(&w);
	json_put_member_bool(&w, "termsOfServiceAgreed", true);
	if (p->options.contact) {
		json_put_key(&w, "contact");
		json_put_array(&w);
		json_put_string(&w, bytes_str(p->options.contact));
		json_end_array(&w);
	}
	if (p->features & NEED_EAB) {
		TRY(eab_of(p, key, &eab, e));
		json_put_key(&w, "externalAccountBinding");
		json_put_raw(&w, buf_bytes(&eab));
	}
	json_end_object(&w);
	*ret = buf_ok(&text) ? arena_str(p->scratch, buf_bytes(&text)) : NULL;
	if (!*ret)
		FAIL(e, NOMEM, "no memory for an account");
	return ERR_OK;
}

/* Any failure to make what a case stands on says nothing about the case. */
static enum err_code ground(enum err_code rc, const char *what, struct err *e)
{
	char why[sizeof e->detail];

	if (rc != ERR_CONFIRM)
		return rc;
	memcpy(why, e->detail, sizeof why);
	FAIL(e, CONFIG, "%s: %.250s", what, why);
}

enum err_code make_account(struct probe *p, struct actor **ret, struct err *e)
{
	struct actor *who = arena_new_obj(p->scratch, struct actor);
	struct http_client_answer x;
	const char *payload;

	if (!who)
		FAIL(e, NOMEM, "no memory for an account");
	TRY(make_key(p, KEY_EC_P256, &who->key, e));
	TRY(account_payload(p, who->key, &payload, e));
	TRY(probe_ask(p, &ASK(.url = p->urls[URL_NEW_ACCOUNT], .as = who, .by = BY_JWK, .payload = payload), &x, e));
	TRY(ground(want_status(&x, 201, e), "no account could be made", e));
	who->url = x.location.ptr ? arena_str(p->scratch, x.location) : NULL;
	if (!who->url)
		FAIL(e, CONFIG, "newAccount answers without the account's URL");
	*ret = who;
	return ERR_OK;
}

static enum err_code make_main(struct probe *p, struct err *e)
{
	return make_account(p, &p->main, e);
}

static enum err_code make_other(struct probe *p, struct err *e)
{
	return make_account(p, &p->other, e);
}

enum err_code probe_main(struct probe *p, const struct actor **ret, struct err *e)
{
	TRY(fixture_make(p, FIXTURE_MAIN, make_main, e));
	*ret = p->main;
	return ERR_OK;
}

enum err_code probe_other(struct probe *p, const struct actor **ret, struct err *e)
{
	TRY(fixture_make(p, FIXTURE_OTHER, make_other, e));
	*ret = p->other;
	return ERR_OK;
}

/* --- orders --- */

static enum err_code take_order(struct probe *p, const struct http_client_answer *x, struct order_of *o, struct err *e)
{
	struct bytes *v;

	TRY(want_string(p, x, "finalize", &o->finalize, e));
	TRY(want_elements(p, x, "authorizations", &v, &o->n_authz, e));
	if (o->n_authz > PROBE_AUTHZ_MAX)
		o->n_authz = PROBE_AUTHZ_MAX;
	for (size_t i = 0; i < o->n_authz; i++)
		o->authz[i] = text_of(v[i], p->scratch);
	if (o->n_authz == 0 || !o->authz[0])
		FAIL(e, CONFIG, "the order has no authorization");
	return ERR_OK;
}

/* The index of a challenge of this type in an authorization; -1: none. */
int challenge_index(struct probe *p, struct bytes authz, const char *type)
{
	char path[64];

	for (int i = 0; i < 16; i++) {
		(void)snprintf(path, sizeof path, "challenges[%d].type", i);
		const char *seen = text_of(member_of(p, authz, path), p->scratch);
		if (!seen)
			return -1;
		if (strcmp(seen, type) == 0)
			return i;
	}
	return -1;
}

const char *challenge_member(struct probe *p, struct bytes authz, int i, const char *member)
{
	char path[64];

	(void)snprintf(path, sizeof path, "challenges[%d].%s", i, member);
	return text_of(member_of(p, authz, path), p->scratch);
}

static enum err_code take_challenge(struct probe *p, struct order_of *o, struct err *e)
{
	struct http_client_answer x;

	TRY(probe_ask(p, &ASK(.url = o->authz[0], .as = o->owner), &x, e));
	int i = challenge_index(p, x.body, "http-01");
	o->challenge = i < 0 ? NULL : challenge_member(p, x.body, i, "url");
	return ERR_OK;
}

enum err_code make_order(struct probe *p, const struct actor *owner, const char *payload, struct order_of **ret, struct err *e)
{
	struct order_of *o = arena_new_obj(p->scratch, struct order_of);
	struct http_client_answer x;

	if (!o)
		FAIL(e, NOMEM, "no memory for an order");
	if (!payload)
		payload =
		    (const char *)arena_fmt(p->scratch, "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"%s\"}]}", p->options.names[0]).ptr;
	o->owner = owner;
	TRY(probe_ask(p, &ASK(.url = p->urls[URL_NEW_ORDER], .as = owner, .payload = payload), &x, e));
	TRY(ground(want_status(&x, 201, e), "no order could be made", e));
	o->url = x.location.ptr ? arena_str(p->scratch, x.location) : NULL;
	if (!o->url)
		FAIL(e, CONFIG, "newOrder answers without the order's URL");
	TRY(ground(take_order(p, &x, o, e), "no order could be made", e));
	TRY(take_challenge(p, o, e));
	*ret = o;
	return ERR_OK;
}

static enum err_code make_pending(struct probe *p, struct err *e)
{
	const struct actor *owner;

	TRY(probe_main(p, &owner, e));
	TRY(make_order(p, owner, NULL, &p->pending, e));
	if (!p->pending->challenge)
		FAIL(e, CONFIG, "the server offers no http-01 challenge for %s", p->options.names[0]);
	return ERR_OK;
}

enum err_code probe_pending(struct probe *p, const struct order_of **ret, struct err *e)
{
	TRY(fixture_make(p, FIXTURE_PENDING, make_pending, e));
	*ret = p->pending;
	return ERR_OK;
}

enum err_code probe_serve(struct probe *p, const char *token, const char *text, struct err *e)
{
	const struct chancery_challenge c = { .type = "http-01", .name = "", .token = token, .key_authorization = text };

	if (!text)
		http01_listener_clean_up(p->listener, &c);
	else if (http01_listener_deploy(p->listener, &c) != 0)
		FAIL(e, NOMEM, "no memory for an answer");
	return ERR_OK;
}

enum err_code poll_status(struct probe *p, const struct ask *r, struct http_client_answer *ret, struct err *e)
{
	static const struct timespec pause = { 0, 50000000 };
	int64_t end = clock_monotonic_ms() + PATIENCE_MS;

	for (;;) {
		TRY(probe_ask(p, r, ret, e));
		struct bytes status = member_of(p, ret->body, "status");
		if (!bytes_eq_str(status, "\"pending\"") && !bytes_eq_str(status, "\"processing\""))
			return ERR_OK;
		if (clock_monotonic_ms() > end)
			FAIL(e, TIMEOUT, "%.200s stays %.*s", r->url, BYTES_FMT(status));
		(void)nanosleep(&pause, NULL);
	}
}

/* One authorization to valid, by http-01. */
static enum err_code solve(struct probe *p, const struct actor *who, const char *url, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(1024);
	uint8_t thumbprint[THUMBPRINT_SIZE];
	struct http_client_answer x;

	TRY(probe_ask(p, &ASK(.url = url, .as = who), &x, e));
	if (bytes_eq_str(member_of(p, x.body, "status"), "\"valid\""))
		return ERR_OK;
	int i = challenge_index(p, x.body, "http-01");
	const char *token = challenge_member(p, x.body, i, "token"), *at = challenge_member(p, x.body, i, "url");
	if (i < 0 || !token || !at)
		FAIL(e, CONFIG, "%.200s has no http-01 challenge", url);
	jwk_thumbprint(who->key, thumbprint);
	key_authorization(bytes_str(token), thumbprint, &text);
	buf_add_u8(&text, 0);
	if (!buf_ok(&text))
		FAIL(e, NOMEM, "no memory for an answer");
	TRY(probe_serve(p, token, (const char *)text.ptr, e));
	enum err_code rc = probe_ask(p, &ASK(.url = at, .as = who, .payload = "{}"), &x, e);
	if (rc == ERR_OK)
		rc = poll_status(p, &ASK(.url = url, .as = who), &x, e);
	TRY(probe_serve(p, token, NULL, NULL));
	TRY(rc);
	if (!bytes_eq_str(member_of(p, x.body, "status"), "\"valid\""))
		FAIL(e, CONFIG, "the authorization did not become valid: %.*s; %s", (int)(x.body.len < 150 ? x.body.len : 150),
		    (const char *)x.body.ptr, http01_listener_tell(p->listener));
	return ERR_OK;
}

enum err_code solve_order(struct probe *p, struct order_of *o, struct err *e)
{
	struct http_client_answer x;

	for (size_t i = 0; i < o->n_authz; i++)
		TRY(solve(p, o->owner, o->authz[i], e));
	TRY(poll_status(p, &ASK(.url = o->url, .as = o->owner), &x, e));
	if (!bytes_eq_str(member_of(p, x.body, "status"), "\"ready\""))
		FAIL(e, CONFIG, "the order with valid authorizations is not ready: %.*s", (int)(x.body.len < 150 ? x.body.len : 150),
		    (const char *)x.body.ptr);
	return ERR_OK;
}

enum err_code csr_payload(struct probe *p, const struct key *k, const char *const *names, size_t n, const char **ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf der = buf_new(CSR_SIZE_MAX), text = buf_new(PAYLOAD_MAX);
	struct san san[PROBE_NAMES_MAX];

	for (size_t i = 0; i < n; i++)
		san[i] = (struct san){ SAN_DNS, bytes_str(names[i]) };
	TRY(csr_write(k, san, san_sort(san, n), &der, e));
	buf_add_str(&text, "{\"csr\":\"");
	base64url_add(&text, buf_bytes(&der));
	buf_add_str(&text, "\"}");
	*ret = buf_ok(&der) && buf_ok(&text) ? arena_str(p->scratch, buf_bytes(&text)) : NULL;
	if (!*ret)
		FAIL(e, NOMEM, "no memory for a CSR");
	return ERR_OK;
}

enum err_code finalize_order(struct probe *p, struct order_of *o, struct err *e)
{
	struct http_client_answer x;
	const char *payload;

	TRY(make_key(p, KEY_EC_P256, &o->key, e));
	TRY(csr_payload(p, o->key, p->options.names, 1, &payload, e));
	TRY(probe_ask(p, &ASK(.url = o->finalize, .as = o->owner, .payload = payload), &x, e));
	TRY(ground(want_success(&x, e), "no certificate could be had", e));
	TRY(poll_status(p, &ASK(.url = o->url, .as = o->owner), &x, e));
	TRY(ground(want_string(p, &x, "certificate", &o->certificate, e), "no certificate could be had", e));
	TRY(probe_ask(p, &ASK(.url = o->certificate, .as = o->owner), &x, e));
	TRY(ground(want_success(&x, e), "no certificate could be had", e));
	o->pem = x.body;
	struct bytes rest = x.body;
	if (pem_next(p->scratch, &rest, "CERTIFICATE", &o->leaf, NULL) != ERR_OK)
		FAIL(e, CONFIG, "no certificate could be had: what came is no PEM");
	return ERR_OK;
}

enum err_code make_issued(struct probe *p, struct order_of **ret, struct err *e)
{
	const struct order_of *first;
	const struct actor *owner;
	struct actor *who;

	/* The account that has validated the name already: servers may take that again. */
	if (p->scratch != p->arena) {
		TRY(probe_issued(p, &first, e));
		owner = first->owner;
	} else {
		TRY(make_account(p, &who, e));
		owner = who;
	}
	TRY(make_order(p, owner, NULL, ret, e));
	TRY(solve_order(p, *ret, e));
	return finalize_order(p, *ret, e);
}

static enum err_code make_issued_once(struct probe *p, struct err *e)
{
	return make_issued(p, &p->issued, e);
}

enum err_code probe_issued(struct probe *p, const struct order_of **ret, struct err *e)
{
	TRY(fixture_make(p, FIXTURE_ISSUED, make_issued_once, e));
	*ret = p->issued;
	return ERR_OK;
}

enum err_code make_ready(struct probe *p, struct order_of **ret, struct err *e)
{
	struct actor *who;

	TRY(make_account(p, &who, e));
	TRY(make_order(p, who, NULL, ret, e));
	return solve_order(p, *ret, e);
}

static enum err_code make_failed(struct probe *p, struct err *e)
{
	struct http_client_answer x;
	struct actor *who;

	TRY(make_account(p, &who, e));
	TRY(make_order(p, who, NULL, &p->failed, e));
	TRY(probe_ask(p, &ASK(.url = p->failed->challenge, .as = who, .payload = "{}"), &x, e));
	TRY(poll_status(p, &ASK(.url = p->failed->authz[0], .as = who), &x, e));
	if (!bytes_eq_str(member_of(p, x.body, "status"), "\"invalid\""))
		FAIL(e, CONFIG, "an authorization that nothing answered for is not invalid: %.*s",
		    (int)(x.body.len < 150 ? x.body.len : 150), (const char *)x.body.ptr);
	return ERR_OK;
}

enum err_code probe_failed(struct probe *p, const struct order_of **ret, struct err *e)
{
	TRY(fixture_make(p, FIXTURE_FAILED, make_failed, e));
	*ret = p->failed;
	return ERR_OK;
}
