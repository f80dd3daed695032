/* A clock that is wrong by a year, either way: nothing out of range is issued, and what was logged stays what it is. */
#include "server/signer/state.h"
#include "server/signer/test_revoke.h"
#include "server/signer/test_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define YEAR_MS    (365 * 24 * HOUR_MS)
#define FORWARD_MS (300 * 24 * HOUR_MS) /* the world's issuer lasts a year: a whole one forward nothing is issued at all */

/* Within the profile's lifetime from now, and the issuer's own certificate. */
static void assert_valid_now(struct world *w, const struct issued *i)
{
	const struct profile *p = &w->settings.profiles[0];
	int64_t now_s = test_seam.wall_ms / 1000;
	struct cert c;

	assert_int_equal(cert_parse(w->a, i->certificate, &c, NULL), ERR_OK);
	assert_true(c.not_before_s <= now_s && c.not_before_s >= now_s - 86400);
	assert_true(c.not_after_s > now_s && c.not_after_s <= now_s + (int64_t)p->lifetime_s);
	assert_true(c.not_after_s <= w->s->issuers[0].issuer->not_after_s);
	assert_int_equal(serial_time_ms(i->serial.ptr), test_seam.wall_ms);
}

/* What was made before by the old clock is too old for this one: order, receipts, tokens. */
static void a_year_forward_nothing_of_the_past_counts(void **state)
{
	struct world *w = *state;
	struct recipe before = recipe_simple(w), fresh, old_receipts;
	struct err e = { 0 };

	struct bytes body = recipe_body(w, &before);
	test_seam.wall_ms += FORWARD_MS;
	uint64_t records = signer_counts(w->s).log_records;
	assert_code(issue_body(w, body, false, NULL, &e), ERR_UNAUTHORIZED, &e);
	old_receipts = recipe_simple(w);
	for (size_t i = 0; i < old_receipts.n_receipts; i++)
		old_receipts.receipts[i].time_ms -= FORWARD_MS;
	assert_code(issue(w, &old_receipts, NULL, &e), ERR_CONFIRM, &e);
	assert_int_equal(signer_counts(w->s).log_records, records);
	fresh = recipe_simple(w);
	struct issued issued = must_issue(w, &fresh);
	assert_valid_now(w, &issued);
}

/* Up to the issuer's end, and not a second past it. */
static void nothing_outlives_the_issuer(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	for (int64_t step_ms = YEAR_MS; step_ms > 60000; step_ms /= 2) {
		struct recipe r;
		struct issued issued;
		test_seam.wall_ms += step_ms;
		r = recipe_simple(w);
		enum err_code rc = issue(w, &r, &issued, &e);
		if (rc == ERR_OK) {
			assert_valid_now(w, &issued);
			step_ms *= 2; /* on, until it is refused */
		} else {
			assert_code(rc, ERR_CONFIG, &e);
			assert_non_null(strstr(e.detail, "the CA needs a new issuer"));
			test_seam.wall_ms -= step_ms;
		}
	}
	assert_true(test_seam.wall_ms / 1000 < w->s->issuers[0].issuer->not_after_s);
}

/* The clock was a year ahead, issued, and is right again: the log's times hold it until they are passed. */
static void when_the_clock_comes_back_the_log_holds_it(void **state)
{
	struct world *w = *state;
	struct recipe ahead, now;
	struct err e = { 0 };
	struct crl_new lists[SIGNER_LISTS_A_TURN];
	size_t n_lists = 1;

	test_seam.wall_ms += FORWARD_MS;
	ahead = recipe_simple(w);
	struct issued issued = must_issue(w, &ahead);
	test_seam.wall_ms -= FORWARD_MS;
	uint64_t records = signer_counts(w->s).log_records;
	now = recipe_simple(w);
	assert_code(issue(w, &now, NULL, &e), ERR_BUSY, &e);
	struct revoke_recipe r = revoke_by_account(w, issued.certificate);
	struct revoked revoked;
	assert_code(try_revoke(w, &r, &revoked, &e), ERR_BUSY, &e);
	assert_non_null(strstr(e.detail, "the clock stands"));
	assert_code(signer_crl(w->s, lists, &n_lists, &e), ERR_OK, &e);
	assert_int_equal(n_lists, 0);
	assert_int_equal(signer_counts(w->s).log_records, records);
	/* a start refuses too, and says why; it changes nothing */
	assert_code(world_reopen(w, &e), ERR_CONFIG, &e);
	assert_non_null(strstr(e.detail, "clock"));
	test_seam.wall_ms += FORWARD_MS;
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_int_equal(signer_counts(w->s).log_records, records);
	r = revoke_by_account(w, issued.certificate);
	assert_code(try_revoke(w, &r, &revoked, &e), ERR_OK, &e);
	assert_int_equal(revoked.time_s, test_seam.wall_ms / 1000);
}

/* From the start on, before anything was ever logged by it. */
static void a_year_back_nothing_is_written(void **state)
{
	struct world *w = *state;
	struct recipe r = recipe_simple(w);
	struct err e = { 0 };

	struct bytes body = recipe_body(w, &r);
	struct census before = log_census(w, r.order);
	test_seam.wall_ms -= YEAR_MS;
	assert_code(issue_body(w, body, false, NULL, &e), ERR_UNAUTHORIZED, &e); /* by this clock, an order of the future */
	struct recipe back = recipe_simple(w);
	assert_code(issue(w, &back, NULL, &e), ERR_BUSY, &e);
	assert_code(world_reopen(w, &e), ERR_CONFIG, &e);
	assert_non_null(strstr(e.detail, "clock"));
	assert_int_equal(log_census(w, r.order).all, before.all);
	test_seam.wall_ms += YEAR_MS;
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	(void)must_issue(w, &r);
}

/* An order or a receipt of a front or validator whose clock is ahead of ours. */
static void what_comes_from_the_future_is_refused(void **state)
{
	struct world *w = *state;
	struct recipe order = recipe_simple(w), receipts = recipe_simple(w);
	struct err e = { 0 };

	order.order_ms += YEAR_MS;
	assert_code(issue(w, &order, NULL, &e), ERR_UNAUTHORIZED, &e);
	for (size_t i = 0; i < receipts.n_receipts; i++)
		receipts.receipts[i].time_ms += YEAR_MS;
	assert_code(issue(w, &receipts, NULL, &e), ERR_CONFIRM, &e);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(a_year_forward_nothing_of_the_past_counts),
		WORLD(nothing_outlives_the_issuer),
		WORLD(when_the_clock_comes_back_the_log_holds_it),
		WORLD(a_year_back_nothing_is_written),
		WORLD(what_comes_from_the_future_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
