/* Revocation as a client asks for it, and the lists that come of it: who may, for which reasons, once, and what a start recalls. */
#include "server/signer/state.h"
#include "server/signer/test_revoke.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const two_names[] = { "example.org", "www.example.org", NULL };

static struct issued new_certificate(struct world *w)
{
	struct recipe r = recipe_new(w, two_names);

	return must_issue(w, &r);
}

/* --- who may --- */

static void its_account_revokes(void **state)
{
	struct world *w = *state;
	struct issued i = new_certificate(w);
	struct revoke_recipe r = revoke_by_account(w, i.certificate);
	int64_t time_s = 0;
	uint8_t reason = 99;

	r.reason = CRL_SUPERSEDED;
	test_seam.wall_ms += 5000;
	struct revoked v = must_revoke(w, &r);
	assert_int_equal(v.time_s, test_seam.wall_ms / 1000);
	assert_int_equal(v.reason, CRL_SUPERSEDED);
	struct bytes list = must_make_list(w);
	assert_true(list_has(list, i.serial, &time_s, &reason));
	assert_int_equal(time_s, v.time_s);
	assert_int_equal(reason, CRL_SUPERSEDED);
	assert_int_equal(signer_counts(w->s).revoked, 1);
	assert_int_equal(log_census(w, NULL).n[LOG_REVOKE], 1);
}

static void its_key_revokes(void **state)
{
	struct world *w = *state;
	struct issued i = new_certificate(w);
	struct revoke_recipe r = revoke_by_key(w, i.certificate, w->leaf);
	uint8_t reason = 99;

	assert_int_equal(must_revoke(w, &r).reason, CRL_UNSPECIFIED);
	assert_true(list_has(must_make_list(w), i.serial, NULL, &reason));
	assert_int_equal(reason, CRL_UNSPECIFIED);
}

/* The names have changed hands: that is what lists say, whatever was asked for. */
static void whoever_holds_its_names_revokes(void **state)
{
	struct world *w = *state;

	for (int reason = -1; reason <= 5; reason++) {
		struct issued i = new_certificate(w);
		struct revoke_recipe r = revoke_by_names(w, i.certificate, two_names);
		if (reason == 1 || reason == 2)
			continue;
		r.reason = reason;
		assert_int_equal(must_revoke(w, &r).reason, CRL_CESSATION_OF_OPERATION);
	}
	assert_int_equal(signer_counts(w->s).keys_compromised, 0);
}

/* Authorizations count as long as any profile lets them, also for revocation. */
static void takes_receipts_as_long_as_they_count(void **state)
{
	struct world *w = *state;
	struct issued i = new_certificate(w);
	struct revoke_recipe r = revoke_by_names(w, i.certificate, two_names);
	struct revoked v;
	struct err e = { 0 };

	w->settings.profiles[1].authz_lifetime_s = 30 * 86400;
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
	for (size_t k = 0; k < r.proof.n_receipts; k += 2)
		r.proof.receipts[k].time_ms = test_seam.wall_ms - 30 * INT64_C(86400000) - 1;
	assert_code(try_revoke(w, &r, &v, &e), ERR_CONFIRM, &e);
	for (size_t k = 0; k < r.proof.n_receipts; k += 2)
		r.proof.receipts[k].time_ms++;
	(void)must_revoke(w, &r);
}

/* --- reasons --- */

static void takes_the_reasons_that_are_allowed(void **state)
{
	struct world *w = *state;
	struct revoked v;
	struct err e = { 0 };

	for (int reason = 0; reason <= 11; reason++) {
		struct issued i = new_certificate(w);
		struct revoke_recipe r = revoke_by_account(w, i.certificate);
		bool allowed = reason == 0 || reason == 3 || reason == 4 || reason == 5;
		r.reason = reason;
		if (reason == 1) /* of its own test: it closes the key */
			continue;
		assert_code(try_revoke(w, &r, &v, &e), allowed ? ERR_OK : ERR_BAD_REVOCATION_REASON, &e);
		if (!allowed) {
			assert_non_null(strstr(e.detail, "1 (keyCompromise)"));
			assert_non_null(strstr(e.detail, "5 (cessationOfOperation)"));
		} else {
			assert_int_equal(v.reason, reason);
		}
	}
}

