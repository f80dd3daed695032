/* What the client itself has signed: its finalize request, and the newOrder whose digest is in the order's id. The signer reads
 * both as they came from the client and believes nothing that the front says about them (DESIGN §2, points 1 and 2). */
#include "server/signer/state.h"

#include "base/codec.h"
#include "base/json.h"
#include "pki/validity.h"

#include <errno.h>
#include <string.h>

#define NEW_ORDER_PATH "/acme/new-order"
#define NAMES_MAX      100

struct finalize_payload {
	struct bytes csr;
};
static const struct json_field finalize_fields[] = {
	JSON_FIELD(struct finalize_payload, csr, "csr", JSON_STRING, true, BASE64URL_LEN(CSR_SIZE_MAX)),
};

/* RFC 8555 §7.4; profile as in draft-ietf-acme-profiles. */
struct order_payload {
	struct bytes identifiers, not_before, not_after, profile;
};
static const struct json_field order_fields[] = {
	JSON_FIELD(struct order_payload, identifiers, "identifiers", JSON_ARRAY, true, NAMES_MAX),
	JSON_FIELD(struct order_payload, not_before, "notBefore", JSON_STRING, false, 64),
	JSON_FIELD(struct order_payload, not_after, "notAfter", JSON_STRING, false, 64),
	JSON_FIELD(struct order_payload, profile, "profile", JSON_STRING, false, 64),
};

struct identifier_payload {
	struct bytes type, value;
};
static const struct json_field identifier_fields[] = {
	JSON_FIELD(struct identifier_payload, type, "type", JSON_STRING, true, 16),
	JSON_FIELD(struct identifier_payload, value, "value", JSON_STRING, true, 256),
};

#define FIELDS(f) (f), sizeof(f) / sizeof *(f)

/* The account's key from its JWK. Only the canonical form is taken, so that the text's own digest is the thumbprint (RFC 7638)
 * and a key that was seen before need not be parsed again. */
static enum err_code account_key(
    struct signer *s, struct arena *a, struct bytes jwk, uint8_t thumbprint[THUMBPRINT_SIZE], const struct key **ret, struct err *e)
{
	CLEANUP(key_free_p) struct key *k = NULL;
	uint8_t canonical[THUMBPRINT_SIZE];

	sha256_one(jwk, thumbprint);
	size_t at = ((size_t)thumbprint[0] << 8 | thumbprint[1]) % KEY_CACHE_SIZE;
	struct cached_key *c = &s->keys[at];
	if (!c->key || memcmp(c->thumbprint, thumbprint, sizeof c->thumbprint) != 0) {
		TRY(jwk_parse(a, jwk, &k, e));
		jwk_thumbprint(k, canonical);
		if (memcmp(canonical, thumbprint, sizeof canonical) != 0)
			FAIL(e, CONFIRM, "the account's JWK is not in its canonical form");
		key_free(c->key);
		c->key = TAKE(k);
		memcpy(c->thumbprint, canonical, sizeof canonical);
	}
	*ret = c->key;
	return ERR_OK;
}

/* The account's id is its first key's thumbprint, whichever key speaks for it now: nobody can lie about whose it is. */
enum err_code account_find(struct signer *s, struct arena *a, struct bytes jwk, struct account_evidence_key *ret, struct err *e)
{
	TRY(account_key(s, a, jwk, ret->thumbprint, &ret->key, e));
	const struct account_known *k = accounts_of_key(s->accounts, ret->thumbprint);
	memcpy(ret->id, k ? k->id : ret->thumbprint, sizeof ret->id);
	ret->url = account_url(a, s->settings.base_url, ret->id);
	if (!ret->url.ptr)
		FAIL(e, NOMEM, "no memory for an account's URL");
	return ERR_OK;
}

enum err_code account_speaks(struct signer *s, const struct account_evidence_key *k, struct err *e)
{
	uint8_t id[THUMBPRINT_SIZE];

