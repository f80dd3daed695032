/* Accounts after their making: changes, keys, and the list of their orders. */
#include "db/db_test_folder.h"
#include "server/store/store_sample.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call)       assert_int_equal((call), ERR_OK)
#define FAILS(c, call) assert_int_equal((call), ERR_##c)
#define NOW_S          INT64_C(1800000000) /* when samples are made */

static char folder[TEST_FOLDER_SIZE];
static struct store *store;
static struct arena *arena;
static struct sample a, b; /* of two accounts */

static int open_all(void **state)
{
	bool made;

	(void)state;
	test_folder_make(folder);
	assert_int_equal(store_open(folder, &store, NULL), ERR_OK);
	arena = arena_new(4096, 1u << 20);
	sample_make(&a, 1, 1, 1);
	sample_make(&b, 2, 2, 1);
	a.account.jwk = BYTES_LIT("{\"key\":\"a\"}");
	b.account.jwk = BYTES_LIT("{\"key\":\"b\"}");
	assert_int_equal(store_add_account(store, &a.account, &made, NULL), ERR_OK);
	assert_int_equal(store_add_account(store, &b.account, &made, NULL), ERR_OK);
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
	OK(store_open(folder, &store, NULL));
}

static struct store_account account(const struct sample *s)
{
	struct store_account v;

	OK(store_get_account(store, arena, s->account.id, &v, NULL));
	return v;
}

static void everything_comes_back(void **state)
{
	struct sample c;
	struct store_account v;
	bool made = false;

	(void)state;
	sample_make(&c, 3, 3, 1);
	c.account.terms_url = BYTES_LIT("https://ca.example/terms");
	c.account.eab_kid = BYTES_LIT("0123");
	c.account.eab = BYTES_LIT("{\"payload\":\"x\"}");
	OK(store_add_account(store, &c.account, &made, NULL));
	assert_true(made);
	reopen();
	v = account(&c);
	assert_true(bytes_eq(v.terms_url, c.account.terms_url));
	assert_true(bytes_eq(v.eab_kid, c.account.eab_kid));
	assert_true(bytes_eq(v.eab, c.account.eab));
	v = account(&a);
	assert_int_equal(v.terms_url.len + v.eab_kid.len + v.eab.len, 0);
}

static void changes(void **state)
{
	struct store_account v;

	(void)state;
	OK(store_set_contacts(store, a.account.id, BYTES_LIT("[\"mailto:x@y.example\"]"), NULL));
	OK(store_set_terms(store, a.account.id, BYTES_LIT("https://ca.example/2"), NULL));
	reopen();
	v = account(&a);
	assert_true(bytes_eq_str(v.contacts, "[\"mailto:x@y.example\"]"));
	assert_true(bytes_eq_str(v.terms_url, "https://ca.example/2"));
	assert_true(v.terms_agreed);
	assert_int_equal(account(&b).terms_url.len, 0);
	assert_true(bytes_eq_str(account(&b).contacts, "[]"));
}

static void nothing_changes_after_the_end(void **state)
{
	uint8_t nobody[STORE_ACCOUNT_ID] = { 0 };
	struct store_rollover r = { .old_jwk = a.account.jwk, .new_jwk = BYTES_LIT("{\"key\":\"n\"}") };

	(void)state;
	FAILS(UNAUTHORIZED, store_deactivate_account(store, nobody, NULL));
	FAILS(UNAUTHORIZED, store_set_contacts(store, nobody, BYTES_LIT("[]"), NULL));
	OK(store_deactivate_account(store, a.account.id, NULL));
	OK(store_deactivate_account(store, a.account.id, NULL));
	assert_int_equal(account(&a).state, ACCOUNT_DEACTIVATED);
	assert_int_equal(account(&b).state, ACCOUNT_VALID);
	FAILS(UNAUTHORIZED, store_set_contacts(store, a.account.id, BYTES_LIT("[\"x\"]"), NULL));
	FAILS(UNAUTHORIZED, store_set_terms(store, a.account.id, BYTES_LIT("x"), NULL));
	memcpy(r.id, a.account.id, sizeof r.id);
	memcpy(r.old_thumbprint, a.account.id, sizeof r.id);
	r.new_thumbprint[0] = 7;
	FAILS(UNAUTHORIZED, store_change_key(store, &r, NULL));
	FAILS(NOT_FOUND, store_find_account(store, arena, r.new_thumbprint, &(struct store_account){ 0 }, NULL));
	assert_true(bytes_eq_str(account(&a).contacts, "[]"));
}

/* --- keys --- */

/* Of account a, from its key number i to number k; number 0 is its first. */
static const char *const jwks[] = { "{\"key\":\"a\"}", "{\"key\":\"1\"}", "{\"key\":\"2\"}", "{\"key\":\"3\"}" };

static void thumbprint_of(unsigned i, uint8_t out[STORE_ACCOUNT_ID])
{
	if (i == 0)
		memcpy(out, a.account.id, STORE_ACCOUNT_ID);
	else
		memset(out, (int)i, STORE_ACCOUNT_ID);
}

