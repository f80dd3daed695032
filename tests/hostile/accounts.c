/* Accounts: a front without the right signatures and MACs moves none to another key, ends none, binds none, and brings nothing back that
 * is over. It plays three keys of a client of its own: FIRST, whose account it is, NEXT, and OTHER. */
#include "attack.h"

#include "jose/eab.h"
#include "jose/jwk.h"
#include "jose/jws.h"

#include <string.h>

enum { FIRST, NEXT, OTHER, KEYS };

/* One request; what a case leaves out is as it should be. */
struct request {
	uint16_t type, answer;
	const struct key *signer, *inner; /* of the request; of the request in it */
	const struct key *given;          /* whose JWK the front gives */
	const struct key *next, *old_key;
	struct bytes url, inner_url, account, kid, payload, body;
};

static struct key *keys[KEYS];

static enum err_code sign_with(void *ctx, struct bytes message, uint8_t *sig, size_t *ret_len, struct err *e)
{
	return key_sign(*(const struct key **)ctx, SIG_FORM_JOSE, message, sig, ret_len, e);
}

struct bytes jwk_of(struct attacker *w, const struct key *k)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(JWK_SIZE_MAX);

	jwk_write(k, &out);
	return copy_of(w->a, buf_bytes(&out));
}

struct bytes url_of(struct attacker *w, const char *path)
{
	return arena_fmt(w->a, "%.*s%s", BYTES_FMT(w->child.settings.base_url), path);
}

static struct bytes url_of_account(struct attacker *w, const struct key *first)
{
	uint8_t thumbprint[THUMBPRINT_SIZE];

	jwk_thumbprint(first, thumbprint);
	return account_url(w->a, w->child.settings.base_url, thumbprint);
}

struct bytes jws_of(
    struct attacker *w, const struct key *k, bool nonce, struct bytes url, struct bytes kid, struct bytes jwk, struct bytes payload)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(65536);
	struct jws_header h = {
		.alg = key_sig_alg(k), .nonce = nonce ? BYTES_LIT("oFvnlFP1wIhRlYS2jTaXbA") : BYTES_NONE, .url = url, .kid = kid, .jwk = jwk
	};
	struct err e = { 0 };

	need(w, jws_write(&h, payload, sign_with, &k, &out, &e), "signing a request about an account", &e);
	return copy_of(w->a, buf_bytes(&out));
}

static struct bytes envelope(struct attacker *w, struct bytes request, struct bytes jwk)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct account_evidence v = { request, jwk };

	account_evidence_write(&v, &out);
	return copy_of(w->a, buf_bytes(&out));
}

/* FIRST's account, whose present key is `present`, is to get the key `next`. */
static struct request rollover(struct attacker *w, const struct key *present, const struct key *next)
{
	return (struct request){ .type = MESSAGE_ROLLOVER,
		.answer = MESSAGE_ROLLOVER_OK,
		.signer = present,
		.inner = next,
		.given = present,
		.next = next,
		.old_key = present,
		.url = url_of(w, "/acme/key-change"),
		.inner_url = url_of(w, "/acme/key-change"),
		.account = url_of_account(w, keys[FIRST]),
		.kid = url_of_account(w, keys[FIRST]) };
}

static struct request deactivation(struct attacker *w, const struct key *present)
{
	return (struct request){ .type = MESSAGE_DEACTIVATE,
		.answer = MESSAGE_DEACTIVATE_OK,
		.signer = present,
		.given = present,
		.url = url_of_account(w, keys[FIRST]),
		.kid = url_of_account(w, keys[FIRST]),
		.payload = BYTES_LIT("{\"status\":\"deactivated\"}") };
}

/* By a secret that nobody gave out, or with this payload. */
static struct request binding(struct attacker *w, struct bytes payload)
{
	static const uint8_t guess[EAB_SECRET_MIN] = { 1 };
	CLEANUP(buf_free_p) struct buf out = buf_new(16384);
	struct err e = { 0 };

