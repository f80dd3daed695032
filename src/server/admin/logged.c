#include "server/admin/logged.h"

#include "acme/ari.h"
#include "base/json.h"
#include "jose/jws.h"
#include "pki/validity.h"
#include "server/receipt.h"

#include <string.h>

/* RFC 8555 §7.4, RFC 9773 §5; profile as in draft-ietf-acme-profiles. */
struct order_payload {
	struct bytes identifiers, not_before, not_after, replaces;
};
static const struct json_field order_fields[] = {
	JSON_FIELD(struct order_payload, identifiers, "identifiers", JSON_ARRAY, true, 0),
	JSON_FIELD(struct order_payload, not_before, "notBefore", JSON_STRING, false, 64),
	JSON_FIELD(struct order_payload, not_after, "notAfter", JSON_STRING, false, 64),
	JSON_FIELD(struct order_payload, replaces, "replaces", JSON_STRING, false, 128),
};
struct identifier_payload {
	struct bytes type, value;
};
static const struct json_field identifier_fields[] = {
	JSON_FIELD(struct identifier_payload, type, "type", JSON_STRING, true, 16),
	JSON_FIELD(struct identifier_payload, value, "value", JSON_STRING, true, 256),
};
#define FIELDS(f) (f), sizeof(f) / sizeof *(f)

static enum err_code read_certificate(struct arena *a, const struct intent *i, struct bytes der, struct logged *v, struct err *e)
{
	struct store_certificate *c = &v->certificate;
	struct cert parts;

	TRY(cert_parse(a, der, &parts, e));
	memcpy(c->serial, i->serial, sizeof c->serial);
	memcpy(c->order, i->order, sizeof c->order);
	memcpy(c->account, i->thumbprint, sizeof c->account);
	c->not_before_s = parts.not_before_s;
	c->not_after_s = parts.not_after_s;
	c->der = der;
	c->chain = BYTES_LIT("");
	v->issuer_key_id = parts.authority_key_id;
	return ERR_OK;
}

/* In the order and without the duplicates, as the front keeps them. */
static enum err_code read_identifiers(struct arena *a, struct bytes array, struct store_order *o, struct err *e)
{
	struct bytes *texts;
	size_t n;

	TRY(json_elements(a, array, STORE_NAMES_MAX, &texts, &n, e));
	if (n == 0)
		FAIL(e, MALFORMED, "an order without identifiers");
	o->identifiers = arena_array(a, n, sizeof *o->identifiers);
	o->authz = arena_array(a, n, sizeof *o->authz);
	if (!o->identifiers || !o->authz)
		FAIL(e, NOMEM, "no memory for identifiers");
	for (size_t i = 0; i < n; i++) {
		struct identifier_payload p = { .type = BYTES_NONE };
		TRY(json_read(a, texts[i], "an identifier", FIELDS(identifier_fields), &p, e));
		TRY(identifier_parse(a, p.type, p.value, &o->identifiers[i], e));
	}
	o->n_identifiers = identifier_sort(o->identifiers, n);
	return ERR_OK;
}

static void read_replaces(struct arena *a, struct bytes text, struct logged *v)
{
	struct ari_id id;

	v->order.replaces = text;
	if (!text.ptr || ari_id_read(a, text, &id, NULL) != ERR_OK || id.serial.len != STORE_SERIAL)
		return;
	memcpy(v->replaced, id.serial.ptr, STORE_SERIAL);
	v->replaces = true;
}

static enum err_code read_order(
    struct arena *a, const struct intent *i, const struct issue *issue, int64_t lifetime_s, struct logged *v, struct err *e)
{
	struct store_order *o = &v->order;
	struct order_payload p = { .identifiers = BYTES_NONE };
	struct validity_wish wish;
	struct jws j;