static struct store_rollover rollover(unsigned i, unsigned k)
{
	struct store_rollover r = { .old_jwk = bytes_str(jwks[i]), .new_jwk = bytes_str(jwks[k]) };

	memcpy(r.id, a.account.id, sizeof r.id);
	thumbprint_of(i, r.old_thumbprint);
	thumbprint_of(k, r.new_thumbprint);
	return r;
}

static enum err_code find(unsigned i, struct store_account *ret)
{
	uint8_t thumbprint[STORE_ACCOUNT_ID];

	thumbprint_of(i, thumbprint);
	return store_find_account(store, arena, thumbprint, ret, NULL);
}

static enum err_code change(unsigned i, unsigned k)
{
	struct store_rollover r = rollover(i, k);

	return store_change_key(store, &r, NULL);
}

static void a_key_changes(void **state)
{
	struct store_account v;

	(void)state;
	OK(find(0, &v));
	FAILS(NOT_FOUND, find(1, &v));
	OK(change(0, 1));
	OK(change(0, 1)); /* the answer was lost: the same again */
	OK(change(1, 2));
	reopen();
	FAILS(CONFLICT, find(0, &v));
	FAILS(CONFLICT, find(1, &v));
	OK(find(2, &v));
	assert_memory_equal(v.id, a.account.id, sizeof v.id);
	assert_true(bytes_eq_str(v.jwk, jwks[2]));
	assert_true(bytes_eq_str(v.contacts, "[]"));
}

static void keys_that_are_taken(void **state)
{
	struct store_rollover r = rollover(0, 1);
	struct store_account v;

	(void)state;
	memcpy(r.new_thumbprint, b.account.id, sizeof r.new_thumbprint);
	FAILS(CONFLICT, store_change_key(store, &r, NULL)); /* another account's first key */
	OK(change(0, 1));
	FAILS(CONFLICT, change(1, 0));     /* an own one of before */
	FAILS(UNAUTHORIZED, change(0, 2)); /* the old key speaks no more */
	FAILS(NOT_FOUND, find(2, &v));
	r = rollover(0, 1);
	memcpy(r.id, b.account.id, sizeof r.id);
	r.old_jwk = b.account.jwk;
	memcpy(r.old_thumbprint, b.account.id, sizeof r.id);
	FAILS(CONFLICT, store_change_key(store, &r, NULL)); /* another account's present key */
	OK(find(1, &v));
	assert_memory_equal(v.id, a.account.id, sizeof v.id);
	assert_true(bytes_eq(account(&b).jwk, b.account.jwk));
}

static void no_new_account_for_a_key_of_before(void **state)
{
	struct sample c;
	bool made;

	(void)state;
	OK(change(0, 1));
	OK(change(1, 2));
	sample_make(&c, 3, 3, 1);
	for (unsigned i = 0; i < 3; i++) {
		thumbprint_of(i, c.account.id);
		made = true;
		OK(store_add_account(store, &c.account, &made, NULL));
		assert_false(made);
	}
	thumbprint_of(3, c.account.id);
	OK(store_add_account(store, &c.account, &made, NULL));
	assert_true(made);
	FAILS(CONFLICT, change(2, 3));
}

static enum err_code promise(const uint8_t *id, unsigned k)
{
	struct store_rollover r = rollover(0, k);

	memcpy(r.id, id, sizeof r.id);
	return store_promise_key(store, &r, NULL);
}

/* While the signer is asked nobody else gets the key. */
static void promised_keys(void **state)
{
	struct store_rollover r = rollover(0, 1);
	struct store_account v;
	struct sample c;
	bool made = true;

	(void)state;
	OK(promise(a.account.id, 1));
	OK(promise(a.account.id, 1));
	reopen();
	FAILS(CONFLICT, promise(b.account.id, 1));
	FAILS(CONFLICT, find(1, &v));
	sample_make(&c, 3, 3, 1);
	thumbprint_of(1, c.account.id);
	OK(store_add_account(store, &c.account, &made, NULL));
	assert_false(made);
	memcpy(r.id, b.account.id, sizeof r.id);
	OK(store_withdraw_key(store, &r, NULL)); /* not b's to withdraw: nothing happens */
	FAILS(CONFLICT, find(1, &v));
	memcpy(r.id, a.account.id, sizeof r.id);
	OK(store_withdraw_key(store, &r, NULL));
	FAILS(NOT_FOUND, find(1, &v));
	OK(promise(a.account.id, 1));
	OK(change(0, 1));
	OK(store_withdraw_key(store, &r, NULL)); /* too late */
	OK(find(1, &v));
	FAILS(CONFLICT, promise(a.account.id, 0));
	FAILS(CONFLICT, promise(b.account.id, 1));
	memcpy(r.new_thumbprint, b.account.id, sizeof r.new_thumbprint);
	FAILS(CONFLICT, store_promise_key(store, &r, NULL));
}

#define RACERS 8
struct racer {
	pthread_t thread;
	unsigned to;
	enum err_code rc;
};

