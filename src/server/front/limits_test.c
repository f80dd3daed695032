#include "server/front/limits.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW 1790000000000 /* milliseconds, some day of 2026 */

static struct settings rates(uint64_t count, uint64_t period_s)
{
	struct settings s = { 0 };

	s.limit_domain = (struct settings_rate){ count, period_s };
	return s;
}

static struct limits *make(uint32_t entries_max)
{
	struct limits *l;

	assert_int_equal(limits_new(entries_max, &l, NULL), ERR_OK);
	return l;
}

static struct limit_charge charge_of(enum limit limit, const char *key)
{
	return (struct limit_charge){ .limit = limit, .key = bytes_str(key) };
}

static enum err_code spend(struct limits *l, const struct settings *s, const char *key, int64_t now_ms, struct err *e)
{
	struct limit_charge c = charge_of(LIMIT_DOMAIN, key);

	return limits_spend(l, s, &c, 1, now_ms, e);
}

/* How many pass until one is refused. */
static unsigned count_until_refused(struct limits *l, const struct settings *s, const char *key, int64_t now_ms)
{
	unsigned n = 0;

	while (n < 100000 && spend(l, s, key, now_ms, NULL) == ERR_OK)
		n++;
	return n;
}

static void a_burst_passes_and_then_one_more_each_interval(void **state)
{
	struct limits *l = make(1024);
	struct settings s = rates(50, 7 * 86400);
	int64_t interval_ms = 7 * 86400 * 1000 / 50;

	(void)state;
	assert_int_equal(count_until_refused(l, &s, "example.org", NOW), 50);
	assert_int_equal(count_until_refused(l, &s, "example.net", NOW), 50); /* another key is another bucket */
	assert_int_equal(count_until_refused(l, &s, "example.org", NOW + interval_ms - 1), 0);
	assert_int_equal(count_until_refused(l, &s, "example.org", NOW + interval_ms), 1);
	assert_int_equal(count_until_refused(l, &s, "example.org", NOW + 11 * interval_ms), 10);
	assert_int_equal(count_until_refused(l, &s, "example.org", NOW + 100 * 86400000ll), 50); /* never more than the burst */
	limits_free(l);
}

/* Whoever tries without end for a year gets the burst and what a year refills, and not one more, for rates that divide badly too. */
static void over_a_long_time_the_rate_is_exact(void **state)
{
	static const struct settings_rate odd[] = { { 3, 1 }, { 7, 10 }, { 50, 7 * 86400 }, { 1, 3600 }, { 1000, 60 }, { 11, 13 } };

	(void)state;
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		struct limits *l = make(1024);
		struct settings s = rates(odd[i].count, odd[i].period_s);
		int64_t interval_ms = (int64_t)(odd[i].period_s * 1000 / odd[i].count), step_ms = interval_ms / 3 + 1,
			end_ms = 3000 * step_ms;
		int64_t passed = 0;
		for (int64_t t = 0; t <= end_ms; t += step_ms)
			passed += count_until_refused(l, &s, "k", NOW + t);
		int64_t last_ms = end_ms / step_ms * step_ms;
		int64_t due = (int64_t)odd[i].count + last_ms * (int64_t)odd[i].count / ((int64_t)odd[i].period_s * 1000);
		assert_true(passed <= due);
		assert_true(passed >= due - 1);
		limits_free(l);
	}
}

