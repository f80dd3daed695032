#include "db/db_test_folder.h"
#include "server/store/store_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

#define HTTP_01 CHALLENGE_TYPE_HTTP_01

static char folder[TEST_FOLDER_SIZE];
static struct store *store;
static struct arena *arena;
static struct sample a, b; /* two orders of one account, with 1 and 3 names */

static int open_all(void **state)
{
	(void)state;
	test_folder_make(folder);
	assert_int_equal(store_open(folder, &store, NULL), ERR_OK);
	arena = arena_new(4096, 1u << 20);
	sample_make(&a, 1, 1, 1);
	sample_make(&b, 1, 2, 3);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	store_close(store);
	arena_free(arena);
	test_folder_clear(folder, 1);
	return 0;
}

static void reopen(void)
{
	store_close(store);
	store = NULL;
	assert_int_equal(store_open(folder, &store, NULL), ERR_OK);
}

#define OK(call)       assert_int_equal((call), ERR_OK)
#define FAILS(c, call) assert_int_equal((call), ERR_##c)

static enum order_state order_state(const struct sample *s)
{
	struct store_order o;

	OK(store_get_order(store, arena, s->order.id, &o, NULL));
	return o.state;
}

static struct store_authz authz_of(const struct sample *s, size_t i)
{
	struct store_authz z;

	OK(store_get_authz(store, arena, s->authz_ids[i], &z, NULL));
	return z;
}

static enum challenge_state challenge_state(const struct sample *s, size_t i)
{
	return authz_of(s, i).challenges[0].state;
}

static void accounts(void **state)
{
	struct store_account v = a.account, got;
	bool made = false;

	(void)state;
	FAILS(NOT_FOUND, store_get_account(store, arena, v.id, &got, NULL));
	OK(store_add_account(store, &v, &made, NULL));
	assert_true(made);
	v.jwk = BYTES_LIT("another");
	OK(store_add_account(store, &v, &made, NULL));
	assert_false(made);
	reopen();
	OK(store_get_account(store, arena, v.id, &got, NULL));
	assert_memory_equal(got.id, v.id, sizeof v.id);
	assert_true(bytes_eq(got.jwk, a.account.jwk));
	assert_true(bytes_eq_str(got.contacts, "[]"));
	assert_int_equal(got.state, ACCOUNT_VALID);
	assert_int_equal(got.created_s, a.account.created_s);
	assert_true(got.terms_agreed);
}

static void orders_come_back_as_they_were(void **state)
{
	struct store_order o;

	(void)state;
	FAILS(NOT_FOUND, store_get_order(store, arena, b.order.id, &o, NULL));
	OK(sample_add(store, &b, NULL));
	reopen();
	OK(store_get_order(store, arena, b.order.id, &o, NULL));
	assert_memory_equal(o.id, b.order.id, sizeof o.id);
	assert_memory_equal(o.account, b.order.account, sizeof o.account);
	assert_int_equal(o.state, ORDER_PENDING);
	assert_int_equal(o.created_s, b.order.created_s);
	assert_int_equal(o.expires_s, b.order.expires_s);
	assert_int_equal(o.not_before_s + o.not_after_s, 0);
	assert_true(bytes_eq_str(o.profile, "short"));
	assert_int_equal(o.n_identifiers, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(identifier_cmp(&o.identifiers[i], &b.identifiers[i]), 0);
		assert_memory_equal(o.authz[i], b.authz_ids[i], STORE_AUTHZ_ID);
	}
	assert_true(bytes_eq(o.new_order, b.order.new_order));
	assert_int_equal(o.finalize.len, 0);
	assert_int_equal(o.problem.len, 0);
	OK(sample_add(store, &a, NULL));
	OK(store_get_order(store, arena, a.order.id, &o, NULL));
	assert_int_equal(o.not_before_s, a.order.not_before_s);
	assert_int_equal(o.not_after_s, a.order.not_after_s);
	assert_true(o.not_before_s > 0 && o.not_after_s > o.not_before_s);
}