	need(w,
	    eab_write(
		MAC_HS256, BYTES_LIT("00000000000000000000"), url_of(w, "/acme/new-account"), keys[OTHER], BYTES_ARRAY(guess), &out, &e),
	    "writing a binding", &e);
	if (!payload.ptr)
		payload = arena_fmt(w->a, "{\"externalAccountBinding\":%.*s}", BYTES_FMT(buf_bytes(&out)));
	return (struct request){ .type = MESSAGE_BIND,
		.answer = MESSAGE_BIND_OK,
		.body =
		    envelope(w, jws_of(w, keys[OTHER], true, url_of(w, "/acme/new-account"), BYTES_NONE, jwk_of(w, keys[OTHER]), payload),
			BYTES_LIT("")) };
}

static struct bytes body_of(struct attacker *w, const struct request *q)
{
	struct bytes payload = q->payload;

	if (q->body.ptr)
		return q->body;
	if (!payload.ptr)
		payload = jws_of(w, q->inner, false, q->inner_url, BYTES_NONE, jwk_of(w, q->next),
		    arena_fmt(w->a, "{\"account\":\"%.*s\",\"oldKey\":%.*s}", BYTES_FMT(q->account), BYTES_FMT(jwk_of(w, q->old_key))));
	return envelope(w, jws_of(w, q->signer, true, q->url, q->kid, BYTES_NONE, payload), jwk_of(w, q->given));
}

/* code OK: it is to be done. */
static void ask(struct attacker *w, const char *name, const struct request *q, enum err_code code)
{
	struct message m = { 0 };
	struct err e = { 0 };

	if (!link_ask(w, &w->signer, q->type, body_of(w, q), &m)) {
		report(w, name, false, "no answer");
		return;
	}
	enum err_code got = answer_check(&m, &e);
	report(w, name, got == code && (got != ERR_OK || m.type == q->answer), "%s: %s", got == ERR_OK ? "DONE" : err_name(got), e.detail);
}