static void all_pass_or_none_is_charged(void **state)
{
	struct limits *l = make(1024);
	struct settings s = { .limit_orders = { 2, 60 }, .limit_domain = { 1, 3600 }, .limit_names = { 5, 60 } };
	struct limit_charge first[] = { charge_of(LIMIT_ORDERS, "a"), charge_of(LIMIT_DOMAIN, "example.org"), charge_of(LIMIT_NAMES, "n") },
			    other[] = { charge_of(LIMIT_ORDERS, "a"), charge_of(LIMIT_DOMAIN, "example.net"), charge_of(LIMIT_NAMES, "n") };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(limits_spend(l, &s, first, 3, NOW, NULL), ERR_OK);
	for (int i = 0; i < 20; i++) /* refused for the domain: the account's second order is not used up */
		assert_int_equal(limits_spend(l, &s, first, 3, NOW, &e), ERR_RATE_LIMITED);
	assert_int_equal(limits_spend(l, &s, other, 3, NOW, NULL), ERR_OK);
	assert_int_equal(limits_counts(l, NOW).refused[LIMIT_DOMAIN], 20);
	assert_int_equal(limits_counts(l, NOW).refused[LIMIT_ORDERS], 0);
	/* Now two are over: the one that takes longest is told. */
	e = (struct err){ 0 };
	assert_int_equal(limits_spend(l, &s, first, 3, NOW, &e), ERR_RATE_LIMITED);
	assert_int_equal(e.retry_after_s, 3600);
	assert_non_null(strstr(e.detail, "certificates-per-domain"));
	assert_int_equal(limits_spend(l, &s, first, 1, NOW, &e), ERR_RATE_LIMITED);
	assert_int_equal(e.retry_after_s, 30);
	limits_free(l);
}

static void the_problem_tells_limit_key_and_time(void **state)
{
	struct limits *l = make(1024);
	struct settings s = rates(50, 7 * 86400);
	struct limit_charge account = { .limit = LIMIT_ORDERS, .key = BYTES_LIT("\x01\x02"), .shown = BYTES_LIT("this account") };
	struct err e = { 0 };
	char time[RFC3339_SIZE], due[400];

	(void)state;
	assert_int_equal(count_until_refused(l, &s, "example.org", NOW), 50);
	assert_int_equal(spend(l, &s, "example.org", NOW + 1, &e), ERR_RATE_LIMITED);
	assert_int_equal(e.retry_after_s, 12096);
	rfc3339_format(NOW / 1000 + 12096, time);
	(void)snprintf(due, sizeof due,
	    "too many certificates with names of example.org: the limit certificates-per-domain is 50 in 7 days; the next is possible at %s",
	    time);
	assert_string_equal(e.detail, due);
	s.limit_orders = (struct settings_rate){ 1, 5400 };
	assert_int_equal(limits_spend(l, &s, &account, 1, NOW, NULL), ERR_OK);
	assert_int_equal(limits_spend(l, &s, &account, 1, NOW, &e), ERR_RATE_LIMITED);
	assert_non_null(strstr(e.detail, "new orders of this account: the limit orders-per-account is 1 in 90 minutes"));
	limits_free(l);
}

static void a_retry_at_the_time_that_was_told_passes(void **state)
{
	struct limits *l = make(1024);
	struct settings s = rates(7, 10);
	int64_t now_ms = NOW;

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct err e = { 0 };
		while (spend(l, &s, "k", now_ms, &e) == ERR_OK)
			now_ms += 37;
		assert_true(e.retry_after_s >= 1);
		now_ms += e.retry_after_s * 1000;
		assert_int_equal(spend(l, &s, "k", now_ms, NULL), ERR_OK);
	}
	limits_free(l);
}

static void the_state_tells_what_passes_and_when(void **state)
{
	struct limits *l = make(1024);
	struct settings s = rates(3, 30);

	(void)state;
	for (uint64_t left = 3; left > 0; left--) {
		struct limit_state v = limits_look(l, &s, LIMIT_DOMAIN, BYTES_LIT("k"), NOW);
		assert_true(v.count == 3 && v.period_s == 30 && v.left == left && v.next_ms == NOW);
		assert_int_equal(spend(l, &s, "k", NOW, NULL), ERR_OK);
	}
	struct limit_state v = limits_look(l, &s, LIMIT_DOMAIN, BYTES_LIT("k"), NOW + 3000);
	assert_true(v.left == 0 && v.next_ms == NOW + 10000);
	assert_int_equal(spend(l, &s, "k", NOW + 9999, NULL), ERR_RATE_LIMITED);
	assert_int_equal(limits_look(l, &s, LIMIT_DOMAIN, BYTES_LIT("k"), v.next_ms).left, 1);
	assert_int_equal(spend(l, &s, "k", v.next_ms, NULL), ERR_OK);
	assert_int_equal(limits_look(l, &s, LIMIT_DOMAIN, BYTES_LIT("other"), NOW).left, 3);
	assert_int_equal(limits_look(l, &s, LIMIT_ORDERS, BYTES_LIT("k"), NOW).count, 0); /* it is off */
	limits_free(l);
}

