/* One good request to each signed resource. Whatever succeeds changes nothing that another case stands on. */
#include "base/codec.h"
#include "jose/jwk.h"
#include "probe/probe_impl.h"

#include <string.h>

typedef enum err_code ask_fn(struct probe *p, struct ask *r, struct err *e);

static enum err_code ask_new_account(struct probe *p, struct ask *r, struct err *e)
{
	TRY(probe_main(p, &r->as, e));
	r->url = p->urls[URL_NEW_ACCOUNT];
	r->by = BY_JWK;
	r->payload = "{\"onlyReturnExisting\":true}";
	return ERR_OK;
}

static enum err_code ask_account(struct probe *p, struct ask *r, struct err *e)
{
	TRY(probe_main(p, &r->as, e));
	r->url = r->as->url;
	return ERR_OK;
}

static enum err_code ask_orders(struct probe *p, struct ask *r, struct err *e)
{
	const struct order_of *o; /* so that there is one to list */
	struct http_client_answer x;

	TRY(probe_main(p, &r->as, e));
	TRY(probe_pending(p, &o, e));
	TRY(probe_ask(p, &ASK(.url = r->as->url, .as = r->as), &x, e));
	struct bytes list = member_of(p, x.body, "orders"), url;
	if (!list.ptr)
		FAIL(e, NOT_FOUND, "accounts here have no list of orders");
	TRY(json_string(p->scratch, list, &url, e));
	r->url = arena_str(p->scratch, url);
	return ERR_OK;
}

static enum err_code ask_new_order(struct probe *p, struct ask *r, struct err *e)
{
	TRY(probe_main(p, &r->as, e));
	r->url = p->urls[URL_NEW_ORDER];
	r->payload = "{\"identifiers\":[{\"type\":\"dns\",\"value\":\"$NAME\"}]}";
	return ERR_OK;
}

static enum err_code ask_new_authz(struct probe *p, struct ask *r, struct err *e)
{
	TRY(probe_main(p, &r->as, e));
	r->url = p->urls[URL_NEW_AUTHZ];
	r->payload = "{\"identifier\":{\"type\":\"dns\",\"value\":\"$NAME\"}}";
	return ERR_OK;
}

static enum err_code ask_order(struct probe *p, struct ask *r, struct err *e)
{
	const struct order_of *o;

	TRY(probe_pending(p, &o, e));
	r->as = o->owner;
	r->url = o->url;
	return ERR_OK;
}

static enum err_code ask_authz(struct probe *p, struct ask *r, struct err *e)
{
	const struct order_of *o;

	TRY(probe_pending(p, &o, e));
	r->as = o->owner;
	r->url = o->authz[0];
	return ERR_OK;
}

static enum err_code ask_challenge(struct probe *p, struct ask *r, struct err *e)
{
	const struct order_of *o;

	TRY(probe_pending(p, &o, e));
	r->as = o->owner;
	r->url = o->challenge; /* POST-as-GET: it is only looked at (RFC 8555 §7.1: a challenge can be fetched) */
	return ERR_OK;
}

static enum err_code ask_finalize(struct probe *p, struct ask *r, struct err *e)
{
	const struct order_of *o;
	struct key *k;

	TRY(probe_pending(p, &o, e));
	TRY(make_key(p, KEY_EC_P256, &k, e));
	r->as = o->owner;
	r->url = o->finalize;
	return csr_payload(p, k, p->options.names, 1, &r->payload, e);
}

static enum err_code ask_certificate(struct probe *p, struct ask *r, struct err *e)
{
	const struct order_of *o;

	TRY(probe_issued(p, &o, e));
	r->as = o->owner;
	r->url = o->certificate;
	return ERR_OK;
}

/* With a reason that nobody may give, so that even a server that overlooks what else is wrong revokes nothing. */
static enum err_code ask_revoke(struct probe *p, struct ask *r, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(65536);
	const struct order_of *o;

	TRY(probe_issued(p, &o, e));
	r->as = o->owner;
	r->url = p->urls[URL_REVOKE_CERT];
	buf_add_str(&text, "{\"certificate\":\"");
	base64url_add(&text, o->leaf);
	buf_add_str(&text, "\",\"reason\":7}");
	r->payload = buf_ok(&text) ? arena_str(p->scratch, buf_bytes(&text)) : NULL;
	if (!r->payload)
		FAIL(e, NOMEM, "no memory for a certificate");
	return ERR_OK;
}

/* With an oldKey that is not the account's (RFC 8555 §7.3.5): nothing is changed by it, whatever else a server overlooks. */
static enum err_code ask_key_change(struct probe *p, struct ask *r, struct err *e)
{
	const struct actor *other;

	TRY(probe_main(p, &r->as, e));
	TRY(probe_other(p, &other, e));
	r->url = p->urls[URL_KEY_CHANGE];
	return key_change_payload(p, &(struct key_change){ .account = r->as, .to = other->key, .old = other->key }, &r->payload, e);
}