static void *race(void *ctx)
{
	struct racer *one = ctx;

	one->rc = change(0, one->to);
	return NULL;
}

/* Half of them want one key, half another: one of the two is the account's afterwards, and whoever asked for it was told so. */
static void rollovers_agree(void **state)
{
	struct racer racers[RACERS];
	struct store_account v;
	unsigned won;

	(void)state;
	for (unsigned i = 0; i < RACERS; i++) {
		racers[i].to = 1 + i % 2;
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (unsigned i = 0; i < RACERS; i++)
		pthread_join(racers[i].thread, NULL);
	won = bytes_eq_str(account(&a).jwk, jwks[1]) ? 1 : 2;
	OK(find(won, &v));
	FAILS(NOT_FOUND, find(3 - won, &v));
	FAILS(CONFLICT, find(0, &v));
	for (unsigned i = 0; i < RACERS; i++)
		assert_int_equal(racers[i].rc, racers[i].to == won ? ERR_OK : ERR_UNAUTHORIZED);
}

/* --- the list of orders --- */

static void add_orders(uint32_t account_number, uint32_t from, uint32_t n, int64_t expires_s)
{
	struct sample s;

	for (uint32_t i = from; i < from + n; i++) {
		sample_make(&s, account_number, i, 1);
		s.order.expires_s = expires_s;
		OK(sample_add(store, &s, NULL));
	}
}

/* The number that a sample's order id begins with. */
static uint32_t number_of(const uint8_t *id)
{
	return (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
}

static struct store_order_list page(const uint8_t *before, size_t max)
{
	struct store_order_list l;

	OK(store_list_orders(store, arena, a.account.id, before, max, NOW_S, &l, NULL));
	return l;
}

static void pages(void **state)
{
	struct store_order_list l;
	uint32_t expect = 125;

	(void)state;
	l = page(NULL, 10);
	assert_int_equal(l.n, 0);
	assert_false(l.more);
	add_orders(1, 101, 25, NOW_S + 60);
	add_orders(2, 201, 5, NOW_S + 60); /* another account's */
	l = page(NULL, 10);
	for (unsigned k = 0; k < 3; k++) {
		assert_int_equal(l.n, k < 2 ? 10 : 5);
		assert_int_equal(l.more, k < 2);
		for (size_t i = 0; i < l.n; i++)
			assert_int_equal(number_of(l.ids[i]), expect--);
		struct store_order_list next = page(l.last, 10);
		l = next;
	}
	assert_int_equal(l.n, 0);
	l = page(NULL, 25); /* full, and nothing behind it */
	assert_int_equal(l.n, 25);
	assert_false(l.more);
	FAILS(BUG, store_list_orders(store, arena, a.account.id, NULL, 0, NOW_S, &l, NULL));
	FAILS(BUG, store_list_orders(store, arena, a.account.id, NULL, 1001, NOW_S, &l, NULL));
}

static void invalid_orders_are_not_listed(void **state)
{
	struct sample failed, done;
	struct store_order_list l;

	(void)state;
	sample_make(&failed, 1, 301, 1);
	sample_make(&done, 1, 302, 1);
	OK(sample_add(store, &failed, NULL));
	OK(sample_add(store, &done, NULL));
	OK(sample_validate(store, &failed, 0, false, NULL));
	OK(sample_validate(store, &done, 0, true, NULL));
	OK(sample_finalize(store, &done, NULL));
	add_orders(1, 303, 3, NOW_S);     /* past their time */
	add_orders(1, 306, 1, NOW_S + 1); /* not yet */
	l = page(NULL, 100);
	assert_int_equal(l.n, 2);
	assert_int_equal(number_of(l.ids[0]), 306);
	assert_int_equal(number_of(l.ids[1]), 302); /* also later: what is valid has no end here */
	OK(store_list_orders(store, arena, a.account.id, NULL, 100, NOW_S + 100000, &l, NULL));
	assert_int_equal(l.n, 1);
	assert_int_equal(number_of(l.ids[0]), 302);
}

/* Very many that are past their time make a page short, and never long to wait for. */
static void a_page_looks_at_a_bounded_number(void **state)
{
	struct store_order_list l;

	(void)state;
	add_orders(1, 1, 1, NOW_S + 60);
	add_orders(1, 1000, STORE_LIST_SCAN + 500, NOW_S);
	l = page(NULL, 100);
	assert_int_equal(l.n, 0);
	assert_true(l.more);
	assert_int_equal(number_of(l.last), 1000 + 500);
	l = page(l.last, 100);
	assert_int_equal(l.n, 1);
	assert_int_equal(number_of(l.ids[0]), 1);
	assert_false(l.more);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
int main(void)
{
	const struct CMUnitTest tests[] = { T(everything_comes_back), T(changes), T(nothing_changes_after_the_end), T(a_key_changes),
		T(keys_that_are_taken), T(no_new_account_for_a_key_of_before), T(promised_keys), T(rollovers_agree), T(pages),
		T(invalid_orders_are_not_listed), T(a_page_looks_at_a_bounded_number) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