static void a_refund_gives_back_what_was_charged_and_no_more(void **state)
{
	struct limits *l = make(1024);
	struct settings s = rates(3, 3600);
	struct limit_charge c = charge_of(LIMIT_DOMAIN, "k"), check = c;

	(void)state;
	check.mode = LIMIT_CHECK;
	assert_int_equal(count_until_refused(l, &s, "k", NOW), 3);
	limits_refund(l, &s, &check, 1, NOW);
	assert_int_equal(count_until_refused(l, &s, "k", NOW), 0);
	limits_refund(l, &s, &c, 1, NOW);
	assert_int_equal(count_until_refused(l, &s, "k", NOW), 1);
	for (int i = 0; i < 50; i++)
		limits_refund(l, &s, &c, 1, NOW);
	assert_int_equal(count_until_refused(l, &s, "k", NOW), 3);
	c.key = BYTES_LIT("never charged");
	limits_refund(l, &s, &c, 1, NOW);
	assert_int_equal(limits_counts(l, NOW).entries, 1);
	limits_free(l);
}

static void a_check_charges_nothing_and_a_record_is_never_refused(void **state)
{
	struct limits *l = make(1024);
	struct settings s = { .limit_failures = { 3, 60 } };
	struct limit_charge check = charge_of(LIMIT_FAILURES, "k"), record = check;

	(void)state;
	check.mode = LIMIT_CHECK;
	record.mode = LIMIT_RECORD;
	for (int i = 0; i < 10; i++)
		assert_int_equal(limits_spend(l, &s, &check, 1, NOW, NULL), ERR_OK);
	assert_int_equal(limits_counts(l, NOW).entries, 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(limits_spend(l, &s, &record, 1, NOW, NULL), ERR_OK);
	assert_int_equal(limits_spend(l, &s, &check, 1, NOW, NULL), ERR_RATE_LIMITED);
	/* ten were recorded, but the bucket holds three: twenty seconds later there is room for one */
	assert_int_equal(limits_spend(l, &s, &check, 1, NOW + 19999, NULL), ERR_RATE_LIMITED);
	assert_int_equal(limits_spend(l, &s, &check, 1, NOW + 20000, NULL), ERR_OK);
	limits_free(l);
}

static void limits_that_are_off_cost_nothing(void **state)
{
	struct limits *l = make(1024);
	struct settings off = { 0 };
	struct limit_charge many[LIMIT_CHARGES_MAX + 1] = { { 0 } };

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(spend(l, &off, "k", NOW, NULL), ERR_OK);
	assert_int_equal(limits_counts(l, NOW).entries, 0);
	assert_int_equal(limits_spend(l, &off, many, LIMIT_CHARGES_MAX, NOW, NULL), ERR_OK);
	assert_int_equal(limits_spend(l, &off, many, LIMIT_CHARGES_MAX + 1, NOW, NULL), ERR_BUG);
	limits_free(l);
}

/* Two names of one request with the same domain, charged twice by a caller that did not look: they count as two. */
static void the_same_key_twice_counts_twice(void **state)
{
	struct limits *l = make(1024);
	struct settings s = rates(3, 60), decade = rates(1, 10 * 366 * 86400ull);
	struct limit_charge c[LIMIT_CHARGES_MAX];

	(void)state;
	for (size_t i = 0; i < LIMIT_CHARGES_MAX; i++)
		c[i] = charge_of(LIMIT_DOMAIN, "k");
	assert_int_equal(limits_spend(l, &s, c, 2, NOW, NULL), ERR_OK);
	assert_int_equal(limits_spend(l, &s, c, 2, NOW, NULL), ERR_RATE_LIMITED);
	assert_int_equal(limits_spend(l, &s, c, 1, NOW, NULL), ERR_OK);
	assert_int_equal(limits_spend(l, &s, c, LIMIT_CHARGES_MAX, NOW, NULL), ERR_RATE_LIMITED);
	assert_int_equal(limits_spend(l, &decade, c, LIMIT_CHARGES_MAX, NOW, NULL), ERR_RATE_LIMITED);
	limits_free(l);
}

static void no_clock_and_no_new_setting_locks_a_key_out_for_long(void **state)
{
	struct limits *l = make(1024);
	struct settings s = rates(10, 7 * 86400), lower = rates(2, 60);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(count_until_refused(l, &s, "k", NOW), 10);
	assert_int_equal(spend(l, &lower, "k", NOW, &e), ERR_RATE_LIMITED);
	assert_int_equal(e.retry_after_s, 30);
	assert_int_equal(spend(l, &s, "k", NOW - 365 * 86400000ll, &e), ERR_RATE_LIMITED); /* the clock went back by a year */
	assert_true(e.retry_after_s <= 7 * 86400 / 10);
	assert_int_equal(spend(l, &s, "k", INT64_MAX, NULL), ERR_OK);
	assert_int_equal(spend(l, &s, "k2", INT64_MIN, NULL), ERR_OK);
	limits_free(l);
}

/* Ten times as many keys as there is room for: memory stays, the ones that were charged most stay longest. */
static void memory_is_bounded(void **state)
{
	struct limits *l = make(4096);
	struct settings s = rates(1000, 86400);
	char key[32];

	(void)state;
	assert_int_equal(count_until_refused(l, &s, "heavy", NOW), 1000);
	for (int i = 0; i < 40960; i++) {
		(void)snprintf(key, sizeof key, "light %d", i);
		assert_int_equal(spend(l, &s, key, NOW + i, NULL), ERR_OK);
	}
	struct limits_counts c = limits_counts(l, NOW);
	assert_true(c.entries > 3500 && c.entries <= 4096);
	assert_int_equal(c.entries + c.evicted, 40961);
	assert_int_equal(spend(l, &s, "heavy", NOW + 1, NULL), ERR_RATE_LIMITED);
	/* what is past makes room without an eviction */
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(key, sizeof key, "later %d", i);
		assert_int_equal(spend(l, &s, key, NOW + 2 * 86400000ll, NULL), ERR_OK);
	}
	assert_int_equal(limits_counts(l, NOW + 2 * 86400000ll).entries, 1000);
	assert_int_equal(limits_counts(l, NOW).evicted, c.evicted);
	limits_free(l);
}

