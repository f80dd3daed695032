/* What the signer answers about certificates, and the life of the keys that it answers with. */
#include "pki/ocsp.h"
#include "server/signer/state.h"
#include "server/signer/test_ocsp.h"
#include "server/signer/test_revoke.h"

#include <openssl/ocsp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct ocsp_seen must_ask(struct world *w, struct bytes serial)
{
	struct ocsp_seen seen;
	struct err e = { 0 };

	assert_code(ask_ocsp(w, serial, &seen, &e), ERR_OK, &e);
	return seen;
}

static struct bytes issue_one(struct world *w)
{
	struct recipe r = recipe_simple(w);
	struct issued issued = must_issue(w, &r);

	return arena_copy(w->a, issued.certificate);
}

static struct bytes serial_of(struct world *w, struct bytes certificate)
{
	struct cert c;

	assert_int_equal(cert_parse(w->a, certificate, &c, NULL), ERR_OK);
	return c.serial;
}

/* An intent whose result never came, as a start finds it. */
static struct bytes void_one(struct world *w)
{
	struct recipe first = recipe_simple(w), r = recipe_simple(w);
	struct err e = { 0 };

	(void)must_issue(w, &first); /* writes zeros ahead */
	r.random[0] ^= 1;
	test_seam_reset();
	test_seam.fail_at = 3; /* the intent, its sync, and the result is not written */
	assert_code(issue(w, &r, NULL, &e), ERR_IO, &e);
	test_seam_reset();
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_int_equal(signer_counts(w->s).voided, 1);
	struct census c = log_census(w, r.order);
	return arena_copy(w->a, BYTES_ARRAY(c.serial));
}

static void an_answer_is_what_the_log_says(void **state)
{
	static const uint8_t never[SERIAL_SIZE] = { 2, 1 };
	struct world *w = *state;
	struct bytes good = issue_one(w), bad = issue_one(w);

	test_seam.wall_ms += 5000;
	struct revoke_recipe r = revoke_by_account(w, bad);
	r.reason = 4;
	(void)must_revoke(w, &r);
	int64_t revoked_s = test_seam.wall_ms / 1000;
	test_seam.wall_ms += 5000;
	struct bytes nothing = void_one(w);
	for (int i = 0; i < 2; i++) {
		struct ocsp_seen seen = must_ask(w, serial_of(w, good));
		assert_int_equal(seen.status, V_OCSP_CERTSTATUS_GOOD);
		assert_int_equal(seen.next_update_s - seen.this_update_s, w->settings.ocsp_lifetime);
		struct bytes own = arena_copy(w->a, BYTES_ARRAY(seen.responder));
		seen = must_ask(w, serial_of(w, bad));
		assert_true(seen.status == V_OCSP_CERTSTATUS_REVOKED && seen.reason == 4 && seen.revoked_s == revoked_s);
		seen = must_ask(w, nothing);
		assert_int_equal(seen.status, V_OCSP_CERTSTATUS_REVOKED);
		assert_int_equal(must_ask(w, BYTES_ARRAY(never)).status, V_OCSP_CERTSTATUS_UNKNOWN);
		assert_int_equal(must_ask(w, own).status, V_OCSP_CERTSTATUS_GOOD);
		struct err e = { 0 }; /* the same by a signer that knows all of it from its log */
		assert_code(world_reopen(w, &e), ERR_OK, &e);
	}
	assert_int_equal(log_census(w, NULL).n[LOG_OCSP_INTENT], 2);
}

/* Nobody keeps whether ended certificates were revoked. */
static void what_has_ended_is_unknown(void **state)
{
	struct world *w = *state;
	struct bytes certificate = issue_one(w);
	struct cert c;

	assert_int_equal(cert_parse(w->a, certificate, &c, NULL), ERR_OK);
	test_seam.wall_ms = c.not_after_s * 1000;
	assert_int_equal(must_ask(w, c.serial).status, V_OCSP_CERTSTATUS_GOOD);
	test_seam.wall_ms += 1000;
	assert_int_equal(must_ask(w, c.serial).status, V_OCSP_CERTSTATUS_UNKNOWN);
}

