/* The signer by its library: what it issues, once only, and what a restart, the clock and the disk change about it. */
#include "base/seam.h"
#include "pki/csr.h"
#include "server/signer/state.h"
#include "server/signer/test_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cert parse(struct world *w, struct bytes der)
{
	struct cert c = { 0 };
	struct err e = { 0 };

	assert_code(cert_parse(w->a, der, &c, &e), ERR_OK, &e);
	return c;
}

static void issues_what_was_proved(void **state)
{
	static const char *const names[] = { "example.org", "www.example.org", "a.example.net", NULL };
	struct world *w = *state;
	struct recipe r = recipe_new(w, names);
	struct err e = { 0 };

	struct issued i = must_issue(w, &r);
	struct cert c = parse(w, i.certificate);
	assert_int_equal(c.n_names, 3);
	assert_true(bytes_eq(c.spki, key_spki(w->leaf)));
	assert_true(bytes_eq(c.serial, i.serial));
	assert_int_equal(c.not_before_s, START_MS / 1000 - 3600);
	assert_int_equal(c.not_after_s, START_MS / 1000 - 3600 + 47 * 86400 - 1);
	assert_int_equal(i.not_after_s, c.not_after_s);
	assert_code(key_verify(w->issuer, SIG_FORM_X509, c.tbs, c.signature, &e), ERR_OK, &e);
	assert_true(bytes_eq(i.chain, signer_issuer(w->s, 0).chain) && i.chain.len > 0);
	struct census n = log_census(w, r.order);
	assert_int_equal(n.certificates_of_order, 1);
	assert_true(bytes_eq(n.certificate, i.certificate));
	assert_int_equal(n.n[LOG_GENESIS], 1);
	assert_int_equal(n.all, 3);
	assert_int_equal(signer_counts(w->s).issued, 1);
}

/* A signed wish counts. */
static void follows_signed_wishes(void **state)
{
	struct world *w = *state;
	struct recipe r = recipe_simple(w);

	r.profile = "short";
	struct cert c = parse(w, must_issue(w, &r).certificate);
	assert_int_equal(c.not_after_s - c.not_before_s + 1, 86400);

	r = recipe_simple(w);
	r.not_before = "2026-09-21T14:00:00Z";
	r.not_after = "2026-09-25T00:00:00Z";
	c = parse(w, must_issue(w, &r).certificate);
	assert_int_equal(c.not_before_s, 1789999200);
	assert_int_equal(c.not_after_s, 1790294400);
}

/* Without a wish the newOrder's signature says nothing that counts, and is not looked at. */
static void needs_no_new_order_signature_without_wishes(void **state)
{
	struct world *w = *state;
	struct recipe r = recipe_simple(w);

	r.break_new_order = true;
	(void)must_issue(w, &r);
}

static void gives_the_same_bytes_again(void **state)
{
	struct world *w = *state;
	struct recipe r = recipe_simple(w);
	struct err e = { 0 };

	struct issued first = must_issue(w, &r), again = must_issue(w, &r);
	assert_true(bytes_eq(first.certificate, again.certificate));
	assert_int_equal(first.not_after_s, again.not_after_s);
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	again = must_issue(w, &r);
	assert_true(bytes_eq(first.certificate, again.certificate));
	assert_int_equal(log_census(w, r.order).certificates_of_order, 1);

	/* Receipts that have grown too old since do not matter: nothing new is certified. */
	r.n_receipts = 0;
	again = must_issue(w, &r);
	assert_true(bytes_eq(first.certificate, again.certificate));
	assert_int_equal(signer_counts(w->s).repeated, 2);
}

static void refuses_another_csr_for_the_order(void **state)
{
	struct world *w = *state;
	struct recipe r = recipe_simple(w);
	struct err e = { 0 };

	(void)must_issue(w, &r);
	r.csr = BYTES_NONE;
	r.csr_key = w->leaf2;
	assert_code(issue(w, &r, NULL, &e), ERR_UNAUTHORIZED, &e);
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_code(issue(w, &r, NULL, &e), ERR_UNAUTHORIZED, &e);
	assert_int_equal(log_census(w, r.order).certificates_of_order, 1);
}

/* --- several at a time --- */

static void round_of(struct world *w, struct signer_request *q, size_t n)
{
	struct err e = { 0 };

	arena_reset(w->round);
	assert_code(signer_round(w->s, w->round, q, n, &e), ERR_OK, &e);
}