static const struct {
	const char *name;
	unsigned needs;
	ask_fn *ask;
} subjects[ON__MAX] = {
	[ON_NEW_ACCOUNT] = { "new-account", 0, ask_new_account },
	[ON_ACCOUNT] = { "account", 0, ask_account },
	[ON_ORDERS] = { "orders", 0, ask_orders },
	[ON_NEW_ORDER] = { "new-order", 0, ask_new_order },
	[ON_NEW_AUTHZ] = { "new-authz", NEED_NEW_AUTHZ, ask_new_authz },
	[ON_ORDER] = { "order", 0, ask_order },
	[ON_AUTHZ] = { "authz", 0, ask_authz },
	[ON_CHALLENGE] = { "challenge", 0, ask_challenge },
	[ON_FINALIZE] = { "finalize", 0, ask_finalize },
	[ON_CERTIFICATE] = { "certificate", 0, ask_certificate },
	[ON_REVOKE_CERT] = { "revoke-cert", NEED_REVOKE, ask_revoke },
	[ON_KEY_CHANGE] = { "key-change", NEED_KEY_CHANGE, ask_key_change },
};

const char *subject_name(enum subject s)
{
	return subjects[s].name;
}

unsigned subject_needs(enum subject s)
{
	return subjects[s].needs;
}

enum err_code subject_ask(struct probe *p, enum subject s, struct ask *ret, struct err *e)
{
	*ret = ASK(.judged = true);
	TRY(subjects[s].ask(p, ret, e));
	return with_name(p, ret->payload, &ret->payload, e);
}

enum err_code subject_good(struct probe *p, enum subject s, struct http_client_answer *ret, struct err *e)
{
	struct ask r;

	TRY(subject_ask(p, s, &r, e));
	TRY(probe_ask(p, &r, ret, e));
	return want_success(ret, e);
}

/* --- $NAME --- */

enum err_code with_name(struct probe *p, const char *text, const char **ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(65536);
	const char *mark;

	*ret = text;
	if (!text || !strstr(text, "$NAME"))
		return ERR_OK;
	while ((mark = strstr(text, "$NAME")) != NULL) {
		buf_add(&out, (struct bytes){ (const uint8_t *)text, (size_t)(mark - text) });
		buf_add_str(&out, p->options.names[0]);
		text = mark + strlen("$NAME");
	}
	buf_add_str(&out, text);
	*ret = buf_ok(&out) ? arena_str(p->scratch, buf_bytes(&out)) : NULL;
	if (!*ret)
		FAIL(e, NOMEM, "no memory for a payload");
	return ERR_OK;
}

/* --- key change --- */

enum err_code key_change_payload(struct probe *p, const struct key_change *k, const char **ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf payload = buf_new(8192), body = buf_new(65536);
	const struct actor to = { .key = k->to };
	struct json_out w = json_out_to(&payload);

	json_put_object(&w);
	json_put_member_str(&w, "account", k->account_url ? k->account_url : k->account->url);
	json_put_key(&w, "oldKey");
	jwk_write(k->old ? k->old : k->account->key, &payload);
	json_end_object(&w);
	buf_add_u8(&payload, 0);
	if (!buf_ok(&payload))
		FAIL(e, NOMEM, "no memory for a key change");
	struct ask inner = ASK(.url = k->inner_url ? k->inner_url : p->urls[URL_KEY_CHANGE], .as = &to, .by = BY_JWK,
	    .payload = (const char *)payload.ptr, .defect = k->defect);
	if (k->by_kid)
		inner.by = BY_KID;
	TRY(probe_sign(p, &inner, k->nonce, &body, e));
	*ret = arena_str(p->scratch, buf_bytes(&body));
	if (!*ret)
		FAIL(e, NOMEM, "no memory for a key change");
	return ERR_OK;
}

/* --- what rows share --- */

static enum err_code row_ask(struct probe *p, const struct probe_case *c, struct ask *r, struct err *e)
{
	TRY(subject_ask(p, c->on, r, e));
	r->defect = c->defect;
	if (c->by != BY_KID)
		r->by = c->by;
	return c->payload ? with_name(p, c->payload, &r->payload, e) : ERR_OK;
}

enum err_code case_problem(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(row_ask(p, c, &r, e));
	TRY(probe_ask(p, &r, &x, e));
	return want_problem(p, &x, c->status, c->type, e);
}

enum err_code case_field(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(row_ask(p, c, &r, e));
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_success(&x, e));
	return c->value ? want_value(&x, c->arg, c->value, e) : want_field(&x, c->arg, NULL, e);
}

enum err_code case_member(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(row_ask(p, c, &r, e));
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_success(&x, e));
	return want_kind(p, &x, c->arg, c->value, e);
}

enum err_code case_status(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(row_ask(p, c, &r, e));
	TRY(probe_ask(p, &r, &x, e));
	return want_status(&x, c->status, e);
}

enum err_code case_success(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(row_ask(p, c, &r, e));
	TRY(probe_ask(p, &r, &x, e));
	return want_success(&x, e);
}

enum err_code case_no_member(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct ask r;

	TRY(row_ask(p, c, &r, e));
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_success(&x, e));
	if (member_of(p, x.body, c->arg).ptr)
		FAIL(e, CONFIRM, "the answer has a member \"%s\"", c->arg);
	return ERR_OK;
}

enum err_code case_text(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	const char *text;
	struct ask r;

	TRY(row_ask(p, c, &r, e));
	TRY(with_name(p, c->value, &text, e));
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_success(&x, e));
	return want_text(p, &x, c->arg, text, e);
}