/* A key that is known to others is certified no more, for nobody, also after a start. */
static void a_compromised_key_is_closed(void **state)
{
	struct world *w = *state;
	struct issued i = new_certificate(w);
	struct revoke_recipe r = revoke_by_key(w, i.certificate, w->leaf);
	struct recipe again = recipe_simple(w), other = recipe_simple(w);
	struct err e = { 0 };

	r.reason = CRL_KEY_COMPROMISE;
	assert_int_equal(must_revoke(w, &r).reason, CRL_KEY_COMPROMISE);
	for (int start = 0; start < 2; start++) {
		assert_code(issue(w, &again, NULL, &e), ERR_BAD_CSR, &e);
		assert_non_null(strstr(e.detail, "compromised"));
		assert_int_equal(signer_counts(w->s).keys_compromised, 1);
		assert_code(world_reopen(w, &e), ERR_OK, &e);
	}
	other.csr_key = w->leaf2;
	(void)must_issue(w, &other);
}

static void its_account_may_say_that_the_key_is_compromised(void **state)
{
	struct world *w = *state;
	struct issued i = new_certificate(w);
	struct revoke_recipe r = revoke_by_account(w, i.certificate);
	struct recipe again = recipe_simple(w);
	struct err e = { 0 };

	r.reason = CRL_KEY_COMPROMISE;
	(void)must_revoke(w, &r);
	assert_code(issue(w, &again, NULL, &e), ERR_BAD_CSR, &e);
}

static void who_has_only_the_names_may_not(void **state)
{
	struct world *w = *state;
	struct issued i = new_certificate(w);
	struct revoke_recipe r = revoke_by_names(w, i.certificate, two_names);
	struct revoked v;
	struct err e = { 0 };

	r.reason = CRL_KEY_COMPROMISE;
	assert_code(try_revoke(w, &r, &v, &e), ERR_BAD_REVOCATION_REASON, &e);
	assert_int_equal(signer_counts(w->s).revoked, 0);
}

/* --- once --- */

static void a_second_revocation_is_told(void **state)
{
	struct world *w = *state;
	struct issued i = new_certificate(w);
	struct revoke_recipe r = revoke_by_account(w, i.certificate), other = revoke_by_names(w, i.certificate, two_names);
	struct revoked v;
	struct err e = { 0 };

	(void)must_revoke(w, &r);
	for (int start = 0; start < 2; start++) {
		assert_code(try_revoke(w, &r, &v, &e), ERR_ALREADY_REVOKED, &e);
		assert_code(try_revoke(w, &other, &v, &e), ERR_ALREADY_REVOKED, &e);
		assert_code(world_reopen(w, &e), ERR_OK, &e);
	}
	assert_int_equal(log_census(w, NULL).n[LOG_REVOKE], 1);
}

/* Two in one round are one. */
static void two_at_once_are_one(void **state)
{
	struct world *w = *state;
	struct issued i = new_certificate(w);
	struct revoke_recipe r = revoke_by_account(w, i.certificate);
	struct signer_request q[3] = { { .kind = REQUEST_REVOKE, .body = revoke_body(w, &r) } };
	struct recipe more = recipe_simple(w);
	struct err e = { 0 };

	q[1] = (struct signer_request){ .kind = REQUEST_ISSUE, .body = recipe_body(w, &more) };
	q[2] = q[0];
	uint64_t syncs = signer_counts(w->s).syncs;
	assert_code(signer_round(w->s, w->round, q, 3, &e), ERR_OK, &e);
	assert_int_equal(q[0].code, ERR_OK);
	assert_int_equal(q[1].code, ERR_OK);
	assert_int_equal(q[2].code, ERR_ALREADY_REVOKED);
	assert_int_equal(signer_counts(w->s).syncs, syncs + 2); /* it costs none of its own */
	assert_int_equal(log_census(w, NULL).n[LOG_REVOKE], 1);
}

/* Who has the key may say later on that it is compromised: that is worth a second record. The time stays the first one's. */
static void compromise_may_be_said_later(void **state)
{
	struct world *w = *state;
	struct issued i = new_certificate(w);
	struct revoke_recipe r = revoke_by_account(w, i.certificate), later = revoke_by_key(w, i.certificate, w->leaf);
	struct revoked v;
	struct err e = { 0 };
	int64_t time_s = 0;
	uint8_t reason = 0;

	r.reason = CRL_SUPERSEDED;
	struct revoked first = must_revoke(w, &r);
	test_seam.wall_ms += HOUR_MS;
	r.reason = CRL_KEY_COMPROMISE;
	assert_code(try_revoke(w, &r, &v, &e), ERR_ALREADY_REVOKED, &e);
	later.reason = CRL_KEY_COMPROMISE;
	v = must_revoke(w, &later);
	assert_int_equal(v.time_s, first.time_s);
	assert_code(try_revoke(w, &later, &v, &e), ERR_ALREADY_REVOKED, &e);
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_true(list_has(must_make_list(w), i.serial, &time_s, &reason));
	assert_int_equal(time_s, first.time_s);
	assert_int_equal(reason, CRL_KEY_COMPROMISE);
	assert_int_equal(signer_counts(w->s).revoked, 1);
	assert_int_equal(signer_counts(w->s).keys_compromised, 1);
}

