/* A front that is wholly taken over sends whatever it likes: each attack is refused with its code, counted, and leaves nothing in
 * the log (DESIGN §2: "a front that is wholly taken over cannot misissue"). */
#include "os/file.h"
#include "server/signer/state.h"
#include "server/signer/test_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RSA-2048 whose primes lie close together: Fermat's method factors it at once. */
static const char fermat_pem[] = "-----BEGIN RSA PRIVATE KEY-----\n"
				 "MIIEpQIBAAKCAQEAsuOmROYCuKwQC+A3Ie2L5gLOAfIxwXebs2cMOvDK0Z4Joafu\n"
				 "u8/yu1EV7R6awqD844bqqhEha4PVEaNt4dBmnOXVa4EniSnA3Nze2QRSFcpuo1nK\n"
				 "Af/y4F+7WrbooLjuTslIzLAJ0J0H/OTkqvlyGtH55Trjht90aH9LMQzwrI4iaDCH\n"
				 "TJDv3QZYN6c2u0KHpnowbVDxZllF8du9TC7sx8W5ZQJJRoBA4UztJ42SgmYmef6p\n"
				 "4rP8PhgxHILbiQaVlbsJ4YVK9BLYPY3yzjBbtYKscztv4+gmBALBjOQx4p9YWqVZ\n"
				 "O+En+0Tej2ej+RpEBEn05FY6k9VyZV8c3D8XRwIDAQABAoIBAQCoO6FFUE6k3+Pj\n"
				 "V0RiGuUjNeYJPH0AZfy+lh2RXJxQz+Bc7/J7HBA5iwMk0VBX01CgpWQQ9jVIyF1b\n"
				 "zidrYzLtQNQZ2weUXfjrfKfyzbZomcy8wJdSlCMUUdN/d16EsAYlf/R/0toYH2XA\n"
				 "tn46MIbXpDrwEhah44m1MGlFQtcgXqSIsnWwj/z/POPWD+i+FStj/nZO2MD5ttNt\n"
				 "o46dLBDuEyZPdlUv+GuR6zp6/pNgd+RV6kgX3uehJ2BXcKKyMOJc0vDnrH81epld\n"
				 "tQFE2icBM8+Xn09QaFxhWGPERMuj//hcMWySjU49W3pdVNaLW/Z6Wcat6Fg7lFe5\n"
				 "KQuVBOlBAoGBANX/ylQ/2wJS1cGoY8Xvqs6Q6fnTuqkZ3mz9sPs2MzZrhTa76Cwa\n"
				 "80cEpWyIiNz8giu8mXS66HErCFJCnbv/09E1VAKZP7015add5zZsf9/gNQ0DuaQw\n"
				 "7Ea5o7HrPc7GIYmeXCfIxapYGuYFpinVzRcyI5Se42fyL+Y1J9O3cBThAoGBANX/\n"
				 "ylQ/2wJS1cGoY8Xvqs6Q6fnTuqkZ3mz9sPs2MzZrhTa76Cwa80cEpWyIiNz8giu8\n"
				 "mXS66HErCFJCnbv/09E1VAKZP7015add5zZsf9/gNQ0DuaQw7Ea5o7HrPc7GIYme\n"
				 "XCfIxapYGuYFpinVzRcyI5Se42fyL+Y1J9O3cAknAoGAfDWeo2342Y1o4qGxX5bv\n"
				 "hjwYglhBdJs+Pfa1/emEqiaYSJ+ib88ou2TX+3n4LoQlresnCtjdx6nZh52A3jjs\n"
				 "IfcZDvUSSOl6pb1cUXuCcVg6kpZB7yoySg7AE6nd0yGvH6iaBsGC8Y939WD8BDZD\n"
				 "dx40BrR+e7vXz3+04S8M0CECgYEAoSgSbMPx4JwVEdQH3yYQEaOcMGG8rmAm2xlp\n"
				 "0KUOiCsMlR2JSL26+36KPWPM/e7C8MEFJ50iMydfCuPT+aI9F837SEG0eH9ARXw4\n"
				 "BQpMeoJUMUre4MFfDhv7JJ+tWixnUUYKzIMsKI5VI2iZq+OwoYlGtkO5qav/WnQp\n"
				 "XA1Gt/0CgYEAkjTmE4bfZMOYLkPjSsVtctzzxFpVqGc0yYab9tgyKxB+ks37UXg7\n"
				 "nT92/SWC24rq7XHCYhX0bLMPffUPU4CmSnTZoZVi5EbZMUfqdcTtHF2Sl7rT2liv\n"
				 "EiHhK7LiK0mgCa8iplous2Z902O11MeKKKnChVjw0DoaEuBvuCFQPgU=\n"
				 "-----END RSA PRIVATE KEY-----\n";

