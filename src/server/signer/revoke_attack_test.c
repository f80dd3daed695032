/* A front that lies about revocations: each test takes a good request and spoils one thing. Nothing may be revoked by it, and nothing may be
 * left in the log. */
#include "base/codec.h"
#include "server/signer/state.h"
#include "server/signer/test_revoke.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Two certificates of w->account, for one name and for two. */
struct ground {
	struct world *w;
	struct issued one, two;
};

static const char *const one_name[] = { "example.org", NULL };
static const char *const two_names[] = { "example.org", "www.example.org", NULL };
static const char *const other_names[] = { "example.org", "www.example.com", NULL };
static const char *const more_names[] = { "example.org", "www.example.org", "a.example.org", NULL };

#define SPOIL(name, start, what)                                 \
	static struct revoke_recipe name(const struct ground *g) \
	{                                                        \
		struct world *w = g->w;                          \
		struct revoke_recipe r = (start);                \
		(void)w;                                         \
		what;                                            \
		return r;                                        \
	}
#define BY_ACCOUNT revoke_by_account(w, g->two.certificate)
#define BY_KEY     revoke_by_key(w, g->two.certificate, w->leaf)
#define BY_NAMES   revoke_by_names(w, g->two.certificate, two_names)

/* --- the request --- */
SPOIL(broken_signature, BY_ACCOUNT, r.break_signature = true)
SPOIL(broken_signature_of_the_key, BY_KEY, r.break_signature = true)
SPOIL(no_nonce, BY_ACCOUNT, r.no_nonce = true)
SPOIL(foreign_base, BY_ACCOUNT, r.base = "https://other.example")
SPOIL(url_of_new_order, BY_ACCOUNT, r.path = "/acme/new-order")
SPOIL(url_of_an_order, BY_ACCOUNT, r.path = "/acme/revoke-cert/1")
SPOIL(url_of_the_account, BY_ACCOUNT, r.path = "/acme/acct/1")
SPOIL(shorter_url, BY_ACCOUNT, r.path = "/acme/revoke-cer")
SPOIL(no_certificate, BY_ACCOUNT, r.payload = "{}")
SPOIL(no_object, BY_ACCOUNT, r.payload = "")
SPOIL(junk_certificate, BY_ACCOUNT, r.payload = "{\"certificate\":\"MAA\"}")
SPOIL(padded_certificate, BY_ACCOUNT, r.payload = "{\"certificate\":\"MAA=\"}")
SPOIL(two_certificates, BY_ACCOUNT, r.payload = "{\"certificate\":\"MAA\",\"certificate\":\"MAA\"}")
SPOIL(negative_reason, BY_ACCOUNT, r.payload = "{\"certificate\":\"MAA\",\"reason\":-1}")
SPOIL(reason_in_words, BY_ACCOUNT, r.payload = "{\"certificate\":\"MAA\",\"reason\":\"keyCompromise\"}")
SPOIL(ca_compromise, BY_ACCOUNT, r.reason = 2)
SPOIL(certificate_hold, BY_ACCOUNT, r.reason = 6)
SPOIL(remove_from_list, BY_ACCOUNT, r.reason = 8)
SPOIL(large_reason, BY_ACCOUNT, r.reason = 257) /* 1, in a byte */
SPOIL(reserved_reason_of_the_key, BY_KEY, r.reason = 7)

/* --- whose it is --- */
SPOIL(another_account, BY_ACCOUNT, r.key = r.account = w->other)
SPOIL(signed_by_another, BY_ACCOUNT, r.key = w->other)
SPOIL(key_of_another, BY_ACCOUNT, r.account = w->other)
SPOIL(longer_kid, BY_ACCOUNT, r.kid_suffix = "x")
SPOIL(no_account_key, BY_ACCOUNT, r.no_jwk = true)
SPOIL(both_keys, BY_KEY, r.also_jwk = true)
SPOIL(another_key, BY_KEY, r.key = w->leaf2)
SPOIL(the_accounts_key_as_the_certificates, BY_KEY, r.key = w->account)