static void authorizations_come_back_as_they_were(void **state)
{
	struct store_authz z;

	(void)state;
	FAILS(NOT_FOUND, store_get_authz(store, arena, b.authz_ids[1], &z, NULL));
	OK(sample_add(store, &b, NULL));
	reopen();
	z = authz_of(&b, 1);
	assert_memory_equal(z.id, b.authz_ids[1], sizeof z.id);
	assert_memory_equal(z.account, b.account.id, sizeof z.account);
	assert_memory_equal(z.order, b.order.id, sizeof z.order);
	assert_int_equal(identifier_cmp(&z.identifier, &b.identifiers[1]), 0);
	assert_true(z.identifier.wildcard);
	assert_int_equal(z.state, AUTHZ_PENDING);
	assert_int_equal(z.expires_s, b.authz[1].expires_s);
	assert_int_equal(z.n_challenges, 1);
	assert_int_equal(z.challenges[0].type, HTTP_01);
	assert_int_equal(z.challenges[0].state, CHALLENGE_PENDING);
	assert_true(bytes_eq_str(z.challenges[0].token, b.token));
	assert_int_equal(z.control.len + z.caa.len + z.challenges[0].problem.len, 0);
}

static void same_ids_conflict_and_add_nothing(void **state)
{
	struct sample c;
	struct store_order o;
	struct err e = { 0 };

	(void)state;
	OK(sample_add(store, &a, NULL));
	FAILS(CONFLICT, sample_add(store, &a, &e));
	assert_int_equal(e.code, ERR_CONFLICT);
	/* a new order, but its last authorization's id is taken: nothing of it stays */
	sample_make(&c, 1, 3, 2);
	memcpy(c.authz_ids[1], a.authz_ids[0], STORE_AUTHZ_ID);
	memcpy(c.authz[1].id, a.authz_ids[0], STORE_AUTHZ_ID);
	FAILS(CONFLICT, sample_add(store, &c, NULL));
	FAILS(NOT_FOUND, store_get_order(store, arena, c.order.id, &o, NULL));
	FAILS(NOT_FOUND, store_get_authz(store, arena, c.authz_ids[0], &(struct store_authz){ 0 }, NULL));
}

static void orders_that_do_not_hold_together(void **state)
{
	struct sample c = a;

	(void)state;
	sample_make(&c, 1, 3, 2);
	c.authz[1].order[0] ^= 1;
	FAILS(BUG, sample_add(store, &c, NULL));
	sample_make(&c, 1, 3, 2);
	c.authz[0].id[3] ^= 1;
	FAILS(BUG, sample_add(store, &c, NULL));
	sample_make(&c, 1, 3, 2);
	c.order.n_identifiers = 0;
	FAILS(BUG, sample_add(store, &c, NULL));
	c.order.n_identifiers = STORE_NAMES_MAX + 1;
	FAILS(BUG, sample_add(store, &c, NULL));
	sample_make(&c, 1, 3, 2);
	c.authz[1].n_challenges = STORE_CHALLENGES_MAX + 1;
	FAILS(BUG, sample_add(store, &c, NULL));
}

static void challenge_begins_once(void **state)
{
	uint8_t nobody[STORE_AUTHZ_ID] = { 0 };

	(void)state;
	OK(sample_add(store, &a, NULL));
	assert_int_equal(challenge_state(&a, 0), CHALLENGE_PENDING);
	OK(store_begin_challenge(store, a.authz_ids[0], HTTP_01, NULL));
	assert_int_equal(challenge_state(&a, 0), CHALLENGE_PROCESSING);
	FAILS(CONFLICT, store_begin_challenge(store, a.authz_ids[0], HTTP_01, NULL));
	FAILS(NOT_FOUND, store_begin_challenge(store, nobody, HTTP_01, NULL));
	store_abandon_challenge(store, a.authz_ids[0], HTTP_01);
	assert_int_equal(challenge_state(&a, 0), CHALLENGE_PENDING);
	OK(store_begin_challenge(store, a.authz_ids[0], HTTP_01, NULL));
}

static void a_restart_finds_challenges_pending(void **state)
{
	(void)state;
	OK(sample_add(store, &a, NULL));
	struct store_validation v = sample_validation(&a, 0, true);
	OK(store_begin_challenge(store, a.authz_ids[0], HTTP_01, NULL));
	store_abandon_challenge(store, a.authz_ids[0], HTTP_01);
	FAILS(CONFLICT, store_end_challenge(store, &v, NULL));
	OK(store_begin_challenge(store, a.authz_ids[0], HTTP_01, NULL));
	reopen();
	assert_int_equal(challenge_state(&a, 0), CHALLENGE_PENDING);
	FAILS(CONFLICT, store_end_challenge(store, &v, NULL));
}

