/* The comparison's rules that a whole CA does not show in a minute: what settings let be missing, what is on its way, and what a repair may touch. */
#include "crypto/digest.h"
#include "db/db_test_folder.h"
#include "server/store/mirror.h"
#include "server/store/store_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)
#define SAMPLES  3
#define LOGGED   INT64_C(1000000) /* when what the tests tell was logged, ms */

static char folder[TEST_FOLDER_SIZE];
static struct sample samples[SAMPLES]; /* each of an account of its own, whose id is its key's thumbprint */

static bool any_chain(struct bytes chain, struct bytes key_id)
{
	(void)key_id;
	return chain.len > 0;
}

static void make_sample(uint32_t n)
{
	struct sample *s = &samples[n];

	sample_make(s, n + 1, n + 1, 1);
	s->account.jwk = bytes_slice((struct bytes){ s->body, sizeof s->body }, n, n + 100);
	sha256_one(s->account.jwk, s->account.id);
	memcpy(s->order.account, s->account.id, sizeof s->account.id);
	memcpy(s->authz[0].account, s->account.id, sizeof s->account.id);
	memcpy(s->certificate.account, s->account.id, sizeof s->account.id);
}

/* The database has the first `stored` of the samples. */
static void fill(uint32_t stored)
{
	struct store *store;
	bool made;

	test_folder_clear(folder, 0);
	OK(store_open(folder, &store, NULL));
	for (uint32_t i = 0; i < SAMPLES; i++) {
		make_sample(i);
		if (i >= stored)
			continue;
		OK(store_add_account(store, &samples[i].account, &made, NULL));
		OK(sample_add(store, &samples[i], NULL));
		OK(sample_validate(store, &samples[i], 0, true, NULL));
		OK(sample_finalize(store, &samples[i], NULL));
	}
	store_close(store);
}

static struct mirror_certificate logged(uint32_t i)
{
	return (
	    struct mirror_certificate){ .certificate = samples[i].certificate, .fits = any_chain, .new_order = samples[i].order.new_order };
}

/* The log has them all. */
static void tell(struct mirror *m)
{
	for (uint32_t i = 0; i < SAMPLES; i++) {
		struct mirror_certificate c = logged(i);
		OK(mirror_certificate(m, &c, LOGGED, NULL));
	}
}

static uint64_t found[DIFFERENCE__MAX];

static enum err_code count(void *ctx, enum difference d, struct bytes id, struct err *e)
{
	(void)ctx, (void)e;
	assert_true(id.len == STORE_SERIAL || id.len == STORE_ORDER_ID || id.len == STORE_ACCOUNT_ID);
	found[d]++;
	return ERR_OK;
}

static uint64_t differences(struct mirror *m, int64_t until_ms, int64_t kept_s)
{
	struct mirror_scope scope = { .until_ms = until_ms, .kept_s = kept_s };
	uint64_t n = 0;

	memset(found, 0, sizeof found);
	OK(mirror_differences(m, &scope, count, NULL, NULL));
	for (size_t i = 0; i < DIFFERENCE__MAX; i++)
		n += found[i];
	return n;
}

static struct mirror *opened(enum mirror_mode mode)
{
	struct mirror *m;

	OK(mirror_open(folder, mode, &m, NULL));
	tell(m);
	return m;
}

static void what_is_on_its_way_is_passed_over(void **state)
{
	(void)state;
	fill(1);
	CLEANUP(mirror_close_p) struct mirror *m = opened(MIRROR_COMPARE);
	assert_int_equal(differences(m, LOGGED + 1, 0), 6);
	assert_int_equal(found[DIFFERENCE_CERTIFICATE_MISSING], 2);
	assert_int_equal(found[DIFFERENCE_ORDER_MISSING], 2);
	assert_int_equal(found[DIFFERENCE_ACCOUNT_MISSING], 2);
	assert_int_equal(differences(m, LOGGED, 0), 0);
}

/* What the database is rid of by the settings is no loss; what it still has must be right all the same. */
static void what_ended_long_ago_may_be_missing(void **state)
{
	int64_t end_s;

	(void)state;
	fill(1);
	CLEANUP(mirror_close_p) struct mirror *m = opened(MIRROR_COMPARE);
	end_s = samples[1].certificate.not_after_s;
	assert_int_equal(samples[2].certificate.not_after_s, end_s);
	assert_int_equal(differences(m, LOGGED + 1, end_s), 6);
	assert_int_equal(differences(m, LOGGED + 1, end_s + 1), 0);
	samples[0].certificate.der = BYTES_LIT("other");
	OK(mirror_reset(m, NULL));
	tell(m);
	assert_int_equal(differences(m, LOGGED + 1, end_s + 1), 1);
	assert_int_equal(found[DIFFERENCE_CERTIFICATE_DIFFERS], 1);
}

static void put_all(struct mirror *m, int64_t kept_s)
{
	OK(mirror_begin(m, NULL));
	for (uint32_t i = 0; i < SAMPLES; i++) {
		struct mirror_issued v = {
			.certificate = samples[i].certificate, .order = samples[i].order, .authz = samples[i].authz, .fits = any_chain
		};
		v.order.state = ORDER_VALID;
		v.order.finalize = samples[i].finalize;
		memcpy(v.order.serial, samples[i].certificate.serial, sizeof v.order.serial);
		OK(mirror_put_account(m, &samples[i].account, NULL));
		OK(mirror_put_issued(m, &v, kept_s, NULL));
	}
	OK(mirror_put_rest(m, NULL));
	OK(mirror_commit(m, NULL));
}

