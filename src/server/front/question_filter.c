#include "server/front/question_filter.h"

#include "acme/policy.h"
#include "base/codec.h"
#include "server/front/key_rules.h"

#include <errno.h>
#include <string.h>

#define FIELD(member, name, kind, max) JSON_FIELD(struct question, member, name, kind, false, max)
static const struct json_field fields[] = {
	JSON_FIELD(struct question, command, "command", JSON_STRING, true, 32),
	FIELD(serial, "serial", JSON_STRING, 64),
	FIELD(name, "name", JSON_STRING, 300),
	FIELD(account, "account", JSON_STRING, 64),
	FIELD(issuer, "issuer", JSON_STRING, ISSUER_NAME_MAX),
	FIELD(key_type, "keyType", JSON_STRING, 32),
	FIELD(method, "method", JSON_STRING, 32),
	FIELD(state, "state", JSON_STRING, 32),
	FIELD(contact, "contact", JSON_STRING, 300),
	FIELD(kid, "kid", JSON_STRING, 64),
	FIELD(before, "before", JSON_STRING, 128),
	FIELD(what, "what", JSON_STRING, 64),
	FIELD(value, "value", JSON_STRING, 1024),
	FIELD(issued_since, "issuedSince", JSON_UINT, 0),
	FIELD(issued_until, "issuedUntil", JSON_UINT, 0),
	FIELD(expires_after, "expiresAfter", JSON_UINT, 0),
	FIELD(expires_before, "expiresBefore", JSON_UINT, 0),
	FIELD(validated_since, "validatedSince", JSON_UINT, 0),
	FIELD(validated_until, "validatedUntil", JSON_UINT, 0),
	FIELD(limit, "limit", JSON_UINT, 0),
	FIELD(revoked, "revoked", JSON_BOOL, 0),
};

static enum err_code read_name(struct arena *a, struct question *q, struct err *e)
{
	bool range = memchr(q->name.ptr, '/', q->name.len) != NULL;
	struct name_policy_texts texts = { .deny_names = &q->name, .n_deny_names = !range, .deny_ips = &q->name, .n_deny_ips = range };
	struct err why = { 0 };

	if (name_policy_read(a, &texts, &q->names, &why) == ERR_OK)
		return ERR_OK;
	errno = 0;
	FAIL(e, CONFIG, "%s", why.detail);
}

static enum err_code read_state(const struct question *q, struct err *e)
{
	enum order_state order;
	enum account_state account;

	if (order_state_from_name(q->state, &order) || account_state_from_name(q->state, &account))
		return ERR_OK;
	FAIL(e, CONFIG, "an order is pending, ready, processing, valid or invalid; an account valid or deactivated");
}

static enum err_code read_values(struct front *f, struct arena *a, struct question *q, struct err *e)
{
	char types[KEY_TYPES_TEXT_SIZE];

	if (q->name.ptr)
		TRY(read_name(a, q, e));
	if (q->state.ptr)
		TRY(read_state(q, e));
	if (q->serial.ptr && hex_decode(q->serial, q->serial_number, STORE_SERIAL, NULL) != ERR_OK)
		FAIL(e, CONFIG, "a serial number has %d hexadecimal digits", (int)HEX_LEN(STORE_SERIAL));
	if (q->account.ptr && base64url_decode_fixed(q->account, q->account_id, sizeof q->account_id, NULL) != ERR_OK)
		FAIL(e, CONFIG, "an account is named by its id, the last part of its URL");
	if (q->issuer.ptr && !issuer_key_of(f->key_rules, q->issuer, q->issuer_key))
		FAIL(e, CONFIG, "there is no issuer of this name: chancery-ca issuer list tells which there are");
	key_types_text(key_types_for(KEY_FOR_CERTIFICATES), types);
	if (q->key_type.ptr && !key_type_from_name(q->key_type, &q->key))
		FAIL(e, CONFIG, "certificates' keys are %s", types);
	if (q->method.ptr && !challenge_type_from_name(q->method, &q->challenge))
		FAIL(e, CONFIG, "a method is http-01, dns-01 or tls-alpn-01");
	return ERR_OK;
}

enum err_code question_read(struct front *f, struct arena *a, struct bytes line, struct question *ret, struct err *e)
{
	struct question q = { .command = BYTES_NONE };

