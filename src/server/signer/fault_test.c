/* Fail the N-th operation, for every N, and cut the power: whatever happens, after the next start each certificate that a client was
 * given is in the log, each intent has a result or is void, and no order has two certificates (DESIGN §2). */
#include "server/signer/state.h"
#include "server/signer/test_ocsp.h"
#include "server/signer/test_revoke.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BATCH = 3 };

struct
try {
	struct recipe r[BATCH];
	struct signer_request q[BATCH];
	struct bytes given[BATCH]; /* what a client has in hand; ptr NULL: nothing */
	struct issued victim;      /* to be revoked; serial.ptr NULL: none */
	bool revoked;              /* a client was told so */
	uint64_t revoked_before;   /* records in the log */
	uint64_t list;             /* the number of the newest list that was given out */
};

static void make_try(struct world *w, struct try *t)
{
	*t = (struct try){ 0 };
	for (size_t i = 0; i < BATCH; i++) {
		t->r[i] = recipe_simple(w);
		t->q[i].body = recipe_body(w, &t->r[i]);
	}
}

/* One round; what it answers is what a client has in hand, whatever comes afterwards. */
static enum err_code run_try(struct world *w, struct try *t)
{
	struct err e = { 0 };

	arena_reset(w->round);
	for (size_t i = 0; i < BATCH; i++)
		t->q[i] = (struct signer_request){ .body = t->q[i].body };
	enum err_code rc = signer_round(w->s, w->round, t->q, BATCH, &e);
	for (size_t i = 0; i < BATCH; i++) {
		if (t->q[i].code == ERR_OK)
			t->given[i] = arena_copy(w->a, t->q[i].issued.certificate);
		if (rc != ERR_OK)
			assert_int_not_equal(t->q[i].code, ERR_OK);
	}
	return rc;
}

/* Whatever was told to be revoked is in every later list, and a list's number never comes twice. */
static void assert_revoked(struct world *w, const struct try *t)
{
	uint64_t revoked = log_census(w, NULL).n[LOG_REVOKE] - t->revoked_before;
	struct crl_new n;

	assert_true(revoked <= 1);
	if (t->revoked)
		assert_int_equal(revoked, 1);
	struct bytes list = must_make_list(w);
	assert_int_equal(list_has(list, t->victim.serial, NULL, NULL), revoked == 1);
	assert_true(newest_list(w->s, &n) && n.number > t->list);
}

/* Nothing fails any more. The log is whole; every order gets its one certificate, the same that was given before. */
static void assert_whole(struct world *w, struct try *t)
{
	struct err e = { 0 };

	assert_code(world_reopen(w, &e), ERR_OK, &e);
	struct census c = log_census(w, NULL);
	assert_int_equal(c.n[LOG_INTENT] + c.n[LOG_OCSP_INTENT], c.n[LOG_RESULT] + c.n[LOG_VOID]);
	if (t->victim.serial.ptr)
		assert_revoked(w, t);
	for (size_t i = 0; i < BATCH; i++) {
		c = log_census(w, t->r[i].order);
		assert_true(c.certificates_of_order <= 1);
		if (t->given[i].ptr)
			assert_int_equal(c.certificates_of_order, 1);
		struct bytes got = must_issue(w, &t->r[i]).certificate;
		c = log_census(w, t->r[i].order);
		assert_int_equal(c.certificates_of_order, 1);
		assert_true(bytes_eq(c.certificate, got));
		if (t->given[i].ptr)
			assert_true(bytes_eq(t->given[i], got));
	}
}

/* A poisoned signer does nothing more until it is opened anew. */
static void assert_poisoned(struct world *w)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1024);
	struct recipe r = recipe_simple(w);
	struct err e = { 0 };

	assert_code(issue(w, &r, NULL, &e), ERR_IO, &e);
	assert_code(signer_checkpoint(w->s, &out, &e), ERR_IO, &e);
}

struct variant {
	bool tear, all_after;
	int keep; /* of 256 sectors that were not synced; -1: no power cut, the process alone dies */
};
static const struct variant variants[] = {
	{ false, false, -1 },
	{ true, false, -1 },
	{ true, true, -1 },
	{ false, true, 0 },
	{ true, true, 128 },
	{ true, false, 230 },
};