static void valid_challenge(void **state)
{
	struct store_validation v = sample_validation(&a, 0, true);

	(void)state;
	OK(sample_add(store, &a, NULL));
	FAILS(CONFLICT, store_end_challenge(store, &v, NULL));
	OK(sample_validate(store, &a, 0, true, NULL));
	FAILS(CONFLICT, store_end_challenge(store, &v, NULL));
	FAILS(CONFLICT, store_begin_challenge(store, a.authz_ids[0], HTTP_01, NULL));
	reopen();
	struct store_authz z = authz_of(&a, 0);
	assert_int_equal(z.state, AUTHZ_VALID);
	assert_int_equal(z.challenges[0].state, CHALLENGE_VALID);
	assert_int_equal(z.challenges[0].validated_s, v.now_s);
	assert_int_equal(z.challenges[0].problem.len, 0);
	assert_true(bytes_eq_str(z.challenges[0].token, a.token));
	assert_true(bytes_eq(z.control, a.control));
	assert_true(bytes_eq(z.caa, a.caa));
	assert_int_equal(order_state(&a), ORDER_READY);
	FAILS(CONFLICT, store_begin_challenge(store, a.authz_ids[0], HTTP_01, NULL));
}

static void invalid_challenge(void **state)
{
	(void)state;
	OK(sample_add(store, &a, NULL));
	OK(sample_validate(store, &a, 0, false, NULL));
	reopen();
	struct store_authz z = authz_of(&a, 0);
	assert_int_equal(z.state, AUTHZ_INVALID);
	assert_int_equal(z.challenges[0].state, CHALLENGE_INVALID);
	assert_int_equal(z.challenges[0].validated_s, 0);
	assert_true(bytes_eq(z.challenges[0].problem, a.problem));
	assert_int_equal(z.control.len + z.caa.len, 0);
	assert_int_equal(order_state(&a), ORDER_INVALID);
	FAILS(CONFLICT, store_begin_challenge(store, a.authz_ids[0], HTTP_01, NULL));
}

/* In whatever order the names get valid, the order gets ready with the last. */
static void order_waits_for_all(void **state)
{
	static const size_t orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		sample_make(&b, 1, 10 + i, 3);
		OK(sample_add(store, &b, NULL));
		for (size_t k = 0; k < 3; k++) {
			assert_int_equal(order_state(&b), ORDER_PENDING);
			OK(sample_validate(store, &b, orders[i][k], true, NULL));
		}
		assert_int_equal(order_state(&b), ORDER_READY);
	}
}

static void order_fails_with_one(void **state)
{
	(void)state;
	OK(sample_add(store, &b, NULL));
	OK(sample_validate(store, &b, 0, true, NULL));
	OK(sample_validate(store, &b, 1, false, NULL));
	assert_int_equal(order_state(&b), ORDER_INVALID);
	/* the last one's end is stored all the same, and changes the order no more */
	OK(sample_validate(store, &b, 2, true, NULL));
	assert_int_equal(order_state(&b), ORDER_INVALID);
	assert_int_equal(authz_of(&b, 2).state, AUTHZ_VALID);
}

/* An order knows the oldest look at CAA that it rests on. */
static void caa_is_looked_at_again(void **state)
{
	struct store_validation v = sample_validation(&b, 1, true);
	struct store_order o;

	(void)state;
	OK(sample_add(store, &b, NULL));
	OK(store_get_order(store, arena, b.order.id, &o, NULL));
	assert_int_equal(o.caa_s, 0);
	FAILS(CONFLICT, store_set_caa(store, b.authz_ids[0], b.control, 5, NULL)); /* it is not valid */
	OK(sample_validate(store, &b, 0, true, NULL));
	OK(store_begin_challenge(store, v.authz, v.type, NULL));
	v.caa = BYTES_LIT(""); /* an address */
	OK(store_end_challenge(store, &v, NULL));
	assert_int_equal(authz_of(&b, 1).caa_s, 0);
	OK(sample_validate(store, &b, 2, true, NULL));
	OK(store_get_order(store, arena, b.order.id, &o, NULL));
	assert_int_equal(o.caa_s, v.now_s);
	OK(store_set_caa(store, b.authz_ids[0], b.control, v.now_s + 90, NULL));
	OK(store_get_order(store, arena, b.order.id, &o, NULL));
	assert_int_equal(o.caa_s, v.now_s);
	OK(store_set_caa(store, b.authz_ids[2], b.control, v.now_s + 50, NULL));
	reopen();
	OK(store_get_order(store, arena, b.order.id, &o, NULL));
	assert_int_equal(o.caa_s, v.now_s + 50);
	assert_int_equal(authz_of(&b, 0).caa_s, v.now_s + 90);
	assert_true(bytes_eq(authz_of(&b, 0).caa, b.control));
}