/* --- storing --- */

#define STORE_SLOTS 262144 /* sparse: no set of places gets full, whatever the seed */
#define STORE_PARTS (STORE_SLOTS / 1024 + 1)
struct stored {
	uint8_t part[STORE_PARTS][LIMITS_PART_MAX];
	size_t len[STORE_PARTS]; /* 0: none */
	unsigned writes, fail_at;
	uint32_t highest;
};

static enum err_code keep(void *ctx, uint32_t number, struct bytes part, struct err *e)
{
	struct stored *s = ctx;

	assert_true(number < STORE_PARTS && part.len <= LIMITS_PART_MAX);
	if (s->fail_at && --s->fail_at == 0)
		FAIL(e, STORE, "played failure");
	if (part.len)
		memcpy(s->part[number], part.ptr, part.len);
	s->len[number] = part.len;
	s->writes++;
	s->highest = number > s->highest ? number : s->highest;
	return ERR_OK;
}

static struct limits *load(const struct stored *s, int64_t now_ms)
{
	struct limits *l = make(STORE_SLOTS);

	for (uint32_t i = 0; i < STORE_PARTS; i++)
		if (s->len[i])
			assert_int_equal(limits_load(l, i, (struct bytes){ s->part[i], s->len[i] }, now_ms, NULL), ERR_OK);
	return l;
}

