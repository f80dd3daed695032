/* Accounts (RFC 8555 §7.3): newAccount and the account's resource. */
#include "probe/list.h"

#include <string.h>

/* --- newAccount --- */

/* A new account, judged. payload NULL: all that the server wants. */
static enum err_code register_one(
    struct probe *p, enum key_type t, const char *payload, struct actor *who, struct http_client_answer *ret, struct err *e)
{
	TRY(make_key(p, t, &who->key, e));
	if (!payload)
		TRY(account_payload(p, who->key, &payload, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = probe_url(p, URL_NEW_ACCOUNT), .as = who, .by = BY_JWK, .payload = payload), ret, e));
	who->url = ret->location.ptr ? arena_str(probe_arena(p), ret->location) : NULL;
	return ERR_OK;
}

/* Is answered by 201, and has the row's field or member. */
static enum err_code created(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor who = { 0 };

	TRY(register_one(p, KEY_EC_P256, NULL, &who, &x, e));
	TRY(want_status(&x, 201, e));
	if (c->type)
		return want_field(&x, c->type, NULL, e);
	return c->arg ? want_kind(p, &x, c->arg, c->value, e) : ERR_OK;
}

/* With a key of type `status`. */
static enum err_code key_types(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor who = { 0 };

	TRY(register_one(p, (enum key_type)c->status, NULL, &who, &x, e));
	return want_status(&x, 201, e);
}

/* What was registered before is answered by 200 and its own URL. */
static enum err_code existing(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct bytes location;
	struct ask r;

	TRY(subject_ask(p, ON_NEW_ACCOUNT, &r, e));
	if (!c->payload)
		TRY(account_payload(p, r.as->key, &r.payload, e));
	TRY(probe_ask(p, &r, &x, e));
	TRY(want_status(&x, 200, e));
	TRY(want_field(&x, "location", &location, e));
	if (!bytes_eq_str(location, r.as->url))
		FAIL(e, CONFIRM, "Location is %.*s instead of %.100s", (int)(location.len < 100 ? location.len : 100),
		    (const char *)location.ptr, r.as->url);
	return ERR_OK;
}

static enum err_code only_existing(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor who = { 0 };

	(void)c;
	TRY(register_one(p, KEY_EC_P256, "{\"onlyReturnExisting\":true,\"termsOfServiceAgreed\":true}", &who, &x, e));
	return want_problem(p, &x, 400, "accountDoesNotExist", e);
}

/* After onlyReturnExisting there is still none. */
static enum err_code none_was_made(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor who = { 0 };
	const char *payload;

	(void)c;
	TRY(register_one(p, KEY_EC_P256, "{\"onlyReturnExisting\":true,\"termsOfServiceAgreed\":true}", &who, &x, e));
	TRY(account_payload(p, who.key, &payload, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = probe_url(p, URL_NEW_ACCOUNT), .as = &who, .by = BY_JWK, .payload = payload), &x, e));
	return want_status(&x, 201, e);
}

/* A payload that a server refuses with this problem, by a new key. */
static enum err_code refused(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor who = { 0 };

	TRY(register_one(p, KEY_EC_P256, c->payload, &who, &x, e));
	return want_problem(p, &x, c->status, c->type, e);
}

/* The payload with members more, before the right ones. */
static enum err_code with_more(struct probe *p, const char *more, struct actor *who, struct http_client_answer *ret, struct err *e)
{
	const char *payload;

	TRY(make_key(p, KEY_EC_P256, &who->key, e));
	TRY(account_payload(p, who->key, &payload, e));
	payload = (const char *)arena_fmt(probe_arena(p), "{%s,%s", more, payload + 1).ptr;
	if (!payload)
		FAIL(e, NOMEM, "no memory for an account");
	TRY(probe_ask(p, &ASK(.judged = true, .url = probe_url(p, URL_NEW_ACCOUNT), .as = who, .by = BY_JWK, .payload = payload), ret, e));
	who->url = ret->location.ptr ? arena_str(probe_arena(p), ret->location) : NULL;
	return ERR_OK;
}