/* Runs `act` with the N-th operation failing, N = 1, 2, ... until none failed; with each variant. */
static void fail_each(struct world *w, const struct variant *v, bool (*act)(struct world *, struct try *))
{
	char base[80];
	bool failed = true;

	world_close(w);
	snprintf(base, sizeof base, "%s.base", w->folder);
	copy_folder(w->folder, base);
	for (uint64_t n = 1; failed; n++) {
		struct try t;
		struct err e = { 0 };
		remove_folder(w->folder);
		copy_folder(base, w->folder);
		close(w->dir);
		w->dir = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		arena_reset(w->a);
		test_seam_reset();
		assert_code(world_reopen(w, &e), ERR_OK, &e);
		make_try(w, &t);
		test_seam_reset();
		test_seam.journal = v->keep >= 0;
		test_seam.fail_at = n;
		test_seam.tear = v->tear;
		test_seam.fail_all_after = v->all_after;
		bool good = act(w, &t);
		failed = test_seam.failed;
		if (!failed && !good)
			fail_msg("it failed without a reason");
		world_close(w);
		if (v->keep >= 0)
			test_seam_power_cut((unsigned)v->keep, n);
		test_seam_reset();
		assert_whole(w, &t);
		world_close(w);
	}
	remove_folder(base);
}

static bool act_issue(struct world *w, struct try *t)
{
	enum err_code rc = run_try(w, t);

	if (rc != ERR_OK) {
		test_seam.fail_at = 0;
		assert_poisoned(w);
	}
	return rc == ERR_OK;
}

static void a_round_survives_any_failure(void **state)
{
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
		fail_each(*state, &variants[i], act_issue);
}

/* A revocation among issuances, and the list that comes of it. */
static bool act_revoke(struct world *w, struct try *t)
{
	struct recipe r = recipe_simple(w);
	uint64_t fail_at = test_seam.fail_at;
	struct crl_new n;
	struct err e = { 0 };
	bool made = false;

	test_seam.fail_at = 0;
	t->victim = must_issue(w, &r);
	t->revoked_before = log_census(w, NULL).n[LOG_REVOKE];
	struct revoke_recipe q = revoke_by_account(w, t->victim.certificate);
	t->q[1] = (struct signer_request){ .kind = REQUEST_REVOKE, .body = revoke_body(w, &q) };
	arena_reset(w->round);
	test_seam.ops = 0;
	test_seam.failed = false;
	test_seam.fail_at = fail_at;
	enum err_code rc = signer_round(w->s, w->round, t->q, BATCH, &e);
	t->revoked = t->q[1].code == ERR_OK;
	assert_true(rc == ERR_OK || !t->revoked); /* a read that fails refuses one request, and no more */
	for (size_t i = 0; i < BATCH; i += 2)
		if (t->q[i].code == ERR_OK)
			t->given[i] = arena_copy(w->a, t->q[i].issued.certificate);
	if (rc == ERR_OK)
		rc = make_lists(w->s, &made, &e);
	if (made && newest_list(w->s, &n))
		t->list = n.number;
	return rc == ERR_OK;
}

static void a_revocation_survives_any_failure(void **state)
{
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
		fail_each(*state, &variants[i], act_revoke);
}

/* A round that begins a new segment. */
static bool act_rotate(struct world *w, struct try *t)
{
	struct err e = { 0 };

	w->settings.segment_size = SEGMENT_SIZE_MIN;
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
	return run_try(w, t) == ERR_OK && run_try(w, t) == ERR_OK;
}

static void a_rotation_survives_any_failure(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 3; i++) {
		struct recipe r = recipe_simple(w);
		(void)must_issue(w, &r);
	}
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
		fail_each(w, &variants[i], act_rotate);
}

/* A start that recovers, and dies while it does. */
static bool act_recover(struct world *w, struct try *t)
{
	struct err e = { 0 };
	uint64_t fail_at = test_seam.fail_at;
	bool all_after = test_seam.fail_all_after;

	/* first a round that dies at its last sync: three intents without a durable result */
	test_seam.fail_at = 0;
	test_seam.fail_all_after = false;
	struct recipe first = recipe_simple(w);
	(void)must_issue(w, &first); /* writes zeros ahead, so that the next round is four operations */
	test_seam.ops = 0;
	test_seam.fail_at = 4;
	assert_int_equal(run_try(w, t), ERR_IO);
	world_close(w);
	test_seam_power_cut(100, fail_at);
	test_seam.ops = 0;
	test_seam.failed = false;
	test_seam.fail_at = fail_at;
	test_seam.fail_all_after = all_after;
	return world_reopen(w, &e) == ERR_OK;
}

static void a_recovery_survives_any_failure(void **state)
{
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
		fail_each(*state, &variants[i], act_recover);
}