static int64_t holds(const struct sample *s)
{
	struct store_order o;

	OK(store_get_order(store, arena, s->order.id, &o, NULL));
	return o.holds_s;
}

/* What becomes valid holds its lifetime from then on; without one until the end that it was born with. */
static void valid_ones_expire_by_their_lifetime(void **state)
{
	int64_t born_s = b.authz[0].expires_s;
	struct store_validation v = sample_validation(&b, 0, true);

	(void)state;
	OK(sample_add(store, &b, NULL));
	OK(sample_validate(store, &b, 0, true, NULL));
	OK(sample_validate(store, &b, 1, true, NULL));
	assert_int_equal(authz_of(&b, 0).expires_s, v.now_s + b.authz[0].lifetime_s);
	assert_int_not_equal(b.authz[0].lifetime_s, 0);
	assert_int_equal(authz_of(&b, 1).expires_s, born_s);
	OK(sample_validate(store, &b, 2, false, NULL));
	assert_int_equal(authz_of(&b, 2).expires_s, born_s);
}

/* Finds by account, name, wildcard, end, age and method; each alone is reason enough not to. */
static void valid_ones_are_found_again(void **state)
{
	struct store_validation v = sample_validation(&b, 0, true);
	struct store_reuse r = { .account = b.account.id, .until_s = v.now_s + 3600, .validated_s = v.now_s, .challenges = 1u << HTTP_01 };
	struct identifier ids[3] = { b.identifiers[0], b.identifiers[1], b.identifiers[2] };
	uint8_t other[STORE_ACCOUNT_ID] = { 1 }, found_ids[3][STORE_AUTHZ_ID];
	bool found[3];

	(void)state;
	OK(sample_add(store, &b, NULL));
	OK(store_find_valid(store, &r, ids, 3, found, found_ids, NULL));
	assert_false(found[0] || found[1] || found[2]);
	OK(sample_validate(store, &b, 0, true, NULL));
	OK(sample_validate(store, &b, 1, true, NULL)); /* a wildcard; expires before until_s */
	OK(sample_validate(store, &b, 2, false, NULL));
	OK(store_find_valid(store, &r, ids, 3, found, found_ids, NULL));
	assert_true(found[0] && !found[1] && !found[2]);
	assert_memory_equal(found_ids[0], b.authz_ids[0], STORE_AUTHZ_ID);
	r.until_s = v.now_s;
	OK(store_find_valid(store, &r, ids, 3, found, found_ids, NULL));
	assert_true(found[0] && found[1] && !found[2]);
	ids[1].wildcard = false;
	ids[0].wildcard = true;
	OK(store_find_valid(store, &r, ids, 2, found, found_ids, NULL));
	assert_false(found[0] || found[1]);
	ids[0].wildcard = false;
	struct store_reuse older = r, method = r, account = r, end = r;
	older.validated_s++;
	method.challenges = 1u << CHALLENGE_TYPE_DNS_01;
	account.account = other;
	end.until_s = v.now_s + b.authz[0].lifetime_s;
	OK(store_find_valid(store, &older, ids, 1, found, found_ids, NULL));
	assert_false(found[0]);
	OK(store_find_valid(store, &method, ids, 1, found, found_ids, NULL));
	assert_false(found[0]);
	OK(store_find_valid(store, &account, ids, 1, found, found_ids, NULL));
	assert_false(found[0]);
	OK(store_find_valid(store, &end, ids, 1, found, found_ids, NULL));
	assert_false(found[0]);
	OK(store_deactivate_authz(store, b.authz_ids[0], NULL));
	OK(store_find_valid(store, &r, ids, 1, found, found_ids, NULL));
	assert_false(found[0]);
}