static void a_key_serves_for_days_and_is_made_anew_before_its_end(void **state)
{
	struct world *w = *state;
	struct bytes serial = serial_of(w, issue_one(w));
	struct ocsp_seen first = must_ask(w, serial);

	test_seam.wall_ms += 8 * DAY_MS;
	struct ocsp_seen later = must_ask(w, serial);
	assert_memory_equal(later.responder, first.responder, SERIAL_SIZE);
	test_seam.wall_ms += 2 * DAY_MS;
	later = must_ask(w, serial);
	assert_memory_not_equal(later.responder, first.responder, SERIAL_SIZE);
	assert_int_equal(later.next_update_s - later.this_update_s, w->settings.ocsp_lifetime); /* never cut short */
	assert_int_equal(log_census(w, NULL).n[LOG_OCSP_INTENT], 2);
}

/* The disk has no room for a new key's certificate: the old one serves for as long as it holds, and not a moment longer. */
static void without_room_the_key_that_is_there_serves_to_its_end(void **state)
{
	struct world *w = *state;
	struct bytes serial = serial_of(w, issue_one(w));
	struct ocsp_seen first = must_ask(w, serial), later;
	struct err e = { 0 };

	w->settings.reserve = UINT64_MAX / 2;
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
	test_seam.wall_ms += 13 * DAY_MS;
	later = must_ask(w, serial);
	assert_memory_equal(later.responder, first.responder, SERIAL_SIZE);
	assert_int_equal(later.next_update_s, first.responder_not_after_s);
	test_seam.wall_ms = (first.responder_not_after_s - OCSP_LIFETIME_MIN_S + 1) * 1000;
	assert_code(ask_ocsp(w, serial, &later, &e), ERR_BUSY, &e);
	test_seam.wall_ms = first.responder_not_after_s * 1000 + 1000;
	assert_code(ask_ocsp(w, serial, &later, &e), ERR_BUSY, &e);
	assert_int_equal(log_census(w, NULL).n[LOG_OCSP_INTENT], 1);
}

/* Answers that are dated before what they say was so. */
static void a_clock_that_is_back_answers_nothing(void **state)
{
	struct world *w = *state;
	struct bytes serial = serial_of(w, issue_one(w));
	struct ocsp_seen seen;
	struct err e = { 0 };

	(void)must_ask(w, serial);
	for (int64_t back_ms = 60000; back_ms < 400 * DAY_MS; back_ms *= 10) {
		test_seam.wall_ms -= back_ms;
		assert_code(ask_ocsp(w, serial, &seen, &e), ERR_BUSY, &e);
		assert_non_null(strstr(e.detail, "clock"));
		test_seam.wall_ms += back_ms;
	}
	assert_int_equal(must_ask(w, serial).status, V_OCSP_CERTSTATUS_GOOD);
	assert_int_equal(log_census(w, NULL).n[LOG_OCSP_INTENT], 1);
}

/* Up to the issuer's end, less what an answer must last (Baseline Requirements 4.9.10). */
static void nothing_outlives_the_issuer(void **state)
{
	struct world *w = *state;
	struct bytes serial = serial_of(w, issue_one(w));
	int64_t end_s = w->s->issuers[0].issuer->not_after_s;
	struct ocsp_seen seen;
	struct err e = { 0 };

	test_seam.wall_ms = (end_s - OCSP_LIFETIME_MIN_S) * 1000;
	seen = must_ask(w, serial);
	assert_true(seen.responder_not_after_s == end_s && seen.next_update_s == end_s);
	test_seam.wall_ms += 1000;
	assert_code(ask_ocsp(w, serial, &seen, &e), ERR_BUSY, &e);
	test_seam.wall_ms = end_s * 1000 + 1000;
	assert_code(ask_ocsp(w, serial, &seen, &e), ERR_BUSY, &e);
	assert_int_equal(log_census(w, NULL).n[LOG_OCSP_INTENT], 1);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(an_answer_is_what_the_log_says),
		WORLD(what_has_ended_is_unknown),
		WORLD(a_key_serves_for_days_and_is_made_anew_before_its_end),
		WORLD(without_room_the_key_that_is_there_serves_to_its_end),
		WORLD(a_clock_that_is_back_answers_nothing),
		WORLD(nothing_outlives_the_issuer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