/* The first question after a start: a key for OCSP answers is made and certified. */
static bool act_ocsp(struct world *w, struct try *t)
{
	static const uint8_t some[SERIAL_SIZE] = { 2, 1 };
	struct ocsp_seen seen;
	struct err e = { 0 };

	return ask_ocsp(w, BYTES_ARRAY(some), &seen, &e) == ERR_OK && run_try(w, t) == ERR_OK;
}

static void a_key_for_ocsp_survives_any_failure(void **state)
{
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
		fail_each(*state, &variants[i], act_ocsp);
}

static bool act_checkpoint(struct world *w, struct try *t)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1024);
	struct err e = { 0 };

	return run_try(w, t) == ERR_OK && signer_checkpoint(w->s, &out, &e) == ERR_OK;
}

static void a_checkpoint_survives_any_failure(void **state)
{
	for (size_t i = 0; i < 3; i++)
		fail_each(*state, &variants[i], act_checkpoint);
}

/* Many power cuts at the same place, each with other sectors lost: torn batches of every shape. */
static void torn_batches_of_every_shape(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	for (uint64_t seed = 1; seed < 150; seed++) {
		struct try t;
		struct recipe first = recipe_simple(w);
		(void)must_issue(w, &first);
		make_try(w, &t);
		test_seam_reset();
		test_seam.journal = true;
		test_seam.fail_at = seed % 2 ? 2 : 4; /* the sync of the intents, or of the results */
		assert_code(run_try(w, &t), ERR_IO, &e);
		world_close(w);
		test_seam_power_cut((unsigned)(seed * 37 % 256), seed);
		test_seam_reset();
		assert_whole(w, &t);
		test_seam.wall_ms += 10;
	}
}

/* A sync that failed leaves pages that the kernel counts as clean. What a start reads there and answers for must not depend on
 * them: it writes them once more. */
static void what_a_start_has_read_is_durable(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	struct try t;

	for (uint64_t seed = 0; seed < 20; seed++) {
		struct recipe first = recipe_simple(w);
		(void)must_issue(w, &first);
		make_try(w, &t);
		test_seam_reset();
		test_seam.journal = true;
		test_seam.fail_at = 4; /* the results are written, their sync fails */
		assert_code(run_try(w, &t), ERR_IO, &e);
		assert_code(world_reopen(w, &e), ERR_OK, &e);
		assert_code(run_try(w, &t), ERR_OK, &e);
		assert_non_null(t.given[0].ptr);
		world_close(w);
		test_seam_power_cut(0, seed);
		test_seam_reset();
		assert_whole(w, &t);
	}
}

/* All of a torn tail is gone, however long: nothing of it comes back behind what is written in its place. */
static void a_long_torn_tail_is_gone(void **state)
{
	static struct signer_request q[SIGNER_BATCH_MAX];
	struct world *w = *state;
	struct err e = { 0 };

	w->settings.segment_size = SEGMENT_SIZE_MIN; /* little is written ahead */
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
	for (size_t i = 0; i < SIGNER_BATCH_MAX; i++) {
		struct recipe r = recipe_simple(w);
		q[i] = (struct signer_request){ .body = recipe_body(w, &r) };
	}
	test_seam_reset();
	test_seam.journal = true;
	test_seam.fail_at = 3; /* zeros ahead, the intents, their sync */
	assert_code(signer_round(w->s, w->round, q, SIGNER_BATCH_MAX, &e), ERR_IO, &e);
	assert_int_equal(test_seam.trace[2], OP_FDATASYNC);
	world_close(w);
	test_seam_power_cut(128, 3);
	test_seam_reset();
	assert_code(world_reopen(w, &e), ERR_OK, &e);
	struct recipe r = recipe_simple(w);
	(void)must_issue(w, &r);
	uint64_t notes = log_census(w, NULL).n[LOG_NOTE];
	for (int i = 0; i < 3; i++)
		assert_code(world_reopen(w, &e), ERR_OK, &e);
	assert_int_equal(log_census(w, NULL).n[LOG_NOTE], notes);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(a_round_survives_any_failure),
		WORLD(a_revocation_survives_any_failure),
		WORLD(a_rotation_survives_any_failure),
		WORLD(a_recovery_survives_any_failure),
		WORLD(a_checkpoint_survives_any_failure),
		WORLD(a_key_for_ocsp_survives_any_failure),
		WORLD(torn_batches_of_every_shape),
		WORLD(what_a_start_has_read_is_durable),
		WORLD(a_long_torn_tail_is_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
