/* Revocation: a front without the right signatures and receipts has nothing revoked, and whatever it asks of the lists, it gets what there
 * is, or a refusal. The certificate is account A's, for a.test. */
#include "attack.h"

#include "base/clock.h"
#include "base/codec.h"
#include "pki/crl.h"

#include <string.h>

struct request {
	const struct key *signer;
	const struct key *given; /* whose JWK the front gives; NULL: none */
	struct bytes kid;        /* empty: the signer's jwk in the header */
	struct bytes url, certificate, request;
	int reason;
	struct bytes receipts[CASE_RECEIPTS];
	size_t n_receipts;
};

static struct request by_account(struct attacker *w, unsigned account)
{
	return (struct request){ .signer = w->account[account],
		.given = w->account[account],
		.kid = account_url_of(w, account),
		.url = url_of(w, "/acme/revoke-cert"),
		.certificate = w->issued_certificate,
		.reason = CRL_SUPERSEDED };
}

static struct request by_key(struct attacker *w, const struct key *k)
{
	struct request q = by_account(w, ACCOUNT_A);

	q.signer = k;
	q.given = NULL;
	q.kid = BYTES_NONE;
	return q;
}

static struct bytes body_of(struct attacker *w, const struct request *q)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct revoke v = { .request = q->request, .n_receipts = q->n_receipts };
	struct bytes receipts[CASE_RECEIPTS];
	char *text = arena_alloc(w->a, BASE64URL_LEN(CERT_SIZE_MAX) + 1);

	base64url_encode(q->certificate, text);
	if (!v.request.ptr)
		v.request = jws_of(w, q->signer, true, q->url, q->kid, q->kid.ptr ? BYTES_NONE : jwk_of(w, q->signer),
		    arena_fmt(w->a, "{\"certificate\":\"%s\",\"reason\":%d}", text, q->reason));
	v.jwk = q->given ? jwk_of(w, q->given) : BYTES_LIT("");
	memcpy(receipts, q->receipts, sizeof receipts);
	v.receipts = receipts;
	revoke_write(&v, &out);
	return copy_of(w->a, buf_bytes(&out));
}

static void ask(struct attacker *w, const char *name, const struct request *q, enum err_code code, const char *detail)
{
	struct message m = { 0 };
	struct err e = { 0 };

	if (!link_ask(w, &w->signer, MESSAGE_REVOKE, body_of(w, q), &m)) {
		report(w, name, false, "no answer");
		return;
	}
	enum err_code got = answer_check(&m, &e);
	report(w, name, got == code && strstr(e.detail, detail) && (got != ERR_OK || m.type == MESSAGE_REVOKE_OK), "%s: %s",
	    got == ERR_OK ? "REVOKED" : err_name(got), e.detail);
}

static struct bytes changed(struct attacker *w, size_t from_end)
{
	uint8_t *p = (uint8_t *)(uintptr_t)copy_of(w->a, w->issued_certificate).ptr;

	p[w->issued_certificate.len - from_end] ^= 1;
	return (struct bytes){ p, w->issued_certificate.len };
}

/* One that only looks like ours: the stranger's key in it, and signed by the CA's own, a gift of the test. */
static struct bytes forged(struct attacker *w, const uint8_t *serial)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(CERT_SIZE_MAX), tbs = buf_new(CERT_SIZE_MAX);
	CLEANUP(issuer_free_p) struct issuer *issuer = NULL;
	struct san name = { .type = SAN_DNS, .value = BYTES_LIT("a.test") };
	struct leaf_request r = { .names = &name,
		.n_names = 1,
		.spki = key_spki(w->stranger),
		.key_type = key_type(w->stranger),
		.not_before_s = clock_wall_ms() / 1000,
		.not_after_s = clock_wall_ms() / 1000 + 86400,
		.serial = serial };
	struct wire chain = wire_of(w->chain);
	struct err e = { 0 };

	need(w, issuer_new(wire_bytes(&chain, CERT_SIZE_MAX), NULL, &issuer, &e), "reading the issuer's certificate", &e);
	cert_write_leaf_tbs(issuer, &w->child.settings.profiles[0], &r, &tbs);
	need(w, cert_sign(w->issuer, buf_bytes(&tbs), &out, &e), "forging a certificate", &e);
	return copy_of(w->a, buf_bytes(&out));
}

struct bytes issuers_own(struct attacker *w)
{
	struct wire chain = wire_of(w->chain);

	return wire_bytes(&chain, CERT_SIZE_MAX);
}

struct bytes serial_of(struct attacker *w)
{
	struct cert c;
	struct err e = { 0 };

	need(w, cert_parse(w->a, w->issued_certificate, &c, &e), "reading a certificate of our own", &e);
	return c.serial;
}

static void give(struct request *q, struct bytes receipt)
{
	q->receipts[q->n_receipts++] = receipt;
}