	TRY(accounts_speaking(s->accounts, k->thumbprint, id, e));
	if (blocked_has(s->blocked, k->key))
		FAIL(e, BAD_PUBLIC_KEY, "the account's key is on this CA's list of blocked keys");
	if (blocks_has_key(s->blocks, k->key))
		FAIL(e, BAD_PUBLIC_KEY, "this CA's operator has blocked the account's key: make a new account");
	if (blocks_has_account(s->blocks, k->id))
		FAIL(e, UNAUTHORIZED, "this CA's operator has blocked the account");
	return ERR_OK;
}

enum err_code account_read(struct signer *s, struct arena *a, struct bytes jwk, struct account_evidence_key *ret, struct err *e)
{
	TRY(account_find(s, a, jwk, ret, e));
	return account_speaks(s, ret, e);
}

static enum err_code read_account(struct signer *s, struct arena *a, struct bytes jwk, struct evidence *v, struct err *e)
{
	struct account_evidence_key k;

	TRY(account_read(s, a, jwk, &k, e));
	memcpy(v->account_id, k.id, sizeof v->account_id);
	memcpy(v->thumbprint, k.thumbprint, sizeof v->thumbprint);
	v->account_url = k.url;
	v->account = k.key;
	return ERR_OK;
}

static enum err_code check_kid(const struct jws *j, const struct evidence *v, const char *what, struct err *e)
{
	if (!j->kid.ptr || !bytes_eq(j->kid, v->account_url))
		FAIL(e, UNAUTHORIZED, "the %s request is not by the account whose key was given", what);
	return ERR_OK;
}

static enum err_code check_order_time(const struct signer *s, const uint8_t *order, int64_t now_ms, struct err *e)
{
	int64_t age_ms = now_ms - order_id_time_ms(order);

	if (age_ms < -ORDER_SKEW_MS)
		FAIL(e, UNAUTHORIZED, "the order's id is from the future");
	if (age_ms > (int64_t)s->settings.order_lifetime * 1000 + ORDER_SLACK_MS)
		FAIL(e, UNAUTHORIZED, "the order has expired: make a new one");
	return ERR_OK;
}

/* The newOrder request that the order's id was made from, by the same account. Its signature is looked at later, and only when it
 * asks for something that counts. */
static enum err_code read_new_order(
    const struct signer *s, struct arena *a, const struct issue *i, const struct evidence *v, struct jws *ret, struct err *e)
{
	if (!order_id_names(v->order, i->new_order))
		FAIL(e, CONFIRM, "the order's id was not made from this newOrder request");
	TRY(jws_parse(a, i->new_order, JWS_NONCE_REQUIRED, ret, e));
	TRY(check_kid(ret, v, "newOrder", e));
	struct bytes base = s->settings.base_url;
	if (!bytes_starts_with(ret->url, base) || !bytes_eq_str(bytes_slice(ret->url, base.len, ret->url.len), NEW_ORDER_PATH))
		FAIL(e, UNAUTHORIZED, "the newOrder request's url is not this CA's newOrder URL");
	return ERR_OK;
}

static enum err_code read_csr(struct arena *a, const struct jws *finalize, struct evidence *v, struct err *e)
{
	struct finalize_payload p = { 0 };

	TRY(json_read(a, finalize->payload, "the finalize payload", FIELDS(finalize_fields), &p, e));
	TRY(base64url_decode(a, p.csr, &v->csr_der, e));
	sha256_one(v->csr_der, v->csr_digest);
	return ERR_OK;
}

static enum err_code identifier_name(struct arena *a, struct bytes text, struct identifier *ret_id, struct san *ret, struct err *e)
{
	struct identifier_payload p = { 0 };

	TRY(json_read(a, text, "an identifier", FIELDS(identifier_fields), &p, e));
	TRY(identifier_parse(a, p.type, p.value, ret_id, e));
	return identifier_san(a, ret_id, ret, e);
}

static enum err_code ordered_names(struct arena *a, const struct order_payload *p, struct evidence *v, struct err *e)
{
	struct bytes *elements;
	size_t n;

