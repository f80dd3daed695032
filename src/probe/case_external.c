/* External account binding (RFC 8555 §7.3.4), where a server requires it. */
#include "base/codec.h"
#include "crypto/digest.h"
#include "jose/jwk.h"
#include "probe/list.h"

#include <string.h>

/* --- bindings, right but for one thing --- */

static bool wrong(const struct probe_case *c, const char *what)
{
	return c->arg && strcmp(c->arg, what) == 0;
}

static void put_header(struct probe *p, const struct probe_case *c, struct buf *out)
{
	struct json_out w = json_out_to(out);

	json_put_object(&w);
	json_put_member_str(&w, "alg", wrong(c, "alg") ? "none" : "HS256");
	if (!wrong(c, "no-kid"))
		json_put_member_str(&w, "kid", wrong(c, "kid") ? "of-nobody" : probe_options(p)->eab_kid);
	json_put_member_str(&w, "url", wrong(c, "url") ? probe_directory_url(p) : probe_url(p, URL_NEW_ACCOUNT));
	if (wrong(c, "nonce"))
		json_put_member_str(&w, "nonce", "AAAA");
	json_end_object(&w);
}

static void put_mac(struct probe *p, const struct probe_case *c, struct bytes message, struct buf *out)
{
	uint8_t mac[SHA256_SIZE];

	if (wrong(c, "alg"))
		return;
	hmac_sha256(probe_options(p)->eab_key, &message, 1, mac);
	if (wrong(c, "mac"))
		mac[0] ^= 1;
	base64url_add(out, (struct bytes){ mac, sizeof mac });
}

/* The newAccount payload with a binding of `key` that is wrong as the row says. */
static enum err_code payload_for(struct probe *p, const struct probe_case *c, const struct key *key, const char **ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf header = buf_new(4096), jwk = buf_new(JWK_SIZE_MAX), message = buf_new(16384), mac = buf_new(256);

	put_header(p, c, &header);
	if (!wrong(c, "no-key"))
		jwk_write(key, &jwk);
	base64url_add(&message, buf_bytes(&header));
	size_t point = message.len;
	buf_add_u8(&message, '.');
	base64url_add(&message, buf_bytes(&jwk));
	put_mac(p, c, buf_bytes(&message), &mac);
	if (!buf_ok(&header) || !buf_ok(&jwk) || !buf_ok(&message) || !buf_ok(&mac))
		FAIL(e, NOMEM, "no memory for a binding");
	struct bytes all = buf_bytes(&message);
	*ret = (const char *)arena_fmt(probe_arena(p),
	    "{\"termsOfServiceAgreed\":true,\"externalAccountBinding\":{\"protected\":\"%.*s\",\"payload\":\"%.*s\",\"signature\":\"%.*s\"}}",
	    BYTES_FMT(bytes_slice(all, 0, point)), BYTES_FMT(bytes_slice(all, point + 1, all.len)), BYTES_FMT(buf_bytes(&mac)))
		   .ptr;
	if (!*ret)
		FAIL(e, NOMEM, "no memory for a binding");
	return ERR_OK;
}

static enum err_code ask_account(
    struct probe *p, const struct actor *who, const char *payload, bool judged, struct http_client_answer *ret, struct err *e)
{
	return probe_ask(
	    p, &ASK(.judged = judged, .url = probe_url(p, URL_NEW_ACCOUNT), .as = who, .by = BY_JWK, .payload = payload), ret, e);
}

/* A new key asks for an account, with the row's payload or a binding that is wrong as the row says. */
static enum err_code bind_one(struct probe *p, const struct probe_case *c, bool judged, struct actor *who, const char **ret_payload,
    struct http_client_answer *ret, struct err *e)
{
	struct key *other;

	TRY(make_key(p, KEY_EC_P256, &who->key, e));
	TRY(make_key(p, KEY_EC_P256, &other, e));
	*ret_payload = c->payload;
	if (!c->payload)
		TRY(payload_for(p, c, wrong(c, "key") ? other : who->key, ret_payload, e));
	return ask_account(p, who, *ret_payload, judged, ret, e);
}

