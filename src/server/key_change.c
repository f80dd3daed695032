#include "server/key_change.h"

#include "base/json.h"

struct payload {
	struct bytes account, old_key;
};
static const struct json_field payload_fields[] = {
	JSON_FIELD(struct payload, account, "account", JSON_STRING, true, 2048),
	JSON_FIELD(struct payload, old_key, "oldKey", JSON_OBJECT, true, 0),
};

/* By its members: clients write the same key in more than one way. */
static bool is_key(struct arena *a, struct bytes jwk, const struct key *k)
{
	CLEANUP(key_free_p) struct key *read = NULL;

	return jwk_parse(a, jwk, &read, NULL) == ERR_OK && bytes_eq(key_spki(read), key_spki(k));
}

/* The request says itself which account and which key it is for, so that nobody can put it into another account's outer request. */
static enum err_code check_payload(
    struct arena *a, const struct jws *outer, const struct jws *inner, const struct key *present, struct err *e)
{
	struct payload p = { .account = BYTES_NONE };

	TRY(json_read(a, inner->payload, "the keyChange object", payload_fields, sizeof payload_fields / sizeof payload_fields[0], &p, e));
	if (!bytes_eq(p.account, outer->kid))
		FAIL(e, MALFORMED, "the keyChange object's account is not the one that has signed the request");
	if (!is_key(a, p.old_key, present))
		FAIL(e, MALFORMED, "the keyChange object's oldKey is not the account's present key");
	return ERR_OK;
}

enum err_code key_change_read(struct arena *a, const struct jws *outer, const struct key *present, struct key_change *ret, struct err *e)
{
	CLEANUP(key_free_p) struct key *k = NULL;
	struct jws inner;

	if (!outer->kid.ptr)
		FAIL(e, MALFORMED, "a keyChange request is signed by an account's key: kid, not jwk (RFC 8555 section 7.3.5)");
	TRY(jws_parse(a, outer->payload, JWS_NONCE_FORBIDDEN, &inner, e));
	if (!inner.jwk.ptr)
		FAIL(e, MALFORMED, "the inner JWS must have the new key as jwk in its protected header");
	if (!bytes_eq(inner.url, outer->url))
		FAIL(e, MALFORMED, "the inner JWS's url is not the outer one's");
	TRY(jwk_parse(a, inner.jwk, &k, e));
	TRY(jws_verify(&inner, k, e));
	TRY(check_payload(a, outer, &inner, present, e));
	jwk_thumbprint(k, ret->thumbprint);
	ret->key = TAKE(k);
	return ERR_OK;
}