/* An order that rests on another one's authorization is born ready, and falls with it. */
static void orders_rest_on_authorizations_of_others(void **state)
{
	struct sample c;

	(void)state;
	OK(sample_add(store, &a, NULL));
	OK(sample_validate(store, &a, 0, true, NULL));
	sample_make(&c, 1, 3, 2);
	memcpy(c.authz_ids[0], a.authz_ids[0], STORE_AUTHZ_ID);
	FAILS(BUG, store_add_order(store, &c.order, c.authz, 2, NULL, NULL)); /* it is not its own to add */
	OK(store_add_order(store, &c.order, &c.authz[1], 1, NULL, NULL));
	assert_int_equal(order_state(&c), ORDER_PENDING);
	OK(sample_validate(store, &c, 1, true, NULL));
	assert_int_equal(order_state(&c), ORDER_READY);
	assert_int_equal(holds(&c), c.authz[1].expires_s < c.order.expires_s ? c.authz[1].expires_s : c.order.expires_s);
	assert_int_equal(holds(&a), a.order.expires_s);
	OK(store_deactivate_authz(store, a.authz_ids[0], NULL));
	OK(store_deactivate_authz(store, a.authz_ids[0], NULL)); /* asked again */
	reopen();
	assert_int_equal(authz_of(&a, 0).state, AUTHZ_DEACTIVATED);
	assert_int_equal(holds(&c), 0);
	assert_int_equal(holds(&a), 0);
}

static void deactivated_ones_end_their_order(void **state)
{
	uint8_t nobody[STORE_AUTHZ_ID] = { 0 };

	(void)state;
	OK(sample_add(store, &b, NULL));
	OK(store_begin_challenge(store, b.authz_ids[1], HTTP_01, NULL));
	OK(store_deactivate_authz(store, b.authz_ids[1], NULL));
	assert_int_equal(order_state(&b), ORDER_INVALID);
	struct store_validation v = sample_validation(&b, 1, true);
	FAILS(CONFLICT, store_end_challenge(store, &v, NULL)); /* the validation that was under way changes nothing */
	assert_int_equal(authz_of(&b, 1).state, AUTHZ_DEACTIVATED);
	FAILS(CONFLICT, store_begin_challenge(store, b.authz_ids[1], HTTP_01, NULL));
	OK(sample_validate(store, &b, 0, false, NULL));
	FAILS(CONFLICT, store_deactivate_authz(store, b.authz_ids[0], NULL));
	FAILS(NOT_FOUND, store_deactivate_authz(store, nobody, NULL));
}

static void pre_authorizations(void **state)
{
	struct store_reuse r = { .account = a.account.id, .challenges = 1u << HTTP_01 };
	uint8_t ids[1][STORE_AUTHZ_ID];
	bool found[1];

	(void)state;
	FAILS(BUG, store_add_authz(store, &a.authz[0], NULL));
	memset(a.authz[0].order, 0, STORE_ORDER_ID);
	OK(store_add_authz(store, &a.authz[0], NULL));
	FAILS(CONFLICT, store_add_authz(store, &a.authz[0], NULL));
	OK(sample_validate(store, &a, 0, true, NULL));
	reopen();
	assert_int_equal(authz_of(&a, 0).state, AUTHZ_VALID);
	OK(store_find_valid(store, &r, a.identifiers, 1, found, ids, NULL));
	assert_true(found[0]);
	assert_memory_equal(ids[0], a.authz_ids[0], STORE_AUTHZ_ID);
	OK(store_deactivate_authz(store, a.authz_ids[0], NULL));
}

static enum err_code replace(struct sample *s, uint32_t n, int64_t created_s, const uint8_t *serial)
{
	sample_make(s, 1, n, 1);
	s->order.replaces = BYTES_LIT("key.serial");
	s->order.created_s = created_s;
	return store_add_order(store, &s->order, s->authz, 1, serial, NULL);
}