static void a_repair_puts_back_what_is_missing(void **state)
{
	(void)state;
	fill(1);
	CLEANUP(mirror_close_p) struct mirror *m = opened(MIRROR_REPAIR);
	assert_int_equal(differences(m, INT64_MAX, 0), 6);
	for (int again = 0; again < 2; again++) {
		put_all(m, 0);
		OK(mirror_reset(m, NULL));
		tell(m);
		assert_int_equal(differences(m, INT64_MAX, 0), 0);
	}
	struct mirror_counts c;
	OK(mirror_counts(m, &c, NULL));
	assert_int_equal(c.certificates, 3);
	assert_int_equal(c.orders, 3);
	assert_int_equal(c.accounts, 3);
	assert_int_equal(c.logged_accounts, 3);
}

/* Nothing that the settings have dropped comes back. */
static void a_repair_leaves_out_what_ended_long_ago(void **state)
{
	struct mirror_counts c;

	(void)state;
	fill(1);
	CLEANUP(mirror_close_p) struct mirror *m = opened(MIRROR_REPAIR);
	put_all(m, samples[1].certificate.not_after_s + 1);
	OK(mirror_counts(m, &c, NULL));
	assert_int_equal(c.certificates, 1);
	assert_int_equal(c.orders, 1);
}

/* A serial that the signer has given up, and one of its own, are nobody's. */
static void serials_of_nobody_are_alarms(void **state)
{
	(void)state;
	fill(3);
	CLEANUP(mirror_close_p) struct mirror *m = opened(MIRROR_COMPARE);
	assert_int_equal(differences(m, LOGGED + 1, 0), 0);
	OK(mirror_reset(m, NULL));
	OK(mirror_void(m, samples[0].certificate.serial, LOGGED, NULL));
	OK(mirror_own(m, samples[1].certificate.serial, LOGGED, NULL));
	struct mirror_certificate c = logged(2);
	OK(mirror_certificate(m, &c, LOGGED, NULL));
	assert_int_equal(differences(m, LOGGED + 1, 0), 4);
	assert_int_equal(found[DIFFERENCE_CERTIFICATE_VOID], 1);
	assert_int_equal(found[DIFFERENCE_CERTIFICATE_UNKNOWN], 1);
	assert_int_equal(found[DIFFERENCE_ORDER_UNKNOWN], 2);
	assert_true(difference_rows[DIFFERENCE_CERTIFICATE_VOID].alarm && difference_rows[DIFFERENCE_CERTIFICATE_UNKNOWN].alarm);
}

/* The newest key by the log, whichever is put first. */
static void an_account_gets_the_key_that_it_has_now(void **state)
{
	static const char *const keys[] = { "{\"key\":\"second\"}", "{\"key\":\"third\"}" };
	uint8_t thumbprints[2][SHA256_SIZE];

	(void)state;
	for (int reverse = 0; reverse < 2; reverse++) {
		fill(1);
		CLEANUP(mirror_close_p) struct mirror *m = opened(MIRROR_REPAIR);
		struct store_account a = samples[0].account;
		for (int i = 0; i < 2; i++)
			sha256_one(bytes_str(keys[i]), thumbprints[i]);
		OK(mirror_rollover(m, a.id, a.id, thumbprints[0], LOGGED + 1, NULL));
		OK(mirror_rollover(m, a.id, thumbprints[0], thumbprints[1], LOGGED + 2, NULL));
		(void)differences(m, INT64_MAX, 0);
		assert_int_equal(found[DIFFERENCE_ACCOUNT_KEY], 1);
		assert_int_equal(found[DIFFERENCE_KEY_HISTORY], 3);
		OK(mirror_begin(m, NULL));
		for (int i = 0; i < 2; i++) {
			a.jwk = bytes_str(keys[reverse ? 1 - i : i]);
			OK(mirror_put_account(m, &a, NULL));
		}
		OK(mirror_put_rest(m, NULL));
		OK(mirror_commit(m, NULL));
		(void)differences(m, INT64_MAX, 0);
		assert_int_equal(found[DIFFERENCE_ACCOUNT_KEY], 0);
		assert_int_equal(found[DIFFERENCE_KEY_HISTORY], 0);
	}
}

static void a_compared_database_is_not_changed(void **state)
{
	struct mirror *m;

	(void)state;
	fill(1);
	m = opened(MIRROR_COMPARE);
	assert_int_equal(mirror_put_account(m, &samples[1].account, NULL), ERR_STORE);
	mirror_close(m);
	test_folder_clear(folder, 0);
	assert_int_equal(mirror_open(folder, MIRROR_COMPARE, &m, NULL), ERR_NOT_FOUND);
}

static int make(void **state)
{
	(void)state;
	test_folder_make(folder);
	return 0;
}

static int clear(void **state)
{
	(void)state;
	test_folder_clear(folder, 1);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_on_its_way_is_passed_over),
		cmocka_unit_test(what_ended_long_ago_may_be_missing),
		cmocka_unit_test(a_repair_puts_back_what_is_missing),
		cmocka_unit_test(a_repair_leaves_out_what_ended_long_ago),
		cmocka_unit_test(serials_of_nobody_are_alarms),
		cmocka_unit_test(an_account_gets_the_key_that_it_has_now),
		cmocka_unit_test(a_compared_database_is_not_changed),
	};

	crypto_init();
	return cmocka_run_group_tests(tests, make, clear);
}