static void forged_rollovers(struct attacker *w)
{
	struct key **k = keys;
	struct request q;
#define CASE(name, code, ...)                              \
	do {                                               \
		arena_reset(w->a);                         \
		q = rollover(w, k[FIRST], k[NEXT]);        \
		__VA_ARGS__;                               \
		ask(w, "rollover: " name, &q, ERR_##code); \
	} while (0)

	CASE("not signed by the account", UNAUTHORIZED, q.signer = k[OTHER]);
	CASE("signed by the new key alone", UNAUTHORIZED, q.signer = k[NEXT]);
	CASE("not signed by the new key", UNAUTHORIZED, q.inner = k[OTHER]);
	CASE("signed by the old key alone", UNAUTHORIZED, q.inner = k[FIRST]);
	CASE("another's account", UNAUTHORIZED, q.kid = account_url_of(w, ACCOUNT_A));
	CASE("another's account inside", MALFORMED, q.account = account_url_of(w, ACCOUNT_A));
	CASE("another's account and key", UNAUTHORIZED, q.kid = q.account = account_url_of(w, ACCOUNT_A), q.given = w->account[ACCOUNT_A]);
	CASE("another's old key", MALFORMED, q.old_key = w->account[ACCOUNT_A]);
	CASE("another url", UNAUTHORIZED, q.url = url_of(w, "/acme/new-order"));
	CASE("another url inside", MALFORMED, q.inner_url = url_of(w, "/acme/new-order"));
	CASE("the CA's own key", BAD_PUBLIC_KEY, q.next = q.inner = w->issuer);
	CASE("no inner request", MALFORMED, q.payload = BYTES_LIT("{}"));
	CASE("nothing", MALFORMED, q.body = BYTES_LIT(""));
#undef CASE
}

static void forged_deactivations(struct attacker *w)
{
	struct request q;

	arena_reset(w->a);
	q = deactivation(w, keys[FIRST]);
	q.signer = keys[OTHER];
	ask(w, "deactivation: not signed by the account", &q, ERR_UNAUTHORIZED);
	q = deactivation(w, keys[FIRST]);
	q.url = q.kid = account_url_of(w, ACCOUNT_A);
	q.given = w->account[ACCOUNT_A];
	ask(w, "deactivation: another's account", &q, ERR_UNAUTHORIZED);
	q = deactivation(w, keys[FIRST]);
	q.payload = BYTES_LIT("{\"contact\":[]}");
	ask(w, "deactivation: another change of the account", &q, ERR_MALFORMED);
}

static void forged_bindings(struct attacker *w)
{
	struct request q;

	arena_reset(w->a);
	q = binding(w, BYTES_NONE);
	ask(w, "binding: by a guessed secret", &q, ERR_UNAUTHORIZED);
	q = binding(w, BYTES_LIT("{\"termsOfServiceAgreed\":true}"));
	ask(w, "binding: without any", &q, ERR_EXTERNAL_ACCOUNT_REQUIRED);
	q = binding(w, BYTES_LIT("{\"externalAccountBinding\":{}}"));
	ask(w, "binding: an empty one", &q, ERR_MALFORMED);
}

/* One bit of each byte of a good rollover, never accepted. */
static void flip_rollover(struct attacker *w)
{
	size_t wrong = 0, n = 0;

	arena_reset(w->a);
	struct request q = rollover(w, keys[FIRST], keys[NEXT]);
	struct bytes body = copy_of(w->kept, body_of(w, &q));
	for (size_t at = 0; at < body.len; at++, n++) {
		struct message m = { 0 };
		arena_reset(w->a);
		uint8_t *copy = (uint8_t *)(uintptr_t)copy_of(w->a, body).ptr;
		copy[at] ^= (uint8_t)(1u << at % 8);
		wrong += !link_ask(w, &w->signer, MESSAGE_ROLLOVER, (struct bytes){ copy, body.len }, &m) || m.type != MESSAGE_REFUSED;
	}
	report(w, "a bit of each byte of a rollover flipped", wrong == 0, "%zu of %zu were not refused", wrong, n);
}

/* What the client has really asked for is done, once; and nothing that is over comes back. */
static void nothing_comes_back(struct attacker *w)
{
	struct request rolled, q;

	arena_reset(w->a);
	rolled = rollover(w, keys[FIRST], keys[NEXT]);
	ask(w, "control: an honest rollover", &rolled, ERR_OK);
	ask(w, "control: the same once more", &rolled, ERR_OK);
	q = rollover(w, keys[FIRST], keys[OTHER]);
	ask(w, "rollover by the old key", &q, ERR_UNAUTHORIZED);
	q = rollover(w, keys[NEXT], keys[FIRST]);
	ask(w, "rollover back to the old key", &q, ERR_CONFLICT);
	q = deactivation(w, keys[FIRST]);
	ask(w, "deactivation by the old key", &q, ERR_UNAUTHORIZED);
	q = deactivation(w, keys[NEXT]);
	ask(w, "control: an honest deactivation", &q, ERR_OK);
	ask(w, "a rollover that was, after the deactivation", &rolled, ERR_UNAUTHORIZED);
	q = rollover(w, keys[NEXT], keys[OTHER]);
	ask(w, "rollover of a deactivated account", &q, ERR_UNAUTHORIZED);
}

struct bytes bad_account_request(struct attacker *w)
{
	struct bytes url = account_url_of(w, ACCOUNT_A);

	return envelope(w, jws_of(w, w->stranger, true, url, url, BYTES_NONE, BYTES_LIT("{\"status\":\"deactivated\"}")),
	    jwk_of(w, w->account[ACCOUNT_A]));
}

void attack_accounts(struct attacker *w)
{
	struct err e = { 0 };

	for (size_t i = 0; i < KEYS; i++)
		need(w, key_generate(KEY_EC_P256, 0, &keys[i], &e), "making a key", &e);
	forged_rollovers(w);
	forged_deactivations(w);
	forged_bindings(w);
	flip_rollover(w);
	nothing_comes_back(w);
	for (size_t i = 0; i < KEYS; i++)
		key_free(keys[i]);
}
