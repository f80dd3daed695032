#include "server/front/objects.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

/* A URL of ours as a JSON string: base, path, id in base64url, what follows. */
static void put_url(struct json_out *w, struct front *f, const char *path, struct bytes id, const char *suffix)
{
	char text[1400], encoded[BASE64URL_LEN(32) + 1];

	base64url_encode(id, encoded);
	int n = snprintf(text, sizeof text, "%.*s%s%s%s", BYTES_FMT(f->settings->base_url), path, encoded, suffix);
	json_put_string(w, (struct bytes){ (uint8_t *)text, n > 0 && (size_t)n < sizeof text ? (size_t)n : 0 });
}

void put_time(struct json_out *w, const char *key, int64_t unix_s)
{
	char text[RFC3339_SIZE];

	rfc3339_format(unix_s, text);
	json_put_member_str(w, key, text);
}

static void put_identifier(struct json_out *w, const struct identifier *id)
{
	char name[DNS_NAME_MAX + 4];
	int n = snprintf(name, sizeof name, "%s%.*s", id->wildcard ? "*." : "", BYTES_FMT(id->value));

	json_put_object(w);
	json_put_member_str(w, "type", identifier_type_name(id->type));
	json_put_member(w, "value", (struct bytes){ (uint8_t *)name, n > 0 ? (size_t)n : 0 });
	json_end_object(w);
}

enum order_state order_state_now(const struct store_order *order, int64_t now_s)
{
	bool open = order->state == ORDER_PENDING || order->state == ORDER_READY;

	return open && (order->expires_s <= now_s || order->holds_s <= now_s) ? ORDER_INVALID : order->state;
}

enum authz_state authz_state_now(const struct store_authz *authz, int64_t now_s)
{
	bool open = authz->state == AUTHZ_PENDING || authz->state == AUTHZ_VALID;

	return open && authz->expires_s <= now_s ? AUTHZ_EXPIRED : authz->state;
}

void put_order(struct acme_request *r, const struct store_order *order, struct buf *out)
{
	struct json_out w = json_out_to(out);
	char serial[HEX_LEN(STORE_SERIAL) + 1];

	json_put_object(&w);
	json_put_member_str(&w, "status", order_state_name(order_state_now(order, r->now_ms / 1000)));
	put_time(&w, "expires", order->expires_s);
	if (order->not_before_s)
		put_time(&w, "notBefore", order->not_before_s);
	if (order->not_after_s)
		put_time(&w, "notAfter", order->not_after_s);
	if (order->profile.len)
		json_put_member(&w, "profile", order->profile);
	if (order->replaces.len)
		json_put_member(&w, "replaces", order->replaces);
	json_put_key(&w, "identifiers");
	json_put_array(&w);
	for (size_t i = 0; i < order->n_identifiers; i++)
		put_identifier(&w, &order->identifiers[i]);
	json_end_array(&w);
	json_put_key(&w, "authorizations");
	json_put_array(&w);
	for (size_t i = 0; i < order->n_identifiers; i++)
		put_url(&w, r->front, "/acme/authz/", BYTES_ARRAY(order->authz[i]), "");
	json_end_array(&w);
	json_put_key(&w, "finalize");
	put_url(&w, r->front, ORDER_PATH, BYTES_ARRAY(order->id), FINALIZE_SUFFIX);
	if (order->problem.len) {
		json_put_key(&w, "error");
		json_put_raw(&w, order->problem);
	}
	if (order->state == ORDER_VALID) {
		hex_encode(BYTES_ARRAY(order->serial), serial);
		json_put_member(&w, "certificate", front_url(r, "/acme/cert/%s", serial));
	}
	json_end_object(&w);
}

/* What goes on without the client: the signer's answer is awaited, or one of its authorizations is being validated. */
static bool order_in_progress(struct store *s, const struct store_order *order)
{
	if (order->state != ORDER_PENDING)
		return order->state == ORDER_PROCESSING;
	for (size_t i = 0; i < order->n_identifiers; i++)
		if (store_is_processing(s, order->authz[i]))
			return true;
	return false;
}

void reply_order(struct acme_request *r, const struct store_order *order, struct reply *ret)
{
	char id[ORDER_ID_LEN + 1];

	put_order(r, order, &ret->body);
	reply_json(ret, 200);
	base64url_encode(BYTES_ARRAY(order->id), id);
	reply_field(ret, "Location", front_url(r, ORDER_PATH "%s", id));
	if (order_in_progress(r->front->store, order))
		reply_field(ret, "Retry-After", BYTES_LIT("1"));
}