/* --- the certificate --- */
static struct bytes changed(const struct ground *g, size_t at)
{
	struct bytes c = arena_copy(g->w->a, g->two.certificate);
	uint8_t *p = arena_alloc(g->w->a, c.len);

	memcpy(p, c.ptr, c.len);
	p[at] ^= 1;
	return (struct bytes){ p, c.len };
}

/* Where the serial's bytes are in our certificates. */
static size_t serial_at(const struct ground *g)
{
	const uint8_t *p = memmem(g->two.certificate.ptr, g->two.certificate.len, g->two.serial.ptr, g->two.serial.len);

	assert_non_null(p);
	return (size_t)(p - g->two.certificate.ptr);
}

SPOIL(altered_serial, BY_ACCOUNT, r.certificate = changed(g, serial_at(g) + 15))
SPOIL(altered_time_in_the_serial, BY_ACCOUNT, r.certificate = changed(g, serial_at(g) + 3))
SPOIL(altered_signature, BY_ACCOUNT, r.certificate = changed(g, g->two.certificate.len - 1))
SPOIL(shorter_certificate, BY_ACCOUNT, r.certificate.len--)

/* A certificate of our serial, name and issuer, and of a key that the attacker has: signed by somebody else. */
static struct bytes forged(const struct ground *g, struct key *signer, const uint8_t *serial, struct key *leaf)
{
	CLEANUP(buf_free_p) struct buf tbs = buf_new(CERT_SIZE_MAX), out = buf_new(CERT_SIZE_MAX);
	struct san name = { .type = SAN_DNS, .value = BYTES_LIT("example.org") };
	struct leaf_request q = { .serial = serial,
		.names = &name,
		.n_names = 1,
		.spki = key_spki(leaf),
		.key_type = key_type(leaf),
		.not_before_s = START_MS / 1000,
		.not_after_s = START_MS / 1000 + 86400 };
	struct err e = { 0 };