static void what_was_stored_counts_after_a_restart(void **state)
{
	struct stored *store = calloc(1, sizeof *store);
	struct limits *l = make(STORE_SLOTS);
	struct settings s = rates(2, 86400);
	char key[32];

	(void)state;
	assert_non_null(store);
	for (int i = 0; i < 10000; i++) {
		(void)snprintf(key, sizeof key, "key %d", i);
		assert_int_equal(spend(l, &s, key, NOW, NULL), ERR_OK);
	}
	assert_int_equal(limits_save(l, NOW, keep, store, NULL), ERR_OK);
	assert_true(store->highest >= 10);
	unsigned writes = store->writes;
	assert_int_equal(limits_save(l, NOW, keep, store, NULL), ERR_OK);
	assert_int_equal(store->writes, writes); /* nothing has changed */
	assert_int_equal(spend(l, &s, "key 77", NOW, NULL), ERR_OK);
	assert_int_equal(limits_save(l, NOW, keep, store, NULL), ERR_OK);
	assert_int_equal(store->writes, writes + 1);
	limits_free(l);

	l = load(store, NOW);
	assert_int_equal(limits_counts(l, NOW).entries, 10000);
	assert_int_equal(count_until_refused(l, &s, "key 77", NOW), 0);
	assert_int_equal(count_until_refused(l, &s, "key 78", NOW), 1);
	assert_int_equal(count_until_refused(l, &s, "another", NOW), 2);
	/* a refund after the restart is not undone by a part that was stored before it */
	struct limit_charge c = charge_of(LIMIT_DOMAIN, "key 78");
	limits_refund(l, &s, &c, 1, NOW);
	limits_refund(l, &s, &c, 1, NOW);
	assert_int_equal(limits_save(l, NOW, keep, store, NULL), ERR_OK);
	limits_free(l);
	l = load(store, NOW);
	assert_int_equal(count_until_refused(l, &s, "key 78", NOW), 2);
	limits_free(l);

	/* what is past is not loaded, and the parts that it lay in go */
	l = load(store, NOW + 2 * 86400000ll);
	assert_int_equal(limits_counts(l, NOW).entries, 0);
	assert_int_equal(limits_save(l, NOW + 2 * 86400000ll, keep, store, NULL), ERR_OK);
	for (uint32_t i = 1; i < STORE_PARTS; i++)
		assert_int_equal(store->len[i], 0);
	assert_true(store->len[0] > 0);
	limits_free(l);
	free(store);
}

/* Each write fails in turn: what was not kept comes again. */
static void a_failed_save_is_made_up_for(void **state)
{
	struct settings s = rates(2, 86400);
	char key[32];

	(void)state;
	for (unsigned n = 1; n < 8; n++) {
		struct stored *store = calloc(1, sizeof *store);
		struct limits *l = make(32768);
		assert_non_null(store);
		for (int i = 0; i < 3000; i++) {
			(void)snprintf(key, sizeof key, "key %d", i);
			assert_int_equal(spend(l, &s, key, NOW, NULL), ERR_OK);
		}
		store->fail_at = n;
		enum err_code rc = limits_save(l, NOW, keep, store, NULL);
		assert_true(rc == ERR_STORE || (rc == ERR_OK && store->fail_at > 0));
		store->fail_at = 0;
		assert_int_equal(limits_save(l, NOW, keep, store, NULL), ERR_OK);
		limits_free(l);
		l = load(store, NOW);
		assert_int_equal(limits_counts(l, NOW).entries, 3000);
		limits_free(l);
		free(store);
	}
}

static void what_is_no_state_is_refused(void **state)
{
	struct limits *l = make(1024);
	uint8_t header[33] = { 1 }, other[33] = { 9 }, entries[48] = { 0 };
	struct err e = { 0 };

	(void)state;
	memset(entries, 0x7f, sizeof entries);
	assert_int_equal(limits_load(l, 1, BYTES_ARRAY(entries), NOW, &e), ERR_MALFORMED);
	assert_non_null(strstr(e.detail, "without the key"));
	assert_int_equal(limits_load(l, 0, BYTES_ARRAY(other), NOW, &e), ERR_MALFORMED);
	assert_int_equal(limits_load(l, 0, bytes_slice(BYTES_ARRAY(header), 0, 32), NOW, &e), ERR_MALFORMED);
	assert_int_equal(limits_load(l, 0, BYTES_ARRAY(header), NOW, NULL), ERR_OK);
	assert_int_equal(limits_load(l, 1, bytes_slice(BYTES_ARRAY(entries), 0, 47), NOW, &e), ERR_MALFORMED);
	assert_int_equal(limits_load(l, 1u << 30, BYTES_ARRAY(entries), NOW, &e), ERR_MALFORMED);
	assert_int_equal(limits_load(l, 1, BYTES_ARRAY(entries), NOW, NULL), ERR_OK); /* two entries of one key, far in the future */
	assert_int_equal(limits_counts(l, NOW).entries, 1);
	limits_free(l);
}