static enum err_code ignored(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor who = { 0 };

	TRY(with_more(p, c->payload, &who, &x, e));
	TRY(want_status(&x, 201, e));
	return c->arg ? want_text(p, &x, c->arg, c->value, e) : ERR_OK;
}

static enum err_code orders_not_taken(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor who = { 0 };

	(void)c;
	TRY(with_more(p, "\"orders\":\"https://mallory.example/orders\"", &who, &x, e));
	TRY(want_status(&x, 201, e));
	if (bytes_eq_str(member_of(p, x.body, "orders"), "\"https://mallory.example/orders\""))
		FAIL(e, CONFIRM, "\"orders\" is what the client sent");
	return ERR_OK;
}

/* A key that may not be used: the header says it is `jwk`. */
static enum err_code bad_key(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor who = { 0 };
	struct ask r = ASK(.judged = true, .url = probe_url(p, URL_NEW_ACCOUNT), .as = &who, .by = BY_JWK, .jwk = c->arg, .alg = c->value);

	TRY(make_key(p, KEY_EC_P256, &who.key, e));
	r.payload = "{\"termsOfServiceAgreed\":true}";
	TRY(probe_ask(p, &r, &x, e));
	return want_problem(p, &x, c->status, c->type, e);
}

/* --- the account --- */

/* A new account that is changed by the row's payload. */
static enum err_code change(struct probe *p, const char *payload, struct actor **ret, struct http_client_answer *x, struct err *e)
{
	TRY(make_account(p, ret, e));
	return probe_ask(p, &ASK(.judged = true, .url = (*ret)->url, .as = *ret, .payload = payload), x, e);
}

static enum err_code changed(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor *who;

	TRY(change(p, c->payload, &who, &x, e));
	TRY(want_status(&x, 200, e));
	return want_text(p, &x, c->arg, c->value, e);
}

static enum err_code change_refused(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor *who;

	TRY(change(p, c->payload, &who, &x, e));
	return want_problem(p, &x, 0, c->type, e);
}

/* What was changed is there afterwards. */
static enum err_code change_stays(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor *who;

	TRY(make_account(p, &who, e));
	TRY(probe_ask(p, &ASK(.url = who->url, .as = who, .payload = c->payload), &x, e));
	TRY(probe_ask(p, &ASK(.judged = true, .url = who->url, .as = who), &x, e));
	TRY(want_status(&x, 200, e));
	return want_text(p, &x, c->arg, c->value, e);
}

static enum err_code deactivate(struct probe *p, struct actor **ret, struct err *e)
{
	struct http_client_answer x;

	TRY(make_account(p, ret, e));
	TRY(probe_ask(p, &ASK(.url = (*ret)->url, .as = *ret, .payload = "{\"status\":\"deactivated\"}"), &x, e));
	if (x.status != 200)
		FAIL(e, CONFIG, "the account could not be deactivated: %d", x.status);
	return ERR_OK;
}

/* A deactivated account asks for `arg`: its own resource, or newOrder. */
static enum err_code after_deactivation(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor *who;
	struct ask r;

	TRY(deactivate(p, &who, e));
	TRY(subject_ask(p, ON_NEW_ORDER, &r, e));
	r.as = who;
	if (c->on == ON_ACCOUNT) {
		r.url = who->url;
		r.payload = NULL;
	}
	TRY(probe_ask(p, &r, &x, e));
	return want_problem(p, &x, c->status, "unauthorized", e);
}

#define NEW    "RFC 8555 §7.3"
#define FIND   "RFC 8555 §7.3.1"
#define UPDATE "RFC 8555 §7.3.2"
#define END    "RFC 8555 §7.3.6"
#define SHORT_RSA                                                                                                                         \
	"{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"5zqFdC0WfYdXkKjc9n4dMDCjLkPCbWg2mrbhnxLBDlxZ1K9F1Uq7T4yW1c5VnqfA2jvY0b0KzJ2d8yJt0P5y2gC" \
	"Z7d9gZzq2vB1QkSg9qM1wJ8cN9cFv3nHkqj1vE7B0t2bD3l6wJ3ZJr3bS6m6H4v4x2v8b1r2q3s4t5u6v7w\"}"