/* B has shown control of a.test once: a receipt of the real key, of that age. */
static struct bytes once_shown(struct attacker *w, int64_t age_ms, const uint8_t *key)
{
	struct receipt v = receipt_of(w, w->proofs[PROOF_A].control);
	struct receipt b = receipt_of(w, w->proofs[PROOF_B].control);

	v.account_url = b.account_url;
	memcpy(v.thumbprint, b.thumbprint, sizeof v.thumbprint);
	v.time_ms = clock_wall_ms() - age_ms;
	return receipt_seal(w, &v, key);
}

static int64_t most_ms(const struct attacker *w)
{
	int64_t most = 0;

	for (size_t i = 0; i < w->child.settings.n_profiles; i++)
		if (w->child.settings.profiles[i].authz_lifetime_s > most)
			most = w->child.settings.profiles[i].authz_lifetime_s;
	return most * 1000;
}

static void forged_requests(struct attacker *w)
{
	static const uint8_t fresh[SERIAL_SIZE] = { 1, 2, 3, 4 }, own[RECEIPT_KEY_SIZE] = { 7 };
	struct request q;
#define CASE(name, start, code, detail, ...)                         \
	do {                                                         \
		arena_reset(w->a);                                   \
		q = start;                                           \
		__VA_ARGS__;                                         \
		ask(w, "revocation: " name, &q, ERR_##code, detail); \
	} while (0)
#define BY_A  by_account(w, ACCOUNT_A)
#define BY_B  by_account(w, ACCOUNT_B)
#define BY_IT by_key(w, w->leaf)

	CASE("not signed by the account", BY_A, UNAUTHORIZED, "", q.signer = w->stranger);
	CASE("another's account", BY_A, UNAUTHORIZED, "not by the account", q.kid = account_url_of(w, ACCOUNT_B));
	CASE("another's key given", BY_A, UNAUTHORIZED, "not by the account", q.given = w->account[ACCOUNT_B]);
	CASE("no key given", BY_A, CONFIRM, "no key was given", q.given = NULL);
	CASE("a key given too many", BY_IT, CONFIRM, "", q.given = w->account[ACCOUNT_A]);
	CASE("a stranger's key", by_key(w, w->stranger), UNAUTHORIZED, "not the certificate's", (void)0);
	CASE("the account's key as the certificate's", by_key(w, w->account[ACCOUNT_A]), UNAUTHORIZED, "not the certificate's", (void)0);
	CASE("the CA's key", by_key(w, w->issuer), UNAUTHORIZED, "not the certificate's", (void)0);
	CASE("another url", BY_A, UNAUTHORIZED, "revokeCert URL", q.url = url_of(w, "/acme/new-order"));
	CASE("another CA's url", BY_A, UNAUTHORIZED, "revokeCert URL", q.url = BYTES_LIT("https://ca.other.test/acme/revoke-cert"));
	CASE("another account", BY_B, UNAUTHORIZED, "not this account's", (void)0);
	CASE("another account with A's receipts", BY_B, CONFIRM, "another account", give(&q, w->proofs[PROOF_A].control));
	CASE("another account with its own receipts", BY_B, CONFIRM, "", give(&q, w->proofs[PROOF_B].control));
	CASE("another account with crossed receipts", BY_B, CONFIRM, "another account", give(&q, w->crossed_control));
	CASE("receipts of an own MAC", BY_B, CONFIRM, "did not make", give(&q, once_shown(w, 0, own)));
	CASE("receipts that are too old", BY_B, CONFIRM, "old", give(&q, once_shown(w, most_ms(w) + 1000, w->identity.receipt_key)));
	CASE("receipts from the future", BY_B, CONFIRM, "future", give(&q, once_shown(w, -60000, w->identity.receipt_key)));
	CASE("compromise, by whoever has the name", BY_B, BAD_REVOCATION_REASON, "", q.reason = CRL_KEY_COMPROMISE;
	     give(&q, once_shown(w, 0, w->identity.receipt_key)));
	CASE("a CA's reason", BY_A, BAD_REVOCATION_REASON, "4 (superseded)", q.reason = 2);
	CASE("a hold", BY_IT, BAD_REVOCATION_REASON, "", q.reason = 6);
	CASE("privilegeWithdrawn", BY_A, BAD_REVOCATION_REASON, "", q.reason = 9);
	CASE("another signature in the certificate", BY_A, NOT_FOUND, "very bytes", q.certificate = changed(w, 1));
	CASE("a certificate that was made of our key, with our serial", by_key(w, w->stranger), NOT_FOUND, "very bytes",
	    q.certificate = forged(w, serial_of(w).ptr));
	CASE("a certificate that was made of our key, and is in no log", by_key(w, w->stranger), NOT_FOUND, "serial number",
	    q.certificate = forged(w, fresh));
	CASE("the issuer's certificate", by_key(w, w->issuer), NOT_FOUND, "", q.certificate = issuers_own(w));
	CASE("no certificate", BY_A, MALFORMED, "", q.certificate = BYTES_LIT(""));
	CASE("an issuance's request", BY_A, UNAUTHORIZED, "revokeCert URL", struct recipe r = recipe_of(w, PROOF_A); recipe_build(w, &r);
	     q.request = r.finalize);
	CASE("no request", BY_A, MALFORMED, "", q.request = BYTES_LIT("x"));
#undef CASE
}

/* One bit of each byte of a good one. */
static void flip_request(struct attacker *w)
{
	size_t wrong = 0, n = 0;

	arena_reset(w->a);
	struct request q = by_account(w, ACCOUNT_A);
	struct bytes body = copy_of(w->kept, body_of(w, &q));
	for (size_t at = 0; at < body.len; at++, n++) {
		struct message m = { 0 };
		arena_reset(w->a);
		uint8_t *copy = (uint8_t *)(uintptr_t)copy_of(w->a, body).ptr;
		copy[at] ^= (uint8_t)(1u << at % 8);
		wrong += !link_ask(w, &w->signer, MESSAGE_REVOKE, (struct bytes){ copy, body.len }, &m) || m.type != MESSAGE_REFUSED;
	}
	report(w, "a bit of each byte of a revocation flipped", wrong == 0, "%zu of %zu were not refused", wrong, n);
}

static bool get(struct attacker *w, uint8_t issuer, uint64_t number, uint64_t offset, struct crl_part *ret, enum err_code *ret_code)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(64);
	struct crl_get g = { .shard = w->list.shard, .number = number, .offset = offset };
	struct message m = { 0 };
	struct err e = { 0 };

	memcpy(g.issuer, w->list.issuer, sizeof g.issuer);
	g.issuer[0] ^= issuer;
	crl_get_write(&g, &body);
	if (!link_ask(w, &w->signer, MESSAGE_CRL_GET, buf_bytes(&body), &m))
		return false;
	*ret_code = answer_check(&m, &e);
	return *ret_code != ERR_OK || (m.type == MESSAGE_CRL_PART && crl_part_read(m.body, ret, &e) == ERR_OK);
}