static void serves_good_and_bad_together(void **state)
{
	struct world *w = *state;
	struct signer_request q[4] = { { 0 } };
	struct recipe a = recipe_simple(w), b = recipe_simple(w), bad = recipe_simple(w);

	bad.break_receipt = true;
	q[0].body = recipe_body(w, &a);
	q[1].body = recipe_body(w, &bad);
	q[2].body = recipe_body(w, &b);
	q[3].body = BYTES_LIT("no message at all");
	uint64_t before = signer_counts(w->s).syncs;
	round_of(w, q, 4);
	assert_code(q[0].code, ERR_OK, &q[0].why);
	assert_code(q[1].code, ERR_CONFIRM, &q[1].why);
	assert_code(q[2].code, ERR_OK, &q[2].why);
	assert_code(q[3].code, ERR_MALFORMED, &q[3].why);
	assert_false(bytes_eq(q[0].issued.serial, q[2].issued.serial));
	assert_int_equal(signer_counts(w->s).syncs - before, 2);
}

static void twins_of_a_round_share_one_certificate(void **state)
{
	struct world *w = *state;
	struct signer_request q[3] = { { 0 } };
	struct recipe r = recipe_simple(w);

	q[0].body = recipe_body(w, &r);
	q[1].body = recipe_body(w, &r); /* signed anew, same order, same CSR */
	r.csr = BYTES_NONE;
	q[2].body = recipe_body(w, &r); /* another CSR */
	round_of(w, q, 3);
	assert_code(q[0].code, ERR_OK, &q[0].why);
	assert_code(q[1].code, ERR_OK, &q[1].why);
	assert_true(bytes_eq(q[0].issued.certificate, q[1].issued.certificate));
	assert_code(q[2].code, ERR_UNAUTHORIZED, &q[2].why);
	assert_int_equal(log_census(w, r.order).certificates_of_order, 1);
}

static void refuses_too_large_a_round(void **state)
{
	static struct signer_request q[SIGNER_BATCH_MAX + 1];
	struct world *w = *state;
	struct err e = { 0 };

	assert_code(signer_round(w->s, w->round, q, SIGNER_BATCH_MAX + 1, &e), ERR_BUG, &e);
	assert_code(signer_round(w->s, w->round, q, 0, &e), ERR_OK, &e);
}

static int compare_serials(const void *a, const void *b)
{
	return memcmp(a, b, SERIAL_SIZE);
}

/* Baseline Requirements §7.1: greater than zero, at least 64 bits from a random generator; unique for the issuer (RFC 5280
 * §4.1.2.2). */
static void serials_are_unique(void **state)
{
	enum { ROUNDS = 32, EACH = 63 };
	static uint8_t serials[ROUNDS * EACH][SERIAL_SIZE];
	static struct signer_request q[EACH];
	struct world *w = *state;
	uint8_t bits = 0;

	for (size_t k = 0; k < ROUNDS; k++) {
		arena_reset(w->a);
		for (size_t i = 0; i < EACH; i++) {
			struct recipe r = recipe_simple(w);
			q[i] = (struct signer_request){ .body = recipe_body(w, &r) };
		}
		round_of(w, q, EACH);
		for (size_t i = 0; i < EACH; i++) {
			assert_code(q[i].code, ERR_OK, &q[i].why);
			memcpy(serials[k * EACH + i], q[i].issued.serial.ptr, SERIAL_SIZE);
			assert_int_equal(serials[k * EACH + i][0], 2);
			bits |= serials[k * EACH + i][SERIAL_SIZE - 1];
		}
	}
	qsort(serials, ROUNDS * EACH, SERIAL_SIZE, compare_serials);
	for (size_t i = 1; i < ROUNDS * EACH; i++)
		assert_int_not_equal(memcmp(serials[i - 1], serials[i], SERIAL_SIZE), 0);
	assert_int_equal(bits, 0xff);
	assert_int_equal(log_census(w, NULL).n[LOG_RESULT], ROUNDS * EACH);
}

/* --- order of what is written --- */

/* DESIGN §2: intent record durable -> sign -> result record durable -> reply. */
static void makes_durable_before_it_answers(void **state)
{
	struct world *w = *state;
	struct recipe r = recipe_simple(w);

	(void)must_issue(w, &r); /* the first one also writes zeros ahead */
	r = recipe_simple(w);
	struct bytes body = recipe_body(w, &r);
	struct err e = { 0 };
	test_seam_reset();
	assert_code(issue_body(w, body, false, NULL, &e), ERR_OK, &e);
	static const enum test_op want[] = { OP_PWRITE, OP_FDATASYNC, OP_PWRITE, OP_FDATASYNC };
	assert_int_equal(test_seam.n_trace, 4);
	assert_memory_equal(test_seam.trace, want, sizeof want);
}