/* One thing that is wrong with a good recipe. */
#define SPOIL(name, ...)                                    \
	static void name(struct world *w, struct recipe *r) \
	{                                                   \
		(void)w;                                    \
		__VA_ARGS__;                                \
	}

/* --- what the client signed --- */
SPOIL(broken_finalize, r->break_finalize = true)
SPOIL(no_nonce, r->no_nonce = true)
SPOIL(jwk_in_header, r->header_jwk = true)
SPOIL(foreign_kid, r->kid_suffix = "x")
SPOIL(foreign_base, r->base = "https://ca.exampl")
SPOIL(longer_base, r->base = BASE ".evil")
SPOIL(other_url, r->finalize_suffix = "/finalizE")
SPOIL(no_suffix, r->finalize_suffix = "")
SPOIL(longer_url, r->finalize_suffix = "/finalize/finalize")
SPOIL(jwk_of_another, r->jwk = w->other)
SPOIL(signed_by_another, r->account = w->other)
SPOIL(jwk_with_spaces, r->jwk_spaces = true)
SPOIL(receipts_of_another, r->account = r->jwk = w->other)
static void alg_of_another(struct world *w, struct recipe *r)
{
	struct err e = { 0 };
	struct key *k;

	assert_code(key_generate(KEY_ED25519, 0, &k, &e), ERR_OK, &e);
	key_free(w->other);
	r->account = w->other = k;
}
SPOIL(no_csr, r->payload = "{}")
SPOIL(junk_csr, r->payload = "{\"csr\":\"!\"}")
SPOIL(padded_csr, r->payload = "{\"csr\":\"MAA=\"}")
SPOIL(empty_csr, r->payload = "{\"csr\":\"MAA\"}")
SPOIL(two_csrs, r->payload = "{\"csr\":\"MAA\",\"csr\":\"MAA\"}")
SPOIL(no_payload, r->payload = "")

/* --- the order --- */
SPOIL(order_from_the_future, r->order_ms = START_MS + 5 * 60000 + 1)
SPOIL(order_too_old, r->order_ms = START_MS - 7 * HOUR_MS - 5 * 60000 - 1)
SPOIL(order_of_old_times, r->order_ms = 0)
SPOIL(foreign_new_order, r->foreign_digest = true)
SPOIL(new_order_url, r->new_order_path = "/acme/new-acct")
SPOIL(new_order_kid, r->new_order_kid_suffix = "x")
SPOIL(unsigned_profile, r->profile = "short", r->break_new_order = true)
SPOIL(unsigned_default_profile, r->profile = "tls-server", r->break_new_order = true)
SPOIL(unsigned_not_before, r->not_before = "2026-09-21T14:00:00Z", r->break_new_order = true)
SPOIL(unsigned_not_after, r->not_after = "2026-09-25T00:00:00Z", r->break_new_order = true)
SPOIL(unknown_profile, r->profile = "nope")
SPOIL(empty_profile, r->profile = "")
SPOIL(too_long, r->not_after = "2026-12-01T00:00:00Z")
SPOIL(over_already, r->not_after = "2026-09-21T12:00:00Z")
SPOIL(backdated, r->not_before = "2026-09-20T00:00:00Z")
SPOIL(postdated, r->not_before = "2026-09-25T00:00:00Z")
SPOIL(no_date, r->not_after = "tomorrow")
SPOIL(reversed, r->not_before = "2026-09-22T00:00:00Z", r->not_after = "2026-09-21T23:00:00Z")
SPOIL(no_identifiers, r->new_order_payload = "{}")
static void strange_identifiers(struct world *w, struct recipe *r)
{
	(void)w;
	r->new_order_payload = "{\"identifiers\":[{\"type\":\"email\",\"value\":\"a@example.org\"}]}";
}