	cert_write_leaf_tbs(g->w->s->issuers[0].issuer, &g->w->settings.profiles[0], &q, &tbs);
	assert_code(cert_sign(signer, buf_bytes(&tbs), &out, &e), ERR_OK, &e);
	return arena_copy(g->w->a, buf_bytes(&out));
}
static const uint8_t fresh_serial[SERIAL_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
SPOIL(forged_with_our_serial, BY_ACCOUNT, r.certificate = forged(g, w->other, g->two.serial.ptr, w->leaf))
SPOIL(forged_with_a_key_of_its_own, BY_KEY, r.certificate = forged(g, w->other, g->two.serial.ptr, w->leaf2); r.key = w->leaf2)
SPOIL(forged_with_a_fresh_serial, BY_KEY, r.certificate = forged(g, w->other, fresh_serial, w->leaf2); r.key = w->leaf2)
/* Even our own key's signature does not help what is not in the log. */
SPOIL(not_in_the_log, BY_KEY, r.certificate = forged(g, w->issuer, fresh_serial, w->leaf2); r.key = w->leaf2)
static struct bytes issuers_own(const struct ground *g)
{
	return g->w->s->issuers[0].issuer->certificate;
}
SPOIL(the_issuers_certificate, BY_ACCOUNT, r.certificate = issuers_own(g))
SPOIL(the_issuers_by_its_key, BY_KEY, r.certificate = issuers_own(g); r.key = w->issuer)

/* --- receipts --- */
SPOIL(no_receipts, BY_NAMES, r.with_receipts = false)
SPOIL(caa_alone, BY_NAMES, r.proof.receipts[0] = r.proof.receipts[1])
SPOIL(fewer_names, BY_NAMES, r.proof.n_receipts = 2)
SPOIL(receipts_for_other_names, revoke_by_names(w, g->two.certificate, other_names), (void)0)
SPOIL(one_name_too_many, revoke_by_names(w, g->two.certificate, more_names), (void)0)
SPOIL(receipts_for_another_certificate, revoke_by_names(w, g->two.certificate, one_name), (void)0)
SPOIL(receipts_of_its_account, BY_NAMES, struct recipe p = recipe_new(w, two_names); r.proof = p)
SPOIL(receipts_for_another_thumbprint, BY_NAMES, r.proof.receipts[2].thumbprint[3] ^= 1)
SPOIL(receipts_for_another_account, BY_NAMES, r.proof.receipts[2].account_url = BYTES_LIT(BASE "/acme/acct/x"))
SPOIL(old_receipts, BY_NAMES, r.proof.receipts[2].time_ms = START_MS - 7 * HOUR_MS - 1)
SPOIL(receipts_from_the_future, BY_NAMES, r.proof.receipts[2].time_ms = START_MS + 5001)
SPOIL(broken_receipt, BY_NAMES, r.proof.break_receipt = true)
SPOIL(foreign_receipt_key, BY_NAMES, r.proof.receipt_key[0] ^= 1)
SPOIL(foreign_instance, BY_NAMES, r.proof.receipts[0].instance[0] ^= 1)
SPOIL(wildcard_receipts, BY_NAMES, r.proof.receipts[0].scope = SCOPE_WILDCARD)
SPOIL(names_but_compromise, BY_NAMES, r.reason = 1)

#define ATTACK(f, c)             \
	{                        \
#f, (f), ERR_##c \
	}
static const struct attack {
	const char *name;
	struct revoke_recipe (*make)(const struct ground *g);
	enum err_code code;
} attacks[] = {
	ATTACK(broken_signature, UNAUTHORIZED),
	ATTACK(broken_signature_of_the_key, UNAUTHORIZED),
	ATTACK(no_nonce, MALFORMED),
	ATTACK(foreign_base, UNAUTHORIZED),
	ATTACK(url_of_new_order, UNAUTHORIZED),
	ATTACK(url_of_an_order, UNAUTHORIZED),
	ATTACK(url_of_the_account, UNAUTHORIZED),
	ATTACK(shorter_url, UNAUTHORIZED),
	ATTACK(no_certificate, MALFORMED),
	ATTACK(no_object, MALFORMED),
	ATTACK(junk_certificate, MALFORMED),
	ATTACK(padded_certificate, MALFORMED),
	ATTACK(two_certificates, MALFORMED),
	ATTACK(negative_reason, MALFORMED),
	ATTACK(reason_in_words, MALFORMED),
	ATTACK(ca_compromise, BAD_REVOCATION_REASON),
	ATTACK(certificate_hold, BAD_REVOCATION_REASON),
	ATTACK(remove_from_list, BAD_REVOCATION_REASON),
	ATTACK(large_reason, BAD_REVOCATION_REASON),
	ATTACK(reserved_reason_of_the_key, BAD_REVOCATION_REASON),
	ATTACK(another_account, UNAUTHORIZED),
	ATTACK(signed_by_another, UNAUTHORIZED),
	ATTACK(key_of_another, UNAUTHORIZED),
	ATTACK(longer_kid, UNAUTHORIZED),
	ATTACK(no_account_key, CONFIRM),
	ATTACK(both_keys, CONFIRM),
	ATTACK(another_key, UNAUTHORIZED),
	ATTACK(the_accounts_key_as_the_certificates, UNAUTHORIZED),
	ATTACK(altered_serial, NOT_FOUND),
	ATTACK(altered_time_in_the_serial, NOT_FOUND),
	ATTACK(altered_signature, NOT_FOUND),
	ATTACK(shorter_certificate, MALFORMED),
	ATTACK(forged_with_our_serial, NOT_FOUND),
	ATTACK(forged_with_a_key_of_its_own, NOT_FOUND),
	ATTACK(forged_with_a_fresh_serial, NOT_FOUND),
	ATTACK(not_in_the_log, NOT_FOUND),
	ATTACK(the_issuers_certificate, NOT_FOUND),
	ATTACK(the_issuers_by_its_key, NOT_FOUND),
	ATTACK(no_receipts, UNAUTHORIZED),
	ATTACK(caa_alone, UNAUTHORIZED),
	ATTACK(fewer_names, UNAUTHORIZED),
	ATTACK(receipts_for_other_names, CONFIRM),
	ATTACK(one_name_too_many, CONFIRM),
	ATTACK(receipts_for_another_certificate, UNAUTHORIZED),
	ATTACK(receipts_of_its_account, CONFIRM),
	ATTACK(receipts_for_another_thumbprint, CONFIRM),
	ATTACK(receipts_for_another_account, CONFIRM),
	ATTACK(old_receipts, CONFIRM),
	ATTACK(receipts_from_the_future, CONFIRM),
	ATTACK(broken_receipt, CONFIRM),
	ATTACK(foreign_receipt_key, CONFIRM),
	ATTACK(foreign_instance, CONFIRM),
	ATTACK(wildcard_receipts, CONFIRM),
	ATTACK(names_but_compromise, BAD_REVOCATION_REASON),
};

static struct ground make_ground(struct world *w)
{
	struct recipe one = recipe_new(w, one_name), two = recipe_new(w, two_names);
	struct ground g = { .w = w };

	g.one = must_issue(w, &one);
	g.two = must_issue(w, &two);
	return g;
}

static void refuses_every_attack(void **state)
{
	struct world *w = *state;
	struct ground g = make_ground(w);
	uint64_t records = signer_counts(w->s).log_records;

	for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
		const struct attack *a = &attacks[i];
		struct revoke_recipe r = a->make(&g);
		struct revoked v;
		struct err e = { 0 };
		enum err_code got = try_revoke(w, &r, &v, &e);
		if (got != a->code)
			print_message("attack %s\n", a->name);
		assert_code(got, a->code, &e);
		assert_true(strlen(e.detail) > 10);
		if (signer_counts(w->s).log_records != records || signer_counts(w->s).revoked != 0)
			fail_msg("%s has left something", a->name);
	}
	struct revoke_recipe good = revoke_by_names(w, g.two.certificate, two_names);
	(void)must_revoke(w, &good);
}