static void an_expired_one_needs_none(void **state)
{
	struct world *w = *state;
	struct issued i = new_certificate(w);
	struct revoke_recipe r = revoke_by_account(w, i.certificate);
	struct revoked v;
	struct err e = { 0 };

	test_seam.wall_ms = i.not_after_s * 1000 + 1000;
	assert_code(try_revoke(w, &r, &v, &e), ERR_UNAUTHORIZED, &e);
	test_seam.wall_ms -= 1000;
	(void)must_revoke(w, &r);
}

/* The reserve is kept for this. A clock that has gone back stops everything. */
static void revokes_when_nothing_may_be_issued(void **state)
{
	struct world *w = *state;
	struct issued i = new_certificate(w);
	struct revoke_recipe r = revoke_by_account(w, i.certificate);
	struct recipe more = recipe_simple(w);
	struct revoked v;
	struct err e = { 0 };

	w->settings.reserve = UINT64_MAX;
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
	assert_code(issue(w, &more, NULL, &e), ERR_BUSY, &e);
	test_seam.wall_ms -= 1;
	assert_code(try_revoke(w, &r, &v, &e), ERR_BUSY, &e);
	test_seam.wall_ms += 1;
	(void)must_revoke(w, &r);
	assert_true(list_has(must_make_list(w), i.serial, NULL, NULL));
}

/* Certificates of long ago are found in closed segments. */
static void revokes_over_many_segments(void **state)
{
	static struct issued i[40];
	struct world *w = *state;
	struct err e = { 0 };

	w->settings.segment_size = SEGMENT_SIZE_MIN;
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
	for (size_t k = 0; k < 40; k++) {
		i[k] = new_certificate(w);
		test_seam.wall_ms += k % 4 ? 1000 : 0;
	}
	assert_true(signer_counts(w->s).log_segments > 15);
	for (size_t k = 0; k < 40; k++) {
		struct revoke_recipe r = revoke_by_account(w, i[k].certificate);
		if (k == 20)
			assert_code(world_reopen(w, &e), ERR_OK, &e);
		(void)must_revoke(w, &r);
	}
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	struct bytes list = must_make_list(w);
	for (size_t k = 0; k < 40; k++)
		assert_true(list_has(list, i[k].serial, NULL, NULL));
}

/* --- lists --- */

static void a_void_serial_stands_revoked(void **state)
{
	struct world *w = *state;
	struct recipe r = recipe_simple(w);
	struct signer_request q = { .body = recipe_body(w, &r) };
	struct err e = { 0 };

	test_seam_reset();
	test_seam.fail_at = 3; /* the intent, its sync, the result */
	assert_code(signer_round(w->s, w->round, &q, 1, &e), ERR_IO, &e);
	test_seam_reset();
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_int_equal(signer_counts(w->s).revoked, 1);
	struct census c = log_census(w, r.order);
	struct bytes list = must_make_list(w);
	assert_true(list_has(list, BYTES_ARRAY(c.serial), NULL, NULL));
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_int_equal(signer_counts(w->s).revoked, 1);
}

static struct crl parsed(struct bytes der)
{
	struct err e = { 0 };
	struct crl c = { 0 };

	assert_code(crl_parse(der, &c, &e), ERR_OK, &e);
	return c;
}

static uint64_t number_of(const struct crl *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < c->number.len; i++)
		n = n << 8 | c->number.ptr[i];
	return n;
}