/* --- clock and space --- */

static void an_order_ends(void **state)
{
	struct world *w = *state;
	struct recipe r = recipe_simple(w), late;
	struct err e = { 0 };

	(void)must_issue(w, &r);
	test_seam.wall_ms += 7 * HOUR_MS + 3 * 60000;
	(void)must_issue(w, &r); /* within the slack: the same bytes */
	test_seam.wall_ms += 5 * 60000;
	assert_code(issue(w, &r, NULL, &e), ERR_UNAUTHORIZED, &e);
	late = recipe_simple(w);
	late.order_ms = r.order_ms;
	assert_code(issue(w, &late, NULL, &e), ERR_UNAUTHORIZED, &e);
	/* Long after, its id is forgotten, and still refused. */
	test_seam.wall_ms += 40 * HOUR_MS;
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_code(issue(w, &r, NULL, &e), ERR_UNAUTHORIZED, &e);
}

static void refuses_while_the_clock_is_behind(void **state)
{
	struct world *w = *state;
	struct recipe done = recipe_simple(w), r = recipe_simple(w);
	struct err e = { 0 };

	(void)must_issue(w, &done);
	test_seam.wall_ms -= 500;
	struct bytes body = recipe_body(w, &r);
	uint64_t records = signer_counts(w->s).log_records;
	assert_code(issue_body(w, body, false, NULL, &e), ERR_BUSY, &e);
	assert_int_equal(signer_counts(w->s).log_records, records);
	(void)must_issue(w, &done); /* what is in the log is had all the same */
	assert_code(world_reopen(w, &e), ERR_CONFIG, &e);
	assert_non_null(strstr(e.detail, "clock"));
	test_seam.wall_ms += 500;
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_code(issue_body(w, body, false, NULL, &e), ERR_OK, &e);
}

static void keeps_the_reserve_free(void **state)
{
	struct world *w = *state;
	struct recipe done = recipe_simple(w), r = recipe_simple(w);
	struct err e = { 0 };

	(void)must_issue(w, &done);
	w->settings.reserve = UINT64_MAX;
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
	assert_code(issue(w, &r, NULL, &e), ERR_BUSY, &e);
	(void)must_issue(w, &done);
	w->settings.reserve = 0;
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
	(void)must_issue(w, &r);
}

static void the_issuer_must_outlive_the_certificate(void **state)
{
	struct world *w = *state;
	struct recipe r = recipe_simple(w);
	struct err e = { 0 };

	w->settings.profiles[0].lifetime_s = 366 * 86400;
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
	assert_code(issue(w, &r, NULL, &e), ERR_CONFIG, &e);
	assert_int_equal(signer_counts(w->s).log_records, 1);
}

static void bad_settings_leave_the_old(void **state)
{
	struct world *w = *state;
	struct recipe r = recipe_simple(w);
	struct settings good = w->settings, bad;
	struct err e = { 0 };

	bad = good, bad.base_url = BYTES_LIT(BASE "/");
	assert_code(signer_settings(w->s, &bad, &e), ERR_CONFIG, &e);
	bad = good, bad.caa_identity = BYTES_LIT("");
	assert_code(signer_settings(w->s, &bad, &e), ERR_CONFIG, &e);
	bad = good, bad.order_lifetime = 8 * 3600 + 1;
	assert_code(signer_settings(w->s, &bad, &e), ERR_CONFIG, &e);
	bad = good, bad.segment_size = 100;
	assert_code(signer_settings(w->s, &bad, &e), ERR_CONFIG, &e);
	bad = good, bad.n_profiles = 0;
	assert_code(signer_settings(w->s, &bad, &e), ERR_CONFIG, &e);
	bad = good, bad.profiles[1].lifetime_s = 0;
	assert_code(signer_settings(w->s, &bad, &e), ERR_CONFIG, &e);
	(void)must_issue(w, &r);
}

/* --- the TLS template --- */

static struct bytes tls_csr(struct world *w)
{
	static const char *const names[] = { "localhost", "ca.example", NULL };

	return make_csr(w, w->leaf, names, false);
}