	memcpy(o->id, i->order, sizeof o->id);
	memcpy(o->account, i->thumbprint, sizeof o->account);
	memcpy(o->serial, i->serial, sizeof o->serial);
	o->state = ORDER_VALID;
	o->created_s = order_id_time_ms(i->order) / 1000;
	o->expires_s = o->created_s + lifetime_s;
	o->profile = i->profile;
	o->new_order = issue->new_order;
	o->finalize = issue->finalize;
	TRY(jws_parse(a, issue->new_order, JWS_NONCE_REQUIRED, &j, e));
	TRY(json_read(a, j.payload, "the newOrder payload", FIELDS(order_fields), &p, e));
	TRY(read_identifiers(a, p.identifiers, o, e));
	TRY(validity_wish_read(p.not_before, p.not_after, &wish, e));
	o->not_before_s = wish.before_s;
	o->not_after_s = wish.after_s;
	read_replaces(a, p.replaces, v);
	return ERR_OK;
}

/* The receipt of control for this name; false when none can be read. */
static bool find_receipt(const struct issue *issue, const struct identifier *id, struct bytes *ret, struct receipt *ret_receipt)
{
	for (size_t i = 0; i < issue->n_receipts; i++) {
		struct receipt r;
		if (receipt_look(issue->receipts[i], &r, NULL) != ERR_OK || r.kind != RECEIPT_CONTROL || r.identifier.type != id->type ||
		    !bytes_eq(r.identifier.value, id->value) || (r.scope == SCOPE_WILDCARD) != id->wildcard)
			continue;
		*ret = issue->receipts[i];
		*ret_receipt = r;
		return true;
	}
	return false;
}

/* An order names authorizations, so that there are some, but none that another order could rest on: the log does not say whether
 * the account has given them up since. The ids come from the order, so that the same log gives the same ones. */
static enum err_code make_authzs(struct arena *a, const struct issue *issue, struct logged *v, struct err *e)
{
	struct store_order *o = &v->order;

	v->authz = arena_array(a, o->n_identifiers, sizeof *v->authz);
	if (!v->authz)
		FAIL(e, NOMEM, "no memory for authorizations");
	for (size_t i = 0; i < o->n_identifiers; i++) {
		struct store_authz *z = &v->authz[i];
		uint8_t number = (uint8_t)i, digest[SHA256_SIZE];
		struct receipt r;
		sha256((struct bytes[]){ BYTES_LIT("chancery restored authorization"), BYTES_ARRAY(o->id), { &number, 1 } }, 3, digest);
		memcpy(z->id, o->id, 6); /* the order's time */
		memcpy(z->id + 6, digest, sizeof z->id - 6);
		memcpy(o->authz[i], z->id, sizeof z->id);
		memcpy(z->account, o->account, sizeof z->account);
		memcpy(z->order, o->id, sizeof z->order);
		z->identifier = o->identifiers[i];
		z->state = AUTHZ_VALID;
		z->expires_s = o->created_s;
		z->control = z->caa = BYTES_LIT("");
		if (!find_receipt(issue, &z->identifier, &z->control, &r))
			continue;
		z->challenges[z->n_challenges++] = (struct store_challenge){ .type = r.method,
			.state = CHALLENGE_VALID,
			.token = r.token,
			.validated_s = r.time_ms / 1000,
			.problem = BYTES_LIT("") };
	}
	return ERR_OK;
}

enum err_code logged_read(
    struct arena *a, const struct intent *i, struct bytes certificate, int64_t order_lifetime_s, struct logged *ret, struct err *e)
{
	struct logged v = { .replaces = false };
	struct issue issue;

	TRY(issue_read(a, i->evidence, &issue, e));
	TRY(read_certificate(a, i, certificate, &v, e));
	TRY(read_order(a, i, &issue, order_lifetime_s, &v, e));
	TRY(make_authzs(a, &issue, &v, e));
	memcpy(v.account.id, i->thumbprint, sizeof v.account.id);
	v.account.state = ACCOUNT_VALID;
	v.account.jwk = issue.account_jwk;
	v.account.created_s = v.order.created_s;
	*ret = v;
	return ERR_OK;
}