static void strange_gets(struct attacker *w)
{
	struct crl_part p = { 0 };
	enum err_code code = ERR_OK;

	bool ok = get(w, 1, 0, 0, &p, &code);
	report(w, "a list of another issuer", ok && code == ERR_NOT_FOUND, "%s", err_name(code));
	ok = get(w, 0, 0, UINT64_MAX, &p, &code);
	report(w, "a part behind the list's end", ok && code == ERR_MALFORMED, "%s", err_name(code));
	ok = get(w, 0, UINT64_MAX, UINT64_MAX, &p, &code);
	report(w, "a list that there is not", ok && code == ERR_OK && p.number == w->list.number && p.offset == 0, "%s", err_name(code));
}

static bool list_has(struct bytes der, struct bytes serial, size_t *ret_n)
{
	struct crl_view v;
	struct crl c;
	bool found = false;

	if (crl_parse(der, &c, NULL) != ERR_OK)
		return false;
	*ret_n = c.n_entries;
	for (struct bytes rest = c.entries; crl_next(&rest, &v);)
		found = found || bytes_eq(v.serial, serial);
	return found;
}

/* What the client has really asked for is done, once, and stands in the next list, alone. */
static void honest_revocation(struct attacker *w)
{
	struct crl_part p = { 0 };
	enum err_code code = ERR_OK;
	struct message m;
	size_t n = 0;

	arena_reset(w->a);
	struct request q = by_account(w, ACCOUNT_A);
	uint64_t before = w->list.number;
	ask(w, "control: an honest revocation", &q, ERR_OK, "");
	ask(w, "the same once more", &q, ERR_ALREADY_REVOKED, "superseded");
	while (w->list.number == before && link_receive(w, &w->signer, 5000, &m))
		;
	report(w, "a revocation makes a list", w->list.number > before, "none has come");
	bool ok = get(w, 0, w->list.number, 0, &p, &code) && code == ERR_OK && p.part.len == p.size;
	report(w, "control: the list has what was revoked, and nothing else", ok && list_has(p.part, serial_of(w), &n) && n == 1,
	    "%zu entries", n);
}

/* Number and content stay: no attack has made a list, or taken anything out of one. */
void list_after_it_all(struct attacker *w)
{
	struct crl_part p = { 0 };
	enum err_code code = ERR_OK;
	size_t n = 0;

	bool ok = get(w, 0, 0, 0, &p, &code) && code == ERR_OK && p.number == w->list.number && p.part.len == p.size;
	report(w, "the list after it all", ok && list_has(p.part, w->revoked_serial, &n) && n == 1, "number %llu, %zu entries",
	    (unsigned long long)p.number, n);
}

struct bytes bad_revocation(struct attacker *w)
{
	struct request q = by_account(w, ACCOUNT_B);

	return body_of(w, &q);
}

void attack_revocations(struct attacker *w)
{
	honest_issuance(w, "control: an issuance, to be revoked", PROOF_A);
	forged_requests(w);
	flip_request(w);
	strange_gets(w);
	honest_revocation(w);
}