static const struct probe_case rows[] = {
	CASE("new-account/created-201", NEW, MUST, "A new account is answered by 201.", created, M_STATUS(200)),
	CASE("new-account/location", NEW, MUST, "A new account's URL is in Location.", created, M_DROP("location"), .type = "location"),
	CASE("new-account/status", NEW, MUST, "A new account's status is valid.", created, M_JSON("status", "\"pending\""), .arg = "status",
	    .value = "valid"),
	CASE("new-account/es256", "RFC 8555 §6.2", MUST, "Accounts may have keys for ES256.", key_types, M_STATUS(400),
	    .status = KEY_EC_P256),
	CASE("new-account/eddsa", "RFC 8555 §6.2", SHOULD, "Accounts may have keys for EdDSA (Ed25519).", key_types, M_STATUS(400),
	    .status = KEY_ED25519),
	CASE("new-account/existing-200", FIND, MUST, "A key that has an account is answered by 200 and that account's Location.", existing,
	    M_STATUS(201)),
	CASE("new-account/existing-location", FIND, MUST, "The Location of an account that was there is its URL.", existing,
	    M_SET("location", "https://localhost/another")),
	CASE("new-account/only-existing-200", FIND, MUST, "onlyReturnExisting with a known key is answered by 200 and Location.", existing,
	    M_DROP("location"), .payload = "{\"onlyReturnExisting\":true}"),
	CASE("new-account/only-existing-none", FIND, MUST,
	    "onlyReturnExisting with an unknown key is answered by 400 and accountDoesNotExist.", only_existing, M_TYPE("malformed")),
	CASE(
	    "new-account/only-existing-makes-none", FIND, MUST, "onlyReturnExisting makes no account.", none_was_made, M_STATUS_OF(2, 200)),
	CASE("new-account/terms", NEW, MUST, "Without termsOfServiceAgreed, a server with terms of service refuses.", refused,
	    M_STATUS(201), .needs = NEED_TOS, .payload = "{}"),
	CASE("new-account/contact-scheme", NEW, MUST, "A contact of a scheme that is not supported is refused with unsupportedContact.",
	    refused, M_TYPE("invalidContact"), .payload = "{\"termsOfServiceAgreed\":true,\"contact\":[\"ftp://example.org/me\"]}",
	    .type = "unsupportedContact"),
	CASE("new-account/contact-hfields", NEW, SHOULD, "A mailto contact with header fields is refused with invalidContact.", refused,
	    M_STATUS(201), .payload = "{\"termsOfServiceAgreed\":true,\"contact\":[\"mailto:a@example.org?subject=x\"]}",
	    .type = "invalidContact"),
	CASE("new-account/contact-two", NEW, SHOULD, "A mailto contact with two addresses is refused with invalidContact.", refused,
	    M_STATUS(201), .payload = "{\"termsOfServiceAgreed\":true,\"contact\":[\"mailto:a@example.org,b@example.org\"]}",
	    .type = "invalidContact"),
	CASE("new-account/contact-number", NEW, MUST, "A contact that is no string is refused.", refused, M_STATUS(201),
	    .payload = "{\"termsOfServiceAgreed\":true,\"contact\":[7]}"),
	CASE("new-account/payload-array", NEW, MUST, "A payload that is no object is refused as malformed.", refused,
	    M_TYPE("serverInternal"), .payload = "[]", .type = "malformed"),
	CASE("new-account/payload-no-json", NEW, MUST, "A payload that is no JSON is refused as malformed.", refused,
	    M_TYPE("serverInternal"), .payload = "{\"termsOfServiceAgreed\":", .type = "malformed"),
	CASE("new-account/unknown-members", NEW, MUST, "Members that the server does not know are ignored.", ignored, M_STATUS(400),
	    .payload = "\"probe\":{\"x\":[1,2]}"),
	CASE("new-account/status-not-taken", NEW, MUST, "A status that the client sends is ignored.", ignored,
	    M_JSON("status", "\"revoked\""), .payload = "\"status\":\"revoked\"", .arg = "status", .value = "valid"),
	CASE("new-account/orders-not-taken", NEW, MUST, "\"orders\" from the client is ignored.", orders_not_taken,
	    M_JSON("orders", "\"https://mallory.example/orders\"")),
	CASE("new-account/key-off-curve", "RFC 8555 §6.2", MUST, "A point that is not on the curve is refused with 400 and badPublicKey.",
	    bad_key, M_TYPE("malformed"), .status = 400, .type = "badPublicKey",
	    .arg = "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\",\"y\":"
		   "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}"),
	CASE("new-account/key-short-rsa", "RFC 8555 §6.2", MUST, "An RSA key that is too short is refused.", bad_key, M_STATUS(201),
	    .arg = SHORT_RSA, .value = "RS256"),
	CASE("new-account/key-symmetric", "RFC 8555 §6.2", MUST, "A symmetric key is refused.", bad_key, M_STATUS(201),
	    .arg = "{\"kty\":\"oct\",\"k\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}", .value = "HS256"),

	CASE("account/status", "RFC 8555 §7.1.2", MUST, "An account has its status.", case_member, M_JSON("status", "7"), .on = ON_ACCOUNT,
	    .arg = "status", .value = "valid|deactivated|revoked"),
	CASE("account/get-200", UPDATE, MUST, "An account is had by POST-as-GET, with 200.", case_status, M_STATUS(404), .on = ON_ACCOUNT,
	    .status = 200),
	CASE("account/empty-update", UPDATE, SHOULD, "An update of nothing is answered by 200 and the account.", changed, M_LOSE("status"),
	    .payload = "{}", .arg = "status", .value = "valid"),
	CASE("account/update-contact", UPDATE, MUST, "New contacts are answered by 200 and the account with them.", changed,
	    M_LOSE("contact"), .payload = "{\"contact\":[\"mailto:probe@example.org\"]}", .arg = "contact[0]",
	    .value = "mailto:probe@example.org"),
	CASE("account/contact-stays", UPDATE, MUST, "New contacts are kept.", change_stays,
	    M_JSON("contact[0]", "\"mailto:old@example.org\""), .payload = "{\"contact\":[\"mailto:probe@example.org\"]}",
	    .arg = "contact[0]", .value = "mailto:probe@example.org"),
	CASE("account/update-contact-scheme", UPDATE, MUST,
	    "An update to a contact that is not supported is refused with unsupportedContact.", change_refused, M_STATUS(200),
	    .payload = "{\"contact\":[\"ftp://example.org/me\"]}", .type = "unsupportedContact"),
	CASE("account/orders-not-taken", UPDATE, MUST, "An update of orders is ignored.", changed, M_JSON("status", "\"revoked\""),
	    .payload = "{\"orders\":\"https://mallory.example/\"}", .arg = "status", .value = "valid"),
	CASE("account/unknown-members", UPDATE, MUST, "Members of an update that the server does not know are ignored.", changed,
	    M_STATUS(400), .payload = "{\"probe\":7}", .arg = "status", .value = "valid"),
	CASE("account/deactivate", END, MUST, "A deactivated account is answered by 200, and is deactivated.", changed,
	    M_JSON("status", "\"valid\""), .payload = "{\"status\":\"deactivated\"}", .arg = "status", .value = "deactivated"),
	CASE("account/deactivated-account", END, MUST, "A deactivated account gets nothing: 401 and unauthorized for itself.",
	    after_deactivation, M_STATUS(200), .on = ON_ACCOUNT, .status = 401),
	CASE("account/deactivated-order", END, MUST, "A deactivated account gets nothing: 401 and unauthorized for a new order.",
	    after_deactivation, M_STATUS(403), .on = ON_NEW_ORDER, .status = 401),
};
CASE_TABLE(account_cases, rows);