/* --- threads --- */

#define THREADS 4
#define TRIES   3000

struct worker {
	struct limits *l;
	const struct settings *s;
	unsigned passed, number;
};

static void *work(void *ctx)
{
	struct worker *w = ctx;
	char own[32];

	for (unsigned i = 0; i < TRIES; i++) {
		(void)snprintf(own, sizeof own, "%u %u", w->number, i);
		struct limit_charge c[] = { charge_of(LIMIT_DOMAIN, "shared"), charge_of(LIMIT_NAMES, own) };
		bool good = limits_spend(w->l, w->s, c, 2, NOW, NULL) == ERR_OK;
		if (good && i % 3 == 0) {
			limits_refund(w->l, w->s, c, 2, NOW);
			good = false;
		}
		w->passed += good;
		if (i % 500 == 0)
			(void)limits_counts(w->l, NOW);
	}
	return NULL;
}

static void of_many_threads_the_limit_passes_exactly_its_count(void **state)
{
	struct stored *store = calloc(1, sizeof *store);
	struct limits *l = make(32768);
	struct settings s = { .limit_domain = { 500, 86400 }, .limit_names = { 1, 86400 } };
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	unsigned passed = 0;

	(void)state;
	assert_non_null(store);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ l, &s, 0, i };
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < 20; i++)
		assert_int_equal(limits_save(l, NOW, keep, store, NULL), ERR_OK);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		passed += workers[i].passed;
	}
	passed += count_until_refused(l, &s, "shared", NOW);
	assert_int_equal(passed, 500);
	limits_free(l);
	free(store);
}

static void addresses_have_keys_of_their_size(void **state)
{
	static const uint8_t v4[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 7 },
			     v6[16] = { 0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, 0, 3, [15] = 9 };
	char text[LIMIT_ADDRESS_SIZE];

	(void)state;
	assert_string_equal(limit_address_key(v4, false, text), "192.0.2.7");
	assert_string_equal(limit_address_key(v4, true, text), "192.0.2.0/24");
	assert_string_equal(limit_address_key(v6, false, text), "2001:db8:1:2::/64");
	assert_string_equal(limit_address_key(v6, true, text), "2001:db8:1::/48");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_burst_passes_and_then_one_more_each_interval),
		cmocka_unit_test(over_a_long_time_the_rate_is_exact), cmocka_unit_test(all_pass_or_none_is_charged),
		cmocka_unit_test(the_problem_tells_limit_key_and_time), cmocka_unit_test(a_retry_at_the_time_that_was_told_passes),
		cmocka_unit_test(the_state_tells_what_passes_and_when), cmocka_unit_test(a_refund_gives_back_what_was_charged_and_no_more),
		cmocka_unit_test(a_check_charges_nothing_and_a_record_is_never_refused), cmocka_unit_test(limits_that_are_off_cost_nothing),
		cmocka_unit_test(the_same_key_twice_counts_twice), cmocka_unit_test(no_clock_and_no_new_setting_locks_a_key_out_for_long),
		cmocka_unit_test(memory_is_bounded), cmocka_unit_test(what_was_stored_counts_after_a_restart),
		cmocka_unit_test(a_failed_save_is_made_up_for), cmocka_unit_test(what_is_no_state_is_refused),
		cmocka_unit_test(of_many_threads_the_limit_passes_exactly_its_count), cmocka_unit_test(addresses_have_keys_of_their_size) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