	errno = 0;
	TRY(json_read(a, line, "the question", fields, sizeof fields / sizeof *fields, &q, e));
	TRY(read_values(f, a, &q, e));
	*ret = q;
	return ERR_OK;
}

static bool in_span(struct json_uint since, struct json_uint until, int64_t time_s)
{
	return (!since.set || time_s >= (int64_t)since.value) && (!until.set || time_s < (int64_t)until.value);
}

static bool any_name_fits(struct arena *a, const struct question *q, const struct cert *c)
{
	struct identifier id;

	for (size_t i = 0; i < c->n_names; i++)
		if (identifier_from_san(a, &c->names[i], &id, NULL) == ERR_OK && name_policy_judge(&q->names, &id, NULL) != ERR_OK)
			return true;
	return false;
}

static bool key_fits(const struct question *q, const struct cert *c)
{
	CLEANUP(key_free_p) struct key *k = NULL;

	return key_from_spki(c->spki, &k, NULL) == ERR_OK && key_type(k) == q->key;
}

enum err_code certificate_shown(
    struct front *f, struct arena *a, const struct store_certificate *c, struct shown v[STORE_NAMES_MAX], size_t *ret_n, struct err *e)
{
	struct store_order o;

	*ret_n = 0;
	TRY(store_get_order(f->store, a, c->order, &o, e));
	for (size_t i = 0; i < o.n_identifiers; i++) {
		struct store_authz z;
		enum err_code rc = store_get_authz(f->store, a, o.authz[i], &z, e);
		if (rc == ERR_NOT_FOUND)
			continue;
		TRY(rc);
		for (size_t k = 0; k < z.n_challenges; k++)
			if (z.challenges[k].state == CHALLENGE_VALID)
				v[(*ret_n)++] = (struct shown){ z.identifier, z.challenges[k].type, z.challenges[k].validated_s };
	}
	return ERR_OK;
}

static bool validation_fits(struct front *f, struct arena *a, const struct question *q, const struct store_certificate *c)
{
	struct shown v[STORE_NAMES_MAX];
	size_t n;

	if (certificate_shown(f, a, c, v, &n, NULL) != ERR_OK)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((!q->method.ptr || v[i].method == q->challenge) && in_span(q->validated_since, q->validated_until, v[i].time_s))
			return true;
	return false;
}

/* The cheap before the dear. */
bool certificate_fits(
    struct front *f, struct arena *a, const struct question *q, const struct store_certificate *c, const struct cert *parts)
{
	if (!in_span(q->expires_after, q->expires_before, c->not_after_s) || (q->revoked.set && q->revoked.value != (c->revoked_s != 0)) ||
	    (q->serial.ptr && memcmp(q->serial_number, c->serial, STORE_SERIAL) != 0) ||
	    (q->account.ptr && memcmp(q->account_id, c->account, STORE_ACCOUNT_ID) != 0) ||
	    (q->issuer.ptr && !bytes_eq(parts->authority_key_id, BYTES_ARRAY(q->issuer_key))))
		return false;
	return (!q->name.ptr || any_name_fits(a, q, parts)) && (!q->key_type.ptr || key_fits(q, parts)) &&
	       ((!q->method.ptr && !q->validated_since.set && !q->validated_until.set) || validation_fits(f, a, q, c));
}

bool order_fits(struct arena *a, const struct question *q, const struct store_order *o)
{
	bool named = !q->name.ptr;

	(void)a;
	for (size_t i = 0; i < o->n_identifiers && !named; i++)
		named = name_policy_judge(&q->names, &o->identifiers[i], NULL) != ERR_OK;
	return named && (!q->account.ptr || memcmp(q->account_id, o->account, STORE_ACCOUNT_ID) == 0) &&
	       (!q->state.ptr || bytes_eq_str(q->state, order_state_name(o->state)));
}

bool account_fits(const struct question *q, const struct store_account *v)
{
	bool contact = !q->contact.ptr || (v->contacts.ptr && memmem(v->contacts.ptr, v->contacts.len, q->contact.ptr, q->contact.len));

	return contact && (!q->account.ptr || memcmp(q->account_id, v->id, STORE_ACCOUNT_ID) == 0) &&
	       (!q->state.ptr || bytes_eq_str(q->state, account_state_name(v->state))) && (!q->kid.ptr || bytes_eq(q->kid, v->eab_kid)) &&
	       in_span(q->issued_since, q->issued_until, v->created_s);
}