/* Once, but for orders that came to nothing (RFC 9773 §5): one that failed, one whose time or authorization ended. */
static void certificates_are_replaced_once(void **state)
{
	const uint8_t *serial = a.certificate.serial;
	struct store_certificate c;
	struct store_order o;
	struct sample s;

	(void)state;
	FAILS(NOT_FOUND, replace(&s, 30, 0, serial));
	FAILS(NOT_FOUND, store_get_order(store, arena, s.order.id, &o, NULL));
	OK(sample_add(store, &a, NULL));
	OK(sample_validate(store, &a, 0, true, NULL));
	OK(sample_finalize(store, &a, NULL));
	OK(store_get_certificate(store, arena, serial, &c, NULL));
	assert_false(c.replaced);
	OK(replace(&s, 31, 0, serial));
	reopen();
	OK(store_get_order(store, arena, s.order.id, &o, NULL));
	assert_true(bytes_eq_str(o.replaces, "key.serial"));
	OK(store_get_certificate(store, arena, serial, &c, NULL));
	assert_true(c.replaced);
	assert_memory_equal(c.replaced_by, s.order.id, sizeof c.replaced_by);
	FAILS(ALREADY_REPLACED, replace(&s, 32, 0, serial));
	FAILS(NOT_FOUND, store_get_order(store, arena, s.order.id, &o, NULL));
	sample_make(&s, 1, 31, 1);
	OK(sample_validate(store, &s, 0, false, NULL)); /* it failed */
	OK(replace(&s, 33, 0, serial));
	FAILS(ALREADY_REPLACED, replace(&b, 34, s.authz[0].expires_s - 1, serial));
	OK(replace(&b, 35, s.authz[0].expires_s, serial)); /* its authorization has expired */
	OK(sample_validate(store, &b, 0, true, NULL));
	FAILS(ALREADY_REPLACED, replace(&s, 36, b.order.expires_s - 1, serial));
	OK(store_deactivate_authz(store, b.authz_ids[0], NULL));
	OK(replace(&s, 37, 0, serial));
	OK(sample_validate(store, &s, 0, true, NULL));
	OK(sample_finalize(store, &s, NULL)); /* now it is replaced for ever */
	FAILS(ALREADY_REPLACED, replace(&b, 38, s.order.expires_s + 1, serial));
}

static void finalize_in_one_step(void **state)
{
	struct store_certificate c;
	struct store_order o;

	(void)state;
	OK(sample_add(store, &a, NULL));
	FAILS(CONFLICT, sample_finalize(store, &a, NULL));
	FAILS(NOT_FOUND, store_get_certificate(store, arena, a.certificate.serial, &c, NULL));
	OK(sample_validate(store, &a, 0, true, NULL));
	OK(sample_finalize(store, &a, NULL));
	OK(sample_finalize(store, &a, NULL)); /* the same serial again */
	reopen();
	OK(store_get_order(store, arena, a.order.id, &o, NULL));
	assert_int_equal(o.state, ORDER_VALID);
	assert_memory_equal(o.serial, a.certificate.serial, STORE_SERIAL);
	assert_true(bytes_eq(o.finalize, a.finalize));
	assert_true(bytes_eq(o.new_order, a.order.new_order));
	OK(store_get_certificate(store, arena, o.serial, &c, NULL));
	assert_memory_equal(c.order, a.order.id, sizeof c.order);
	assert_memory_equal(c.account, a.account.id, sizeof c.account);
	assert_int_equal(c.not_before_s, a.certificate.not_before_s);
	assert_int_equal(c.not_after_s, a.certificate.not_after_s);
	assert_true(bytes_eq(c.der, a.certificate.der));
	assert_true(bytes_eq(c.chain, a.certificate.chain));
}

static void a_revocation_stays(void **state)
{
	struct store_certificate c;

	(void)state;
	OK(sample_add(store, &a, NULL));
	FAILS(NOT_FOUND, store_revoke_certificate(store, a.certificate.serial, 1790000000, 4, NULL));
	OK(sample_validate(store, &a, 0, true, NULL));
	OK(sample_finalize(store, &a, NULL));
	OK(store_get_certificate(store, arena, a.certificate.serial, &c, NULL));
	assert_int_equal(c.revoked_s, 0);
	OK(store_revoke_certificate(store, a.certificate.serial, 1790000000, 4, NULL));
	OK(store_revoke_certificate(store, a.certificate.serial, 1790000099, 1, NULL)); /* its key was found to be known since */
	reopen();
	OK(store_get_certificate(store, arena, a.certificate.serial, &c, NULL));
	assert_int_equal(c.revoked_s, 1790000000);
	assert_int_equal(c.reason, 1);
}

static void finalize_by_way_of_processing(void **state)
{
	struct store_order o;

	(void)state;
	OK(sample_add(store, &a, NULL));
	FAILS(CONFLICT, store_begin_finalize(store, a.order.id, a.finalize, NULL));
	OK(sample_validate(store, &a, 0, true, NULL));
	OK(store_begin_finalize(store, a.order.id, a.finalize, NULL));
	FAILS(CONFLICT, store_begin_finalize(store, a.order.id, a.finalize, NULL));
	reopen();
	OK(store_get_order(store, arena, a.order.id, &o, NULL));
	assert_int_equal(o.state, ORDER_PROCESSING);
	assert_true(bytes_eq(o.finalize, a.finalize));
	/* without the request: the one that was stored stays */
	OK(store_end_finalize(store, a.order.id, BYTES_NONE, &a.certificate, NULL));
	OK(store_get_order(store, arena, a.order.id, &o, NULL));
	assert_int_equal(o.state, ORDER_VALID);
	assert_true(bytes_eq(o.finalize, a.finalize));
	FAILS(CONFLICT, store_fail_finalize(store, a.order.id, true, BYTES_NONE, NULL));
	FAILS(CONFLICT, store_fail_finalize(store, a.order.id, false, a.problem, NULL));
	FAILS(CONFLICT, store_begin_finalize(store, a.order.id, a.finalize, NULL));
}

