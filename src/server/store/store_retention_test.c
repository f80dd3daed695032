/* What has ended is dropped, by whole days, and nothing that is still needed. */
#include "server/store/store.h"
#include "server/store/store_sample.h"

#include "crypto/digest.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#define DAY      INT64_C(86400)
#define NOW_S    (INT64_C(20000) * DAY) /* midnight */
#define OK(call) assert_int_equal((call), ERR_OK)

static struct store *store;
static char folder[] = "/tmp/chancery-retention-XXXXXX";

static int open_store(void **state)
{
	(void)state;
	crypto_init();
	memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
	return mkdtemp(folder) && store_open(folder, &store, NULL) == ERR_OK ? 0 : -1;
}

static int close_store(void **state)
{
	char command[128];

	(void)state;
	store_close(store);
	(void)snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

static void put_time(uint8_t *p, int64_t time_s)
{
	for (int i = 0; i < 6; i++)
		p[i] = (uint8_t)((uint64_t)time_s * 1000 >> (40 - 8 * i));
}

/* An order made at a time, whose certificate ended, or ends, so many days from then on. */
static void make_at(struct sample *s, uint32_t n, int64_t made_s, int64_t lasts_days)
{
	sample_make(s, 1, n, 2);
	put_time(s->order.id, made_s);
	s->order.created_s = made_s;
	s->order.expires_s = made_s + 7200;
	for (size_t i = 0; i < 2; i++) {
		put_time(s->authz_ids[i], made_s);
		memcpy(s->authz[i].id, s->authz_ids[i], sizeof s->authz[i].id);
		memcpy(s->authz[i].order, s->order.id, sizeof s->authz[i].order);
		s->authz[i].expires_s = made_s + 7200;
		s->authz[i].lifetime_s = 0;
	}
	s->certificate.serial[0] = 2;
	put_time(s->certificate.serial + 1, made_s + 60);
	memcpy(s->certificate.order, s->order.id, sizeof s->certificate.order);
	s->certificate.not_before_s = made_s;
	s->certificate.not_after_s = made_s + lasts_days * DAY;
}

static void make(struct sample *s, uint32_t n, int64_t days_ago, int64_t lasts_days)
{
	make_at(s, n, NOW_S - days_ago * DAY + 60, lasts_days);
}

static void issue(struct sample *s)
{
	OK(sample_add(store, s, NULL));
	for (size_t i = 0; i < 2; i++)
		OK(sample_validate(store, s, i, true, NULL));
	OK(sample_finalize(store, s, NULL));
}

static bool always(void *ctx)
{
	(void)ctx;
	return true;
}

static struct store_dropped drop(int64_t ended_s)
{
	struct store_dropped d;

	OK(store_drop_ended(store, ended_s, always, NULL, &d, NULL));
	return d;
}

static bool there(const struct sample *s, bool *ret_order, bool *ret_authz)
{
	struct arena *a = arena_new(65536, 1u << 20);
	struct store_certificate c;
	struct store_order o;
	struct store_authz z;

	bool found = store_get_certificate(store, a, s->certificate.serial, &c, NULL) == ERR_OK;
	*ret_order = store_get_order(store, a, s->order.id, &o, NULL) == ERR_OK;
	*ret_authz = store_get_authz(store, a, s->authz_ids[0], &z, NULL) == ERR_OK;
	arena_free(a);
	return found;
}

static void expect(const struct sample *s, bool certificate, bool order, bool authz)
{
	bool has_order, has_authz;

	assert_int_equal(there(s, &has_order, &has_authz), certificate);
	assert_int_equal(has_order, order);
	assert_int_equal(has_authz, authz);
}

static void what_ended_long_ago_goes(void **state)
{
	static struct sample old, fresh;

	(void)state;
	make(&old, 1, 200, 47);
	make(&fresh, 2, 20, 47);
	issue(&old);
	issue(&fresh);
	struct store_dropped d = drop(NOW_S - 90 * DAY);
	assert_true(d.certificates == 1 && d.orders == 1 && d.authzs == 2);
	expect(&old, false, false, false);
	expect(&fresh, true, true, true);
	d = drop(NOW_S - 90 * DAY);
	assert_true(d.certificates + d.orders + d.authzs == 0);
}

/* A day goes as a whole: one certificate that has not ended keeps it, and the orders since. */
static void a_day_goes_as_a_whole(void **state)
{
	static struct sample over, lasting, later;

	(void)state;
	make(&over, 1, 200, 47);
	make(&lasting, 2, 200, 398);
	make(&later, 3, 190, 47);
	issue(&over);
	issue(&lasting);
	issue(&later);
	struct store_dropped d = drop(NOW_S - 90 * DAY);
	assert_int_equal(d.certificates, 1);
	expect(&over, true, true, true);
	expect(&lasting, true, true, true);
	expect(&later, false, true, true);
	d = drop(NOW_S + 300 * DAY);
	expect(&lasting, false, false, false);
	expect(&later, false, false, false);
	assert_true(d.certificates == 2 && d.orders == 3 && d.authzs == 6);
}

/* What later orders rest on stays as long as they. */
static void an_authorization_that_is_used_stays(void **state)
{
	static struct sample first, second;

	(void)state;
	make(&first, 1, 200, 6);
	for (size_t i = 0; i < 2; i++)
		first.authz[i].expires_s = NOW_S - 150 * DAY;
	make(&second, 2, 160, 398);
	memcpy(second.authz_ids[0], first.authz_ids[0], STORE_AUTHZ_ID);
	issue(&first);
	OK(store_add_order(store, &second.order, &second.authz[1], 1, NULL, NULL));
	OK(sample_validate(store, &second, 1, true, NULL));
	OK(sample_finalize(store, &second, NULL));
	(void)drop(NOW_S - 90 * DAY);
	expect(&first, false, false, true);
	expect(&second, true, true, true);
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

static void it_can_be_stopped(void **state)
{
	static struct sample s;
	struct store_dropped d;

	(void)state;
	make(&s, 1, 200, 47);
	issue(&s);
	OK(store_drop_ended(store, NOW_S, never, NULL, &d, NULL));
	expect(&s, true, true, true);
}

/* Orders and authorizations that came to nothing. */
static void what_came_to_nothing_goes_too(void **state)
{
	static struct sample s;

	(void)state;
	make(&s, 1, 100, 47);
	OK(sample_add(store, &s, NULL));
	struct store_dropped d = drop(NOW_S - 90 * DAY);
	assert_true(d.orders == 1 && d.authzs == 2);
	expect(&s, false, false, false);
}

/* Many rows of one day, and serial numbers of the older kind, which stand before all others. */
static void more_than_one_transaction_holds(void **state)
{
	static struct sample s;

	(void)state;
	for (uint32_t n = 0; n < 450; n++) {
		make(&s, n, 200, 6);
		if (n % 2)
			s.certificate.serial[0] = 1;
		issue(&s);
	}
	struct store_dropped d = drop(NOW_S - 90 * DAY);
	assert_true(d.certificates == 450 && d.orders == 450 && d.authzs == 900);
}

/* --- a year --- */

/* A year has thousands of commits, and their durability is not what is looked at: SQLite's syncs end here. */
__attribute__((visibility("default"))) int fsync(int fd)
{
	(void)fd;
	return 0;
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

#define YEAR       400 /* days: the last of them are all alike */
#define A_DAY      24  /* orders, side by side, so that they share transactions */
#define LASTS      47  /* days, as the default profile has it; some certificates last less */
#define KEEP       90  /* days, as the default of "keep" */
#define FILLED     (LASTS + KEEP + 10)
#define TO_NOTHING 6 /* one in so many orders is left pending */

struct one_order {
	uint32_t n;
	int64_t made_s;
};

static void *order_of_a_year(void *ctx)
{
	const struct one_order *o = ctx;
	struct sample *s = malloc(sizeof *s);

	make_at(s, o->n, o->made_s, o->n % 3 ? LASTS : 6);
	if (o->n % TO_NOTHING == 0)
		OK(sample_add(store, s, NULL));
	else
		issue(s);
	free(s);
	return NULL;
}

static void issue_for_a_day(int day)
{
	struct one_order orders[A_DAY];
	pthread_t threads[A_DAY];

	for (int i = 0; i < A_DAY; i++) {
		orders[i] = (struct one_order){ (uint32_t)(day * A_DAY + i), NOW_S + day * DAY + i * (DAY / A_DAY) };
		assert_int_equal(pthread_create(&threads[i], NULL, order_of_a_year, &orders[i]), 0);
	}
	for (int i = 0; i < A_DAY; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static size_t file_size(const char *name)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

static size_t disk_use(void)
{
	return file_size("store.db") + file_size("store.db-wal");
}

/* What is live, packed as close as SQLite packs it. */
static size_t live_size(void)
{
	char path[128], command[192];
	sqlite3 *db;

	(void)snprintf(path, sizeof path, "%s/store.db", folder);
	(void)snprintf(command, sizeof command, "VACUUM INTO '%s/live.db'", folder);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, command, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return file_size("live.db");
}

/* The same every day: when as much goes as comes, the disk holds no more than it did, and not much more than what is live. */
static void a_year_takes_no_more_than_its_half(void **state)
{
	size_t filled = 0, most = 0;
	struct store_dropped all = { 0 };

	(void)state;
	for (int day = 0; day < YEAR; day++) {
		issue_for_a_day(day);
		struct store_dropped d = drop(NOW_S + (day - KEEP) * DAY);
		all.certificates += d.certificates;
		all.orders += d.orders;
		all.authzs += d.authzs;
		most = disk_use() > most ? disk_use() : most;
		if (day == FILLED)
			filled = most;
	}
	size_t live = live_size();
	printf("a year: live %zu KiB, when the first days went %zu KiB, at most %zu KiB\n", live >> 10, filled >> 10, most >> 10);
	assert_true(all.orders > (uint64_t)A_DAY * (YEAR - FILLED - 2) && all.authzs > (uint64_t)2 * A_DAY * (YEAR - FILLED - 4));
	assert_true(all.certificates > all.orders / 2);
	assert_true(most <= filled + filled / 4);
	assert_true(most <= 2 * live);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)
	const struct CMUnitTest tests[] = {
		T(what_ended_long_ago_goes),
		T(a_day_goes_as_a_whole),
		T(an_authorization_that_is_used_stays),
		T(it_can_be_stopped),
		T(what_came_to_nothing_goes_too),
		T(more_than_one_transaction_holds),
		T(a_year_takes_no_more_than_its_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