static void put_challenge_members(struct json_out *w, struct front *f, const struct store_authz *authz, const struct store_challenge *c)
{
	char suffix[40];

	(void)snprintf(suffix, sizeof suffix, "/%s", challenge_type_name(c->type));
	json_put_object(w);
	json_put_member_str(w, "type", challenge_type_name(c->type));
	json_put_key(w, "url");
	put_url(w, f, "/acme/chall/", BYTES_ARRAY(authz->id), suffix);
	json_put_member_str(w, "status", challenge_state_name(c->state));
	json_put_member(w, "token", c->token);
	if (c->validated_s)
		put_time(w, "validated", c->validated_s);
	if (c->problem.len) {
		json_put_key(w, "error");
		json_put_raw(w, c->problem);
	}
	json_end_object(w);
}

void put_challenge(struct front *f, const struct store_authz *authz, const struct store_challenge *c, struct buf *out)
{
	struct json_out w = json_out_to(out);

	put_challenge_members(&w, f, authz, c);
}

const struct store_challenge *challenge_of(const struct store_authz *authz, enum challenge_type type)
{
	for (size_t i = 0; i < authz->n_challenges; i++)
		if (authz->challenges[i].type == type)
			return &authz->challenges[i];
	return NULL;
}

void reply_challenge(struct front *f, struct arena *a, const struct store_authz *authz, const struct store_challenge *c, struct reply *ret)
{
	char id[BASE64URL_LEN(STORE_AUTHZ_ID) + 1];

	put_challenge(f, authz, c, &ret->body);
	reply_json(ret, 200);
	base64url_encode(BYTES_ARRAY(authz->id), id);
	reply_field(ret, "Link", arena_fmt(a, "<%.*s/acme/authz/%s>;rel=\"up\"", BYTES_FMT(f->settings->base_url), id));
	if (c->state == CHALLENGE_PROCESSING)
		reply_field(ret, "Retry-After", BYTES_LIT("1"));
}

/* RFC 8555 §7.1.4: what is valid shows the challenge that made it so, what is invalid the one that failed. */
static bool shown(const struct store_authz *authz, const struct store_challenge *c)
{
	switch (authz->state) {
	case AUTHZ_VALID:
		return c->state == CHALLENGE_VALID;
	case AUTHZ_INVALID:
		return c->state == CHALLENGE_INVALID;
	case AUTHZ_PENDING:
	case AUTHZ_DEACTIVATED:
	case AUTHZ_EXPIRED:
	case AUTHZ_REVOKED:
	case AUTHZ__MAX:
		break;
	}
	return true;
}

void put_authz(struct front *f, const struct store_authz *authz, int64_t now_s, struct buf *out)
{
	struct json_out w = json_out_to(out);
	struct identifier plain = authz->identifier;

	plain.wildcard = false; /* RFC 8555 §7.1.4: without the "*.", and "wildcard" says it */
	json_put_object(&w);
	json_put_key(&w, "identifier");
	put_identifier(&w, &plain);
	json_put_member_str(&w, "status", authz_state_name(authz_state_now(authz, now_s)));
	put_time(&w, "expires", authz->expires_s);
	if (authz->identifier.wildcard)
		json_put_member_bool(&w, "wildcard", true);
	json_put_key(&w, "challenges");
	json_put_array(&w);
	for (size_t i = 0; i < authz->n_challenges; i++)
		if (shown(authz, &authz->challenges[i]))
			put_challenge_members(&w, f, authz, &authz->challenges[i]);
	json_end_array(&w);
	json_end_object(&w);
}

void reply_authz(struct acme_request *r, const struct store_authz *authz, struct reply *ret)
{
	put_authz(r->front, authz, r->now_ms / 1000, &ret->body);
	reply_json(ret, 200);
	for (size_t i = 0; i < authz->n_challenges; i++)
		if (authz->challenges[i].state == CHALLENGE_PROCESSING) {
			reply_field(ret, "Retry-After", BYTES_LIT("1"));
			break;
		}
}

enum err_code load_order(struct acme_request *r, struct store_order *ret, struct err *e)
{
	uint8_t id[STORE_ORDER_ID];
	struct store_order order;

	TRY(order_id_read(r->id, id, e));
	TRY(store_get_order(r->front->store, r->http->arena, id, &order, e));
	if (memcmp(order.account, r->account, sizeof order.account) != 0)
		FAIL(e, NOT_FOUND, "there is no such order");
	*ret = order;
	return ERR_OK;
}

enum err_code load_authz(struct acme_request *r, struct store_authz *ret, struct err *e)
{
	uint8_t id[STORE_AUTHZ_ID];
	struct store_authz authz;

	TRY(authz_id_read(r->id, id, e));
	TRY(store_get_authz(r->front->store, r->http->arena, id, &authz, e));
	if (memcmp(authz.account, r->account, sizeof authz.account) != 0)
		FAIL(e, NOT_FOUND, "there is no such authorization");
	*ret = authz;
	return ERR_OK;
}