static void finalize_conflicts(void **state)
{
	struct store_certificate c;

	(void)state;
	FAILS(NOT_FOUND, sample_finalize(store, &a, NULL));
	FAILS(NOT_FOUND, store_begin_finalize(store, a.order.id, a.finalize, NULL));
	FAILS(NOT_FOUND, store_fail_finalize(store, a.order.id, true, BYTES_NONE, NULL));
	OK(sample_add(store, &a, NULL));
	OK(sample_validate(store, &a, 0, true, NULL));
	OK(sample_finalize(store, &a, NULL));
	c = a.certificate;
	c.serial[0] ^= 1;
	FAILS(CONFLICT, store_end_finalize(store, a.order.id, a.finalize, &c, NULL));
	/* another order with the same serial: neither its state nor the certificate changes */
	OK(sample_add(store, &b, NULL));
	for (size_t i = 0; i < 3; i++)
		OK(sample_validate(store, &b, i, true, NULL));
	memcpy(b.certificate.serial, a.certificate.serial, STORE_SERIAL);
	FAILS(CONFLICT, sample_finalize(store, &b, NULL));
	assert_int_equal(order_state(&b), ORDER_READY);
	FAILS(BUG, store_end_finalize(store, b.order.id, b.finalize, &a.certificate, NULL));
	OK(store_get_certificate(store, arena, a.certificate.serial, &c, NULL));
	assert_memory_equal(c.order, a.order.id, sizeof c.order);
}

static void finalize_fails(void **state)
{
	struct store_order o;

	(void)state;
	OK(sample_add(store, &a, NULL));
	FAILS(CONFLICT, store_fail_finalize(store, a.order.id, false, a.problem, NULL));
	OK(sample_validate(store, &a, 0, true, NULL));
	FAILS(CONFLICT, store_fail_finalize(store, a.order.id, true, BYTES_NONE, NULL));
	OK(store_begin_finalize(store, a.order.id, a.finalize, NULL));
	OK(store_fail_finalize(store, a.order.id, true, BYTES_NONE, NULL));
	OK(store_get_order(store, arena, a.order.id, &o, NULL));
	assert_int_equal(o.state, ORDER_READY);
	assert_int_equal(o.finalize.len, 0);
	OK(store_begin_finalize(store, a.order.id, a.finalize, NULL));
	OK(store_fail_finalize(store, a.order.id, false, a.problem, NULL));
	OK(store_get_order(store, arena, a.order.id, &o, NULL));
	assert_int_equal(o.state, ORDER_INVALID);
	assert_true(bytes_eq(o.problem, a.problem));
	/* straight from ready, where processing was never stored */
	sample_make(&b, 1, 3, 1);
	OK(sample_add(store, &b, NULL));
	OK(sample_validate(store, &b, 0, true, NULL));
	OK(store_fail_finalize(store, b.order.id, false, b.problem, NULL));
	assert_int_equal(order_state(&b), ORDER_INVALID);
}

static void processing_orders_are_listed(void **state)
{
	uint8_t(*ids)[STORE_ORDER_ID];
	size_t n;

	(void)state;
	OK(store_list_processing(store, arena, 10, &ids, &n, NULL));
	assert_int_equal(n, 0);
	for (uint32_t i = 0; i < 5; i++) {
		sample_make(&a, 1, 20 + i, 1);
		OK(sample_add(store, &a, NULL));
		OK(sample_validate(store, &a, 0, true, NULL));
		if (i != 1)
			OK(store_begin_finalize(store, a.order.id, a.finalize, NULL));
		if (i == 2)
			OK(store_end_finalize(store, a.order.id, a.finalize, &a.certificate, NULL));
	}
	reopen();
	OK(store_list_processing(store, arena, 10, &ids, &n, NULL));
	assert_int_equal(n, 3);
	sample_make(&a, 1, 23, 1);
	assert_memory_equal(ids[1], a.order.id, STORE_ORDER_ID);
	OK(store_list_processing(store, arena, 2, &ids, &n, NULL));
	assert_int_equal(n, 2);
	OK(store_list_processing(store, arena, 0, &ids, &n, NULL));
	assert_int_equal(n, 0);
}