/* --- the CSR --- */
SPOIL(broken_csr, r->break_csr = true)
SPOIL(csr_of_account_key, r->csr_key = w->account)
SPOIL(csr_of_issuer_key, r->csr_key = w->issuer)
SPOIL(csr_of_root_key, r->csr_key = w->root)
static void csr_of_other_key(struct world *w, struct recipe *r, struct bytes pem)
{
	struct err e = { 0 };

	key_free(w->leaf2);
	assert_code(key_private_from_pem(pem, &w->leaf2, &e), ERR_OK, &e);
	r->csr_key = w->leaf2;
}
static void csr_of_weak_key(struct world *w, struct recipe *r)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new_secret(8192);

	buf_add_str(&pem, fermat_pem);
	csr_of_other_key(w, r, buf_bytes(&pem));
}
static void csr_of_log_key(struct world *w, struct recipe *r)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new_secret(8192);
	struct err e = { 0 };

	assert_code(file_read(w->dir, FILE_LOG_KEY, 8192, &pem, &e), ERR_OK, &e);
	csr_of_other_key(w, r, buf_bytes(&pem));
}
SPOIL(csr_with_more_names, r->csr_names[1] = "evil.example.org")
SPOIL(csr_with_fewer_names, r->order_names[1] = "www.example.org")
SPOIL(csr_with_another_name, r->csr_names[0] = "example.com")
SPOIL(another_name, r->csr_names[0] = r->order_names[0] = "example.com")
SPOIL(parent_name, r->csr_names[0] = r->order_names[0] = "org")
SPOIL(child_name, r->csr_names[0] = r->order_names[0] = "www.example.org")
SPOIL(a_name_without_receipts, r->csr_names[1] = r->order_names[1] = "www.example.org")
static void too_many_names(struct world *w, struct recipe *r)
{
	static const char *const names[] = { "example.org", "www.example.org", "www2.example.org", NULL };

	*r = recipe_new(w, names);
	r->profile = "short";
}

/* --- the receipts --- */
SPOIL(no_receipts, r->n_receipts = 0)
SPOIL(no_caa, r->n_receipts = 1)
SPOIL(no_control, r->receipts[0] = r->receipts[1], r->n_receipts = 1)
SPOIL(caa_twice, r->receipts[0] = r->receipts[1])
SPOIL(control_twice, r->receipts[1] = r->receipts[0])
SPOIL(broken_receipt, r->break_receipt = true)
SPOIL(foreign_receipt_key, r->receipt_key[31] ^= 1)
SPOIL(foreign_key_id, r->receipts[0].key_id++)
SPOIL(foreign_instance, r->receipts[1].instance[0] ^= 1)
SPOIL(foreign_account_url, r->receipts[0].account_url = BYTES_LIT(BASE "/acme/acct/x"))
SPOIL(foreign_thumbprint, r->receipts[1].thumbprint[0] ^= 1)
SPOIL(control_of_another_name, r->receipts[0].identifier.value = r->receipts[0].domain = BYTES_LIT("example.com"))
SPOIL(caa_of_another_name, r->receipts[1].identifier.value = BYTES_LIT("example.com"))
SPOIL(another_domain, r->receipts[0].domain = BYTES_LIT("www.example.org"))
SPOIL(control_from_the_future, r->receipts[0].time_ms = START_MS + 5001)
SPOIL(caa_from_the_future, r->receipts[1].time_ms = START_MS + 5001)
SPOIL(old_control, r->receipts[0].time_ms = START_MS - 7 * HOUR_MS - 1)
SPOIL(old_caa, r->receipts[1].time_ms = START_MS - 8 * HOUR_MS - 1)
SPOIL(ancient_control, r->receipts[0].time_ms = INT64_MIN / 4)
SPOIL(wildcard_control, r->receipts[0].scope = SCOPE_WILDCARD)
SPOIL(wildcard_caa, r->receipts[1].scope = SCOPE_WILDCARD)
static void wildcard_by_http(struct world *w, struct recipe *r)
{
	static const char *const names[] = { "*.example.org", NULL };

	*r = recipe_new(w, names);
}
static void wildcard_by_exact_receipts(struct world *w, struct recipe *r)
{
	wildcard_by_http(w, r);
	r->receipts[0].scope = r->receipts[1].scope = SCOPE_EXACT;
}
SPOIL(foreign_issuer_domain, r->receipts[1].issuer_domain = BYTES_LIT("other.example"))
SPOIL(unknown_method, r->receipts[0].method = CHALLENGE_TYPE__MAX)
static void one_receipt_too_many(struct world *w, struct recipe *r)
{
	(void)w;
	r->receipts[2] = r->receipts[1];
	r->receipts[2].identifier.value = BYTES_LIT("example.net");
	r->n_receipts = 3;
}