/* One at the start, one after a revocation, one each interval; no more. Numbers go up, over starts too, and are the log's. */
static void lists_are_made_when_they_are_due(void **state)
{
	struct world *w = *state;
	struct issued i = new_certificate(w);
	struct revoke_recipe r = revoke_by_account(w, i.certificate);
	struct err e = { 0 };
	struct crl_new n;
	bool made;

	assert_false(newest_list(w->s, &n));
	struct crl first = parsed(must_make_list(w));
	assert_int_equal(number_of(&first), 4); /* genesis, intent, result */
	assert_int_equal(first.this_update_s, START_MS / 1000);
	assert_int_equal(first.next_update_s - first.this_update_s, 7 * 86400);
	assert_int_equal(first.n_entries, 0);
	w->s->issuers[0].shards[0].again_ms = w->s->lists_again_ms = 0;
	assert_code(make_lists(w->s, &made, &e), ERR_OK, &e);
	assert_false(made);
	assert_true(signer_crl_wait_ms(w->s) > 0);
	(void)must_revoke(w, &r);
	struct crl second = parsed(must_make_list(w));
	assert_int_equal(number_of(&second), 6);
	assert_int_equal(second.n_entries, 1);
	/* at once again after a revocation, but not sooner than the pause */
	struct issued j = new_certificate(w);
	r = revoke_by_account(w, j.certificate);
	(void)must_revoke(w, &r);
	assert_true(signer_crl_wait_ms(w->s) > 0);
	assert_code(make_lists(w->s, &made, &e), ERR_OK, &e);
	assert_false(made);
	assert_int_equal(parsed(must_make_list(w)).n_entries, 2);
	/* each interval */
	test_seam.wall_ms += 86400 * INT64_C(1000) - 1000;
	w->s->issuers[0].shards[0].again_ms = w->s->lists_again_ms = 0;
	assert_code(make_lists(w->s, &made, &e), ERR_OK, &e);
	assert_false(made);
	test_seam.wall_ms += 1000;
	struct crl fourth = parsed(must_make_list(w));
	/* and at a start, as nobody has the old one any more */
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	struct crl fifth = parsed(must_make_list(w));
	assert_int_equal(number_of(&fifth), number_of(&fourth) + 1);
	assert_int_equal(number_of(&fifth), signer_counts(w->s).log_records);
	assert_int_equal(log_census(w, NULL).n[LOG_CRL], 5);
}

/* An entry stays for an interval after its certificate's end, and in a list that is made after that; then it is gone, from memory too. */
static void entries_leave_when_they_are_over(void **state)
{
	struct world *w = *state;
	struct recipe brief = recipe_simple(w);
	struct err e = { 0 };

	brief.profile = "short";
	struct issued i = must_issue(w, &brief), j = new_certificate(w);
	struct revoke_recipe a = revoke_by_account(w, i.certificate), b = revoke_by_account(w, j.certificate);
	(void)must_revoke(w, &a);
	(void)must_revoke(w, &b);
	assert_true(list_has(must_make_list(w), i.serial, NULL, NULL));
	test_seam.wall_ms = (i.not_after_s + 86400) * 1000; /* at the edge */
	assert_true(list_has(must_make_list(w), i.serial, NULL, NULL));
	test_seam.wall_ms += 86400 * INT64_C(1000);
	assert_true(list_has(must_make_list(w), i.serial, NULL, NULL)); /* the one that is due */
	for (int start = 0; start < 2; start++) {
		test_seam.wall_ms += 86400 * INT64_C(1000);
		struct bytes list = must_make_list(w);
		assert_false(list_has(list, i.serial, NULL, NULL));
		assert_true(list_has(list, j.serial, NULL, NULL));
		assert_code(world_reopen(w, &e), ERR_OK, &e);
	}
}

static void give(struct world *w, uint64_t number, uint64_t offset, struct crl_part *ret, enum err_code want)
{
	CLEANUP(buf_free_p) struct buf get = buf_new(64), out = buf_new(CHANNEL_BODY_MAX);
	struct crl_get g = { .number = number, .offset = offset };
	struct err e = { 0 };

	memcpy(g.issuer, w->s->issuers[0].issuer->key_id.ptr, sizeof g.issuer);
	crl_get_write(&g, &get);
	assert_code(signer_crl_part(w->s, buf_bytes(&get), &out, &e), want, &e);
	if (want == ERR_OK) {
		struct bytes copy = arena_copy(w->a, buf_bytes(&out));
		assert_code(crl_part_read(copy, ret, &e), ERR_OK, &e);
	}
}