	TRY(json_elements(a, p->identifiers, NAMES_MAX, &elements, &n, e));
	v->ordered = arena_array(a, n + 1, sizeof *v->ordered);
	v->identifiers = arena_array(a, n + 1, sizeof *v->identifiers);
	if (!v->ordered || !v->identifiers)
		FAIL(e, NOMEM, "no memory for identifiers");
	for (size_t i = 0; i < n; i++)
		TRY(identifier_name(a, elements[i], &v->identifiers[i], &v->ordered[i], e));
	v->n_identifiers = n;
	v->n_ordered = san_sort(v->ordered, n);
	return ERR_OK;
}

static enum err_code find_profile(const struct signer *s, struct bytes name, const struct profile **ret, struct err *e)
{
	for (size_t i = 0; i < s->settings.n_profiles; i++)
		if (!name.ptr || bytes_eq(name, s->settings.profiles[i].name)) {
			*ret = &s->settings.profiles[i]; /* the first is the default */
			return ERR_OK;
		}
	FAIL(e, INVALID_PROFILE, "the order asks for a profile that this CA does not have");
}

enum err_code validity_decide(const struct profile *p, int64_t order_ms, int64_t now_ms, bool wants_before, int64_t before_s,
    bool wants_after, int64_t after_s, int64_t *ret_before_s, int64_t *ret_after_s, struct err *e)
{
	const struct validity_wish wish = { wants_before, wants_after, before_s, after_s };
	struct validity v;

	TRY(profile_validity(p, order_ms, now_ms, &wish, &v, e));
	*ret_before_s = v.not_before_s;
	*ret_after_s = v.not_after_s;
	return ERR_OK;
}

/* By the account's key, or by one that it had when the order was made. */
static enum err_code verify_new_order(const struct signer *s, const struct jws *new_order, const struct evidence *v, struct err *e)
{
	enum err_code rc = jws_verify(new_order, v->account, e);

	for (size_t i = 0; rc != ERR_OK && i < FORMER_KEYS && s->former[i].key; i++)
		if (memcmp(s->former[i].account, v->account_id, sizeof v->account_id) == 0 &&
		    jws_verify(new_order, s->former[i].key, NULL) == ERR_OK)
			return ERR_OK;
	return rc;
}

/* Profile and validity. What the order does not ask for is the CA's own choice, so that a newOrder without wishes needs no look
 * at its signature (75 us): whatever a front might have put in its place gives the same certificate. A wish counts only when the
 * client has signed it (DESIGN §2, point 2). */
static enum err_code read_wishes(
    const struct signer *s, struct arena *a, const struct jws *new_order, int64_t now_ms, struct evidence *v, struct err *e)
{
	struct order_payload p = { 0 };
	struct validity_wish wish;

	TRY(json_read(a, new_order->payload, "the newOrder payload", FIELDS(order_fields), &p, e));
	if (p.profile.ptr || p.not_before.ptr || p.not_after.ptr)
		TRY(verify_new_order(s, new_order, v, e));
	TRY(ordered_names(a, &p, v, e));
	TRY(find_profile(s, p.profile, &v->profile, e));
	TRY(validity_wish_read(p.not_before, p.not_after, &wish, e));
	return validity_decide(v->profile, order_id_time_ms(v->order), now_ms, wish.has_before, wish.before_s, wish.has_after, wish.after_s,
	    &v->not_before_s, &v->not_after_s, e);
}

/* Cheap checks first: what is old or of another CA costs no arithmetic. */
enum err_code evidence_read(struct signer *s, struct arena *a, const struct issue *i, int64_t now_ms, struct evidence *ret, struct err *e)
{
	struct jws finalize, new_order;
	struct evidence v = { 0 };

	errno = 0;
	TRY(jws_parse(a, i->finalize, JWS_NONCE_REQUIRED, &finalize, e));
	TRY(finalize_url_read(s->settings.base_url, finalize.url, v.order, e));
	TRY(check_order_time(s, v.order, now_ms, e));
	TRY(read_account(s, a, i->account_jwk, &v, e));
	TRY(check_kid(&finalize, &v, "finalize", e));
	TRY(read_new_order(s, a, i, &v, &new_order, e));
	TRY(jws_verify(&finalize, v.account, e));
	TRY(read_csr(a, &finalize, &v, e));
	TRY(read_wishes(s, a, &new_order, now_ms, &v, e));
	*ret = v;
	return ERR_OK;
}