#define ATTACK(f, c)             \
	{                        \
#f, (f), ERR_##c \
	}
static const struct attack {
	const char *name;
	void (*spoil)(struct world *w, struct recipe *r);
	enum err_code code;
} attacks[] = {
	ATTACK(broken_finalize, UNAUTHORIZED),
	ATTACK(no_nonce, MALFORMED),
	ATTACK(jwk_in_header, UNAUTHORIZED),
	ATTACK(foreign_kid, UNAUTHORIZED),
	ATTACK(foreign_base, UNAUTHORIZED),
	ATTACK(longer_base, UNAUTHORIZED),
	ATTACK(other_url, UNAUTHORIZED),
	ATTACK(no_suffix, UNAUTHORIZED),
	ATTACK(longer_url, UNAUTHORIZED),
	ATTACK(jwk_of_another, UNAUTHORIZED),
	ATTACK(signed_by_another, UNAUTHORIZED),
	ATTACK(jwk_with_spaces, CONFIRM),
	ATTACK(receipts_of_another, CONFIRM),
	ATTACK(alg_of_another, BAD_SIGNATURE_ALGORITHM),
	ATTACK(no_csr, MALFORMED),
	ATTACK(junk_csr, MALFORMED),
	ATTACK(padded_csr, MALFORMED),
	ATTACK(empty_csr, BAD_CSR),
	ATTACK(two_csrs, MALFORMED),
	ATTACK(no_payload, MALFORMED),
	ATTACK(order_from_the_future, UNAUTHORIZED),
	ATTACK(order_too_old, UNAUTHORIZED),
	ATTACK(order_of_old_times, UNAUTHORIZED),
	ATTACK(foreign_new_order, CONFIRM),
	ATTACK(new_order_url, UNAUTHORIZED),
	ATTACK(new_order_kid, UNAUTHORIZED),
	ATTACK(unsigned_profile, UNAUTHORIZED),
	ATTACK(unsigned_default_profile, UNAUTHORIZED),
	ATTACK(unsigned_not_before, UNAUTHORIZED),
	ATTACK(unsigned_not_after, UNAUTHORIZED),
	ATTACK(unknown_profile, INVALID_PROFILE),
	ATTACK(empty_profile, INVALID_PROFILE),
	ATTACK(too_long, MALFORMED),
	ATTACK(over_already, MALFORMED),
	ATTACK(backdated, MALFORMED),
	ATTACK(postdated, MALFORMED),
	ATTACK(no_date, MALFORMED),
	ATTACK(reversed, MALFORMED),
	ATTACK(no_identifiers, MALFORMED),
	ATTACK(strange_identifiers, UNSUPPORTED_IDENTIFIER),
	ATTACK(broken_csr, BAD_CSR),
	ATTACK(csr_of_account_key, BAD_CSR),
	ATTACK(csr_of_issuer_key, BAD_CSR),
	ATTACK(csr_of_root_key, BAD_CSR),
	ATTACK(csr_of_log_key, BAD_CSR),
	ATTACK(csr_of_weak_key, BAD_CSR),
	ATTACK(csr_with_more_names, BAD_CSR),
	ATTACK(csr_with_fewer_names, BAD_CSR),
	ATTACK(csr_with_another_name, BAD_CSR),
	ATTACK(another_name, CONFIRM),
	ATTACK(parent_name, CONFIRM),
	ATTACK(child_name, CONFIRM),
	ATTACK(a_name_without_receipts, CONFIRM),
	ATTACK(too_many_names, BAD_CSR),
	ATTACK(no_receipts, CONFIRM),
	ATTACK(no_caa, CONFIRM),
	ATTACK(no_control, CONFIRM),
	ATTACK(caa_twice, CONFIRM),
	ATTACK(control_twice, CONFIRM),
	ATTACK(broken_receipt, CONFIRM),
	ATTACK(foreign_receipt_key, CONFIRM),
	ATTACK(foreign_key_id, CONFIRM),
	ATTACK(foreign_instance, CONFIRM),
	ATTACK(foreign_account_url, CONFIRM),
	ATTACK(foreign_thumbprint, CONFIRM),
	ATTACK(control_of_another_name, CONFIRM),
	ATTACK(caa_of_another_name, CONFIRM),
	ATTACK(another_domain, CONFIRM),
	ATTACK(control_from_the_future, CONFIRM),
	ATTACK(caa_from_the_future, CONFIRM),
	ATTACK(old_control, CONFIRM),
	ATTACK(old_caa, CONFIRM),
	ATTACK(ancient_control, CONFIRM),
	ATTACK(wildcard_control, CONFIRM),
	ATTACK(wildcard_caa, CONFIRM),
	ATTACK(wildcard_by_http, CONFIRM),
	ATTACK(wildcard_by_exact_receipts, CONFIRM),
	ATTACK(foreign_issuer_domain, CONFIRM),
	ATTACK(unknown_method, CONFIRM),
	ATTACK(one_receipt_too_many, CONFIRM),
};