/* Whoever has begun to fetch a list may go on when a newer one is there; two later it is told to begin again. */
static void parts_are_of_one_list(void **state)
{
	struct world *w = *state;
	struct crl_part p;
	struct crl_new n;
	struct err e = { 0 };
	uint64_t numbers[3];

	give(w, 0, 0, &p, ERR_BUSY);
	for (size_t k = 0; k < 3; k++) {
		struct issued i = new_certificate(w);
		struct revoke_recipe r = revoke_by_account(w, i.certificate);
		(void)must_revoke(w, &r);
		(void)must_make_list(w);
		assert_true(newest_list(w->s, &n));
		numbers[k] = n.number;
	}
	give(w, 0, 0, &p, ERR_OK);
	assert_true(p.number == numbers[2] && p.size == n.size && p.offset == 0 && p.part.len == n.size);
	give(w, numbers[2], 100, &p, ERR_OK);
	assert_true(p.number == numbers[2] && p.offset == 100 && p.part.len == n.size - 100);
	give(w, numbers[1], 100, &p, ERR_OK);
	assert_true(p.number == numbers[1] && p.offset == 100 && p.size < n.size);
	give(w, numbers[0], 100, &p, ERR_OK);
	assert_true(p.number == numbers[2] && p.offset == 0 && p.part.len == n.size);
	give(w, UINT64_MAX, UINT64_MAX, &p, ERR_OK);
	assert_int_equal(p.number, numbers[2]);
	give(w, numbers[2], n.size, &p, ERR_MALFORMED);
	give(w, 0, UINT64_MAX, &p, ERR_MALFORMED);
	CLEANUP(buf_free_p) struct buf get = buf_new(64), out = buf_new(CHANNEL_BODY_MAX);
	struct crl_get g = { .number = 0 };
	crl_get_write(&g, &get);
	assert_code(signer_crl_part(w->s, buf_bytes(&get), &out, &e), ERR_NOT_FOUND, &e);
	assert_code(signer_crl_part(w->s, BYTES_LIT("x"), &out, &e), ERR_MALFORMED, &e);
}

/* Each certificate's list has it, and no other list of its issuer. */
static void shards_share_what_is_revoked(void **state)
{
	enum { SHARDS = 4, CERTIFICATES = 24 };
	struct world *w = *state;
	struct crl_new v[SHARDS * 2];
	struct issued issued[CERTIFICATES];
	size_t n = 0, seen[SHARDS] = { 0 };
	struct err e = { 0 };
	bool made;

	w->settings.crl_shards = SHARDS;
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
	for (size_t i = 0; i < CERTIFICATES; i++) {
		issued[i] = new_certificate(w);
		seen[serial_shard(issued[i].serial.ptr)]++;
		struct revoke_recipe r = revoke_by_account(w, issued[i].certificate);
		(void)must_revoke(w, &r);
	}
	while (signer_crl_list(w->s, v, SHARDS * 2) < SHARDS || n++ < SHARDS) {
		for (size_t k = 0; k < SHARDS; k++)
			w->s->issuers[0].shards[k].again_ms = 0;
		w->s->lists_again_ms = 0;
		assert_code(make_lists(w->s, &made, &e), ERR_OK, &e);
	}
	assert_int_equal(signer_crl_list(w->s, v, SHARDS * 2), SHARDS);
	for (size_t k = 0; k < SHARDS; k++) {
		struct bytes der = buf_bytes(&w->s->issuers[0].shards[k].newest.der);
		size_t listed = 0;
		for (size_t i = 0; i < CERTIFICATES; i++) {
			bool here = list_has(der, issued[i].serial, NULL, NULL);
			assert_int_equal(here, serial_shard(issued[i].serial.ptr) == k);
			listed += here;
		}
		assert_int_equal(listed, seen[k]);
	}
	/* Fewer shards later: the lists that certificates name go on, also after a start. */
	w->settings.crl_shards = 1;
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	for (size_t k = 0; k < SHARDS; k++) {
		w->s->lists_again_ms = 0;
		assert_code(make_lists(w->s, &made, &e), ERR_OK, &e);
	}
	assert_int_equal(signer_crl_list(w->s, v, SHARDS * 2), SHARDS);
	for (size_t i = 0; i < CERTIFICATES; i++)
		assert_true(list_has(
		    buf_bytes(&w->s->issuers[0].shards[serial_shard(issued[i].serial.ptr)].newest.der), issued[i].serial, NULL, NULL));
}

/* The same URL in certificate and list, or in neither. */
static void certificates_name_their_list(void **state)
{
	static const char url[] = "http://pki.example/crl/";
	struct world *w = *state;
	struct err e = { 0 };

	struct issued i = new_certificate(w);
	assert_null(memmem(i.certificate.ptr, i.certificate.len, "/crl/", 5));
	assert_null(parsed(must_make_list(w)).url.ptr);
	w->settings.publish_url = BYTES_LIT("http://pki.example");
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	i = new_certificate(w);
	struct crl c = parsed(must_make_list(w));
	assert_true(bytes_starts_with(c.url, bytes_str(url)));
	assert_int_equal(c.url.len, sizeof url - 1 + 40 + 4);
	assert_non_null(memmem(i.certificate.ptr, i.certificate.len, c.url.ptr, c.url.len));
}