static void issues_its_own_tls_certificate(void **state)
{
	struct world *w = *state;
	struct issued i = { 0 }, again = { 0 };
	struct err e = { 0 };

	struct bytes csr = tls_csr(w);
	assert_code(issue_body(w, csr, true, &i, &e), ERR_OK, &e);
	struct cert c = parse(w, i.certificate);
	assert_int_equal(c.n_names, 2);
	struct bytes first = arena_copy(w->a, i.certificate);
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_code(issue_body(w, csr, true, &again, &e), ERR_OK, &e);
	assert_true(bytes_eq(first, again.certificate));
	struct census n = log_census(w, NULL);
	assert_int_equal(n.n[LOG_TLS_INTENT], 1);
	assert_int_equal(n.n[LOG_RESULT], 1);
}

static void limits_tls_certificates(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	for (int i = 0; i < 24; i++) {
		assert_code(issue_body(w, tls_csr(w), true, NULL, &e), ERR_OK, &e);
		test_seam.wall_ms += 10 * 60000;
		assert_code(issue_body(w, tls_csr(w), true, NULL, &e), ERR_RATE_LIMITED, &e);
		assert_int_equal(e.retry_after_s, i < 23 ? 3000 : 3000);
		if (i % 5 == 0)
			assert_code(world_reopen(w, &e), ERR_OK, &e);
		assert_code(issue_body(w, tls_csr(w), true, NULL, &e), ERR_RATE_LIMITED, &e);
		test_seam.wall_ms += i < 23 ? 50 * 60000 : 40 * 60000;
	}
	/* 23 h 50 min after the first: an hour has not passed since the last, nor a day since the first. */
	assert_code(issue_body(w, tls_csr(w), true, NULL, &e), ERR_RATE_LIMITED, &e);
	assert_int_equal(e.retry_after_s, 600);
	test_seam.wall_ms += 10 * 60000;
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_code(issue_body(w, tls_csr(w), true, NULL, &e), ERR_OK, &e);
	assert_int_equal(signer_counts(w->s).tls, 1);
}

static void at_most_one_tls_certificate_a_round(void **state)
{
	struct world *w = *state;
	struct signer_request q[2] = { { .kind = REQUEST_ISSUE_TLS, .body = tls_csr(w) },
		{ .kind = REQUEST_ISSUE_TLS, .body = tls_csr(w) } };

	round_of(w, q, 2);
	assert_code(q[0].code, ERR_OK, &q[0].why);
	assert_code(q[1].code, ERR_RATE_LIMITED, &q[1].why);
}

static void the_template_is_fixed(void **state)
{
	static const char *const fewer[] = { "localhost", NULL };
	static const char *const more[] = { "localhost", "ca.example", "example.org", NULL };
	static const char *const other[] = { "localhost", "evil.example", NULL };
	static const char *const right[] = { "localhost", "ca.example", NULL };
	struct world *w = *state;
	struct err e = { 0 };

	assert_code(issue_body(w, make_csr(w, w->leaf, fewer, false), true, NULL, &e), ERR_REJECTED_IDENTIFIER, &e);
	assert_code(issue_body(w, make_csr(w, w->leaf, more, false), true, NULL, &e), ERR_REJECTED_IDENTIFIER, &e);
	assert_code(issue_body(w, make_csr(w, w->leaf, other, false), true, NULL, &e), ERR_REJECTED_IDENTIFIER, &e);
	assert_code(issue_body(w, make_csr(w, w->leaf, right, true), true, NULL, &e), ERR_BAD_CSR, &e);
	assert_code(issue_body(w, make_csr(w, w->issuer, right, false), true, NULL, &e), ERR_BAD_CSR, &e);
	assert_code(issue_body(w, BYTES_LIT(""), true, NULL, &e), ERR_BAD_CSR, &e);
	assert_int_equal(signer_counts(w->s).log_records, 1);
	assert_int_equal(signer_counts(w->s).refused[ERR_REJECTED_IDENTIFIER], 3);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(issues_what_was_proved),
		WORLD(follows_signed_wishes),
		WORLD(needs_no_new_order_signature_without_wishes),
		WORLD(gives_the_same_bytes_again),
		WORLD(refuses_another_csr_for_the_order),
		WORLD(serves_good_and_bad_together),
		WORLD(twins_of_a_round_share_one_certificate),
		WORLD(refuses_too_large_a_round),
		WORLD(serials_are_unique),
		WORLD(makes_durable_before_it_answers),
		WORLD(an_order_ends),
		WORLD(refuses_while_the_clock_is_behind),
		WORLD(keeps_the_reserve_free),
		WORLD(the_issuer_must_outlive_the_certificate),
		WORLD(bad_settings_leave_the_old),
		WORLD(issues_its_own_tls_certificate),
		WORLD(limits_tls_certificates),
		WORLD(at_most_one_tls_certificate_a_round),
		WORLD(the_template_is_fixed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