/* --- what is looked at --- */

static enum err_code bound(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor who = { 0 };
	const char *payload;

	TRY(bind_one(p, c, true, &who, &payload, &x, e));
	return want_status(&x, 201, e);
}

/* "An account that was made so MUST have the field with the same value": each of its three members. */
static enum err_code reflected(struct probe *p, const struct probe_case *c, struct err *e)
{
	static const char *const paths[] = { "externalAccountBinding.protected", "externalAccountBinding.payload",
		"externalAccountBinding.signature" };
	struct http_client_answer x;
	struct actor who = { 0 };
	const char *payload;
	struct bytes seen;

	TRY(bind_one(p, c, true, &who, &payload, &x, e));
	TRY(want_status(&x, 201, e));
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		TRY(want_member(p, &x, paths[i], &seen, e));
		if (!bytes_eq(seen, member_of(p, bytes_str(payload), paths[i])))
			FAIL(e, CONFIRM, "\"%s\" is not what was sent", paths[i]);
	}
	return ERR_OK;
}

static enum err_code refused(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x;
	struct actor who = { 0 };
	const char *payload;

	TRY(bind_one(p, c, true, &who, &payload, &x, e));
	return want_problem(p, &x, 0, c->type, e);
}

static enum err_code none_was_made(struct probe *p, const struct probe_case *c, struct err *e)
{
	struct http_client_answer x, y;
	struct actor who = { 0 };
	const char *payload;

	TRY(bind_one(p, c, false, &who, &payload, &x, e));
	TRY(ask_account(p, &who, "{\"onlyReturnExisting\":true}", true, &y, e));
	return want_problem(p, &y, 400, "accountDoesNotExist", e);
}

#define SEC                              "RFC 8555 §7.3.4"
#define BOUND(id, level, must, run, ...) CASE("new-account/external-" id, SEC, level, must, run, __VA_ARGS__, .needs = NEED_EAB)

static const struct probe_case rows[] = {
	BOUND("bound", MUST, "A key that is bound to an external account gets an account.", bound, M_STATUS(400)),
	BOUND("reflected", MUST, "An account that is bound has the binding as it was sent.", reflected, M_LOSE("externalAccountBinding")),
	BOUND("none", SHOULD, "Without a binding the problem is externalAccountRequired.", refused, M_TYPE("malformed"),
	    .payload = "{\"termsOfServiceAgreed\":true}", .type = "externalAccountRequired"),
	BOUND("mac", MUST, "A binding whose MAC does not hold is refused.", refused, M_STATUS(201), .arg = "mac"),
	BOUND("mac-makes-none", MUST, "A binding that is refused makes no account.", none_was_made, M_STATUS(200), .arg = "mac"),
	BOUND("kid", MUST, "A binding by a key that the server does not know is refused.", refused, M_STATUS(201), .arg = "kid"),
	BOUND("no-kid", MUST, "A binding that names no key is refused.", refused, M_STATUS(201), .arg = "no-kid"),
	BOUND("alg", MUST, "A binding that is not MACed (alg none) is refused.", refused, M_STATUS(201), .arg = "alg"),
	BOUND("url", MUST, "A binding for another URL is refused.", refused, M_STATUS(201), .arg = "url"),
	BOUND("nonce", MUST, "A binding with a nonce is refused.", refused, M_STATUS(201), .arg = "nonce"),
	BOUND("key", MUST, "A binding of another key than the account's is refused.", refused, M_STATUS(201), .arg = "key"),
	BOUND("no-key", MUST, "A binding of no key is refused.", refused, M_STATUS(201), .arg = "no-key"),
	BOUND("string", MUST, "A binding that is no JWS is refused.", refused, M_STATUS(201),
	    .payload = "{\"termsOfServiceAgreed\":true,\"externalAccountBinding\":\"me\"}"),
};
CASE_TABLE(external_cases, rows);