/* What could not be made now is made later; a log that fails ends it all. */
static void a_list_that_fails_is_made_later(void **state)
{
	struct world *w = *state;
	struct recipe r = recipe_simple(w);
	struct err e = { 0 };
	bool made = true;

	test_seam.wall_ms -= 1000; /* the clock stands before the log's last record */
	assert_code(make_lists(w->s, &made, &e), ERR_OK, &e);
	assert_false(made);
	assert_true(signer_crl_wait_ms(w->s) > 0);
	test_seam.wall_ms += 1000;
	(void)must_make_list(w);
	(void)must_issue(w, &r);
	w->s->issuers[0].shards[0].changed = true;
	w->s->issuers[0].shards[0].again_ms = w->s->lists_again_ms = 0;
	test_seam_reset();
	test_seam.fail_at = 1;
	assert_code(make_lists(w->s, &made, &e), ERR_IO, &e);
	assert_false(made);
	test_seam_reset();
	assert_code(make_lists(w->s, &made, &e), ERR_OK, &e); /* the pause */
	w->s->issuers[0].shards[0].again_ms = w->s->lists_again_ms = 0;
	w->s->issuers[0].shards[0].changed = true;
	assert_code(make_lists(w->s, &made, &e), ERR_IO, &e);
}

/* What relying parties use: OpenSSL takes the list and refuses the certificate by it. */
static void openssl_refuses_by_the_list(void **state)
{
	struct world *w = *state;
	struct issued bad = new_certificate(w), good = new_certificate(w);
	struct revoke_recipe r = revoke_by_account(w, bad.certificate);
	char command[1024];

	r.reason = CRL_CESSATION_OF_OPERATION;
	(void)must_revoke(w, &r);
	struct bytes list = must_make_list(w);
	const struct {
		const char *name;
		struct bytes der;
	} files[] = { { "bad.der", bad.certificate }, { "good.der", good.certificate }, { "list.der", list } };
	for (size_t i = 0; i < 3; i++) {
		FILE *f = fopen(world_path(w, files[i].name), "w");
		assert_non_null(f);
		assert_int_equal(fwrite(files[i].der.ptr, 1, files[i].der.len, f), files[i].der.len);
		assert_int_equal(fclose(f), 0);
	}
	snprintf(command, sizeof command,
	    "cd %s && openssl crl -inform DER -in list.der -out list.pem -CAfile issuers/main/issuer.pem 2>text && grep -q 'verify OK' text && "
	    "openssl x509 -inform DER -in good.der -out good.pem && openssl x509 -inform DER -in bad.der -out bad.pem && "
	    "v='openssl verify -attime %lld -crl_check -CRLfile list.pem -CAfile issuers/main/root.pem -untrusted issuers/main/issuer.pem' && "
	    "$v good.pem >text 2>&1 && ! $v bad.pem >text 2>&1 && grep -q 'certificate revoked' text",
	    w->folder, (long long)(START_MS / 1000 + 10));
	assert_int_equal(system(command), 0);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(its_account_revokes),
		WORLD(its_key_revokes),
		WORLD(whoever_holds_its_names_revokes),
		WORLD(takes_receipts_as_long_as_they_count),
		WORLD(takes_the_reasons_that_are_allowed),
		WORLD(a_compromised_key_is_closed),
		WORLD(its_account_may_say_that_the_key_is_compromised),
		WORLD(who_has_only_the_names_may_not),
		WORLD(a_second_revocation_is_told),
		WORLD(two_at_once_are_one),
		WORLD(compromise_may_be_said_later),
		WORLD(an_expired_one_needs_none),
		WORLD(revokes_when_nothing_may_be_issued),
		WORLD(revokes_over_many_segments),
		WORLD(a_void_serial_stands_revoked),
		WORLD(lists_are_made_when_they_are_due),
		WORLD(entries_leave_when_they_are_over),
		WORLD(parts_are_of_one_list),
		WORLD(shards_share_what_is_revoked),
		WORLD(certificates_name_their_list),
		WORLD(a_list_that_fails_is_made_later),
		WORLD(openssl_refuses_by_the_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