static void parts_of_the_limits(void **state)
{
	static const uint32_t numbers[] = { 7, 0, 4000000000 };
	struct store_limits l = { .number = 5 };

	(void)state;
	FAILS(NOT_FOUND, store_next_limits(store, arena, -1, &l, NULL));
	assert_int_equal(l.number, 5);
	for (size_t i = 0; i < 3; i++)
		OK(store_put_limits(store, numbers[i], bytes_str("first"), NULL));
	OK(store_put_limits(store, 7, bytes_str("second"), NULL));
	reopen();
	OK(store_next_limits(store, arena, -1, &l, NULL));
	assert_true(l.number == 0 && bytes_eq_str(l.part, "first"));
	OK(store_next_limits(store, arena, 0, &l, NULL));
	assert_true(l.number == 7 && bytes_eq_str(l.part, "second"));
	OK(store_put_limits(store, 7, BYTES_LIT(""), NULL));
	OK(store_put_limits(store, 8, BYTES_LIT(""), NULL)); /* that is not there */
	OK(store_next_limits(store, arena, 0, &l, NULL));
	assert_int_equal(l.number, 4000000000);
	FAILS(NOT_FOUND, store_next_limits(store, arena, l.number, &l, NULL));
}

static void checkpoints(void **state)
{
	struct bytes got = BYTES_LIT("x");
	char text[24];

	(void)state;
	OK(store_get_checkpoint(store, arena, &got, NULL));
	assert_int_equal(got.len, 0);
	for (int i = 0; i < 250; i++) {
		snprintf(text, sizeof text, "point %d", i);
		OK(store_add_checkpoint(store, bytes_str(text), NULL));
	}
	reopen();
	OK(store_get_checkpoint(store, arena, &got, NULL));
	assert_true(bytes_eq_str(got, "point 249"));
}

static void small_arena_is_no_memory(void **state)
{
	CLEANUP(arena_free_p) struct arena *tiny = arena_new(64, 512);
	struct store_order o = { .n_identifiers = 77 };

	(void)state;
	OK(sample_add(store, &b, NULL));
	FAILS(NOMEM, store_get_order(store, tiny, b.order.id, &o, NULL));
	assert_int_equal(o.n_identifiers, 77); /* untouched on failure */
}

static void folders(void **state)
{
	struct store *other = NULL;
	char *cwd = getcwd(NULL, 0);
	char slash[TEST_FOLDER_SIZE + 1];

	(void)state;
	FAILS(CONFIG, store_open("", &other, NULL));
	FAILS(STORE, store_open("/nowhere/at/all", &other, NULL));
	OK(sample_add(store, &a, NULL));
	store_close(store);
	assert_int_equal(chdir(folder), 0);
	OK(store_open(".", &store, NULL));
	assert_int_equal(order_state(&a), ORDER_PENDING);
	store_close(store);
	snprintf(slash, sizeof slash, "%s/", folder);
	OK(store_open(slash, &store, NULL));
	assert_int_equal(order_state(&a), ORDER_PENDING);
	assert_int_equal(chdir(cwd), 0);
	free(cwd);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
	const struct CMUnitTest tests[] = {
		T(accounts),
		T(orders_come_back_as_they_were),
		T(authorizations_come_back_as_they_were),
		T(same_ids_conflict_and_add_nothing),
		T(orders_that_do_not_hold_together),
		T(challenge_begins_once),
		T(a_restart_finds_challenges_pending),
		T(valid_challenge),
		T(invalid_challenge),
		T(order_waits_for_all),
		T(order_fails_with_one),
		T(caa_is_looked_at_again),
		T(valid_ones_expire_by_their_lifetime),
		T(valid_ones_are_found_again),
		T(orders_rest_on_authorizations_of_others),
		T(deactivated_ones_end_their_order),
		T(pre_authorizations),
		T(certificates_are_replaced_once),
		T(finalize_in_one_step),
		T(a_revocation_stays),
		T(finalize_by_way_of_processing),
		T(finalize_conflicts),
		T(finalize_fails),
		T(processing_orders_are_listed),
		T(checkpoints),
		T(parts_of_the_limits),
		T(small_arena_is_no_memory),
		T(folders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