static void refuses_every_attack(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
		const struct attack *a = &attacks[i];
		struct recipe r = recipe_simple(w);
		struct err e = { 0 };
		a->spoil(w, &r);
		uint64_t refused = signer_counts(w->s).refused[a->code];
		enum err_code got = issue(w, &r, NULL, &e);
		if (got != a->code)
			print_message("attack %s\n", a->name);
		assert_code(got, a->code, &e);
		assert_true(strlen(e.detail) > 10);
		if (signer_counts(w->s).refused[a->code] != refused + 1)
			fail_msg("%s was not counted", a->name);
		if (signer_counts(w->s).log_records != 1)
			fail_msg("%s has left something in the log", a->name);
	}
	assert_int_equal(log_census(w, NULL).all, 1);
	struct recipe good = recipe_simple(w);
	(void)must_issue(w, &good);
}

/* What still holds at the very edge. */
SPOIL(edge_of_order, r->order_ms = START_MS - 7 * HOUR_MS - 5 * 60000)
SPOIL(edge_of_future, r->order_ms = START_MS + 5 * 60000)
SPOIL(edge_of_control, r->receipts[0].time_ms = START_MS - 7 * HOUR_MS)
SPOIL(edge_of_caa, r->receipts[1].time_ms = START_MS - 8 * HOUR_MS)
SPOIL(edge_of_skew, r->receipts[0].time_ms = r->receipts[1].time_ms = START_MS + 5000)
SPOIL(the_same_receipt_again, r->receipts[2] = r->receipts[0], r->n_receipts = 3)
SPOIL(names_in_capitals, r->order_names[0] = "Example.ORG")
SPOIL(asks_for_the_default, r->profile = "tls-server")

static void takes_what_is_at_the_edge(void **state)
{
	static void (*const edges[])(struct world *, struct recipe *) = { edge_of_order, edge_of_future, edge_of_control, edge_of_caa,
		edge_of_skew, the_same_receipt_again, names_in_capitals, asks_for_the_default };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
		struct recipe r = recipe_simple(w);
		edges[i](w, &r);
		(void)must_issue(w, &r);
	}
}

/* Every byte of a good request, changed and cut: never a certificate for anything but the very same order and CSR. */
static void survives_mangled_messages(void **state)
{
	struct world *w = *state;
	struct recipe done = recipe_simple(w), r = recipe_simple(w);
	struct err e = { 0 };

	struct issued i = must_issue(w, &done), got = { 0 };
	struct bytes body = recipe_body(w, &r);
	uint8_t *copy = malloc(body.len);
	assert_non_null(copy);
	for (size_t at = 0; at < body.len; at += 3) {
		memcpy(copy, body.ptr, body.len);
		copy[at] ^= (uint8_t)(1u << (at % 8));
		enum err_code rc = issue_body(w, (struct bytes){ copy, body.len }, false, &got, &e);
		/* Without wishes the newOrder's signature is not looked at, but the order's id holds its digest. */
		if (rc == ERR_OK)
			fail_msg("a certificate for a request that was changed at byte %zu", at);
		rc = issue_body(w, bytes_slice(body, 0, at), false, &got, &e);
		assert_int_not_equal(rc, ERR_OK);
	}
	free(copy);
	struct issued again = must_issue(w, &done);
	assert_true(bytes_eq(i.certificate, again.certificate));
	assert_int_equal(signer_counts(w->s).log_records, 3);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { WORLD(refuses_every_attack), WORLD(takes_what_is_at_the_edge),
		WORLD(survives_mangled_messages) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