/* Every byte of a good request, changed and cut. */
static void survives_mangled_requests(void **state)
{
	struct world *w = *state;
	struct ground g = make_ground(w);
	struct revoke_recipe r = revoke_by_names(w, g.two.certificate, two_names);
	struct bytes body = revoke_body(w, &r);
	struct err e = { 0 };

	uint8_t *copy = malloc(body.len);
	assert_non_null(copy);
	for (size_t at = 0; at < body.len; at++) {
		memcpy(copy, body.ptr, body.len);
		copy[at] ^= (uint8_t)(1u << (at % 8));
		if (ask_signer(w, REQUEST_REVOKE, (struct bytes){ copy, body.len }, NULL, &e) == ERR_OK)
			fail_msg("revoked by a request that was changed at byte %zu", at);
		if (ask_signer(w, REQUEST_REVOKE, bytes_slice(body, 0, at), NULL, &e) == ERR_OK)
			fail_msg("revoked by the first %zu bytes", at);
	}
	free(copy);
	assert_int_equal(signer_counts(w->s).revoked, 0);
	(void)must_revoke(w, &r);
}

/* A revocation is a request for a certificate to nobody, and the other way round. */
static void requests_are_not_taken_for_others(void **state)
{
	struct world *w = *state;
	struct ground g = make_ground(w);
	struct revoke_recipe r = revoke_by_account(w, g.one.certificate);
	struct recipe i = recipe_simple(w);
	struct err e = { 0 };

	assert_int_not_equal(ask_signer(w, REQUEST_ISSUE, revoke_body(w, &r), NULL, &e), ERR_OK);
	assert_int_not_equal(ask_signer(w, REQUEST_REVOKE, recipe_body(w, &i), NULL, &e), ERR_OK);
	/* a finalize request in a revocation's place */
	struct issue v;
	assert_code(issue_read(w->a, recipe_body(w, &i), &v, &e), ERR_OK, &e);
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct revoke q = { .request = v.finalize, .jwk = v.account_jwk, .receipts = v.receipts, .n_receipts = v.n_receipts };
	revoke_write(&q, &out);
	assert_code(ask_signer(w, REQUEST_REVOKE, buf_bytes(&out), NULL, &e), ERR_UNAUTHORIZED, &e);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { WORLD(refuses_every_attack), WORLD(survives_mangled_requests),
		WORLD(requests_are_not_taken_for_others) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
