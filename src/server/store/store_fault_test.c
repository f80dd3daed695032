/* Every write and sync of an issuance fails once, and at every one of them the power is cut once: what was answered with OK is
 * there after the restart, and each unit of work is there whole or not at all. */
#include "db/db_fault.h"
#include "db/db_test_folder.h"
#include "server/store/store_sample.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

static char folder[TEST_FOLDER_SIZE];
static struct sample a, b, c; /* one name; three of them, and processing; one that fails */
static struct sample d, pre;  /* two names, the first authorized for a; a pre-authorization */

static const uint8_t second_key[STORE_ACCOUNT_ID] = { 9, 9 };

static enum err_code change_key(struct store *s, struct err *e)
{
	struct store_rollover r = { .old_jwk = a.account.jwk, .new_jwk = BYTES_LIT("{\"key\":2}") };

	memcpy(r.id, a.account.id, sizeof r.id);
	memcpy(r.old_thumbprint, a.account.id, sizeof r.id);
	memcpy(r.new_thumbprint, second_key, sizeof second_key);
	return store_change_key(s, &r, e);
}

/* The units of work, one after the other. */
static enum err_code run_unit(struct store *s, size_t i, struct err *e)
{
	bool made;

	switch (i) {
	case 0:
		return store_add_account(s, &a.account, &made, e);
	case 1:
		return sample_add(s, &a, e);
	case 2:
		return sample_validate(s, &a, 0, true, e);
	case 3:
		return sample_finalize(s, &a, e);
	case 4:
		return sample_add(s, &b, e);
	case 5:
		return sample_validate(s, &b, 0, true, e);
	case 6:
		return sample_validate(s, &b, 2, true, e);
	case 7:
		return sample_validate(s, &b, 1, true, e);
	case 8:
		return store_begin_finalize(s, b.order.id, b.finalize, e);
	case 9:
		return store_add_checkpoint(s, BYTES_LIT("the log's end"), e);
	case 10:
		return store_fail_finalize(s, b.order.id, true, b.problem, e);
	case 11:
		return sample_finalize(s, &b, e);
	case 12:
		return sample_add(s, &c, e);
	case 13:
		return sample_validate(s, &c, 0, false, e);
	case 14:
		return store_add_order(s, &d.order, &d.authz[1], 1, a.certificate.serial, e);
	case 15:
		return store_add_authz(s, &pre.authz[0], e);
	case 16:
		return store_deactivate_authz(s, a.authz_ids[0], e); /* on which d rests */
	case 17:
		return change_key(s, e);
	case 18:
		return store_deactivate_account(s, a.account.id, e);
	case 19:
		return store_revoke_certificate(s, a.certificate.serial, 1800000000, 4, e);
	case 20:
		return store_set_caa(s, b.authz_ids[0], b.control, 1800009000, e);
	default:
		return err_set(e, ERR_BUG, __FILE__, __LINE__, "no such unit");
	}
}
#define UNITS 21

static struct buf after[UNITS + 1]; /* the store as text after so many units */

static void dump(struct store *s, struct buf *out)
{
	CLEANUP(arena_free_p) struct arena *arena = arena_new(4096, 65536);
	struct store_account account;
	struct bytes point;

	*out = buf_new(1u << 20);
	sample_dump(s, &a, out);
	sample_dump(s, &b, out);
	sample_dump(s, &c, out);
	sample_dump(s, &d, out);
	sample_dump(s, &pre, out);
	assert_int_equal(store_get_checkpoint(s, arena, &point, NULL), ERR_OK);
	buf_add(out, point);
	buf_add_str(out, err_name(store_find_account(s, arena, a.account.id, &account, NULL)));
	buf_add_str(out, err_name(store_find_account(s, arena, second_key, &account, NULL)));
	assert_true(buf_ok(out));
}

static int make_folder(void **state)
{
	(void)state;
	test_folder_make(folder);
	db_fault_reset();
	sample_make(&a, 1, 1, 1);
	sample_make(&b, 1, 2, 3);
	sample_make(&c, 1, 3, 1);
	sample_make(&d, 1, 4, 2);
	memcpy(d.authz_ids[0], a.authz_ids[0], STORE_AUTHZ_ID);
	sample_make(&pre, 1, 5, 1);
	memset(pre.authz[0].order, 0, STORE_ORDER_ID);
	return 0;
}

static int clear_folder(void **state)
{
	(void)state;
	db_fault_reset();
	test_folder_clear(folder, 1);
	for (size_t i = 0; i <= UNITS; i++)
		buf_free(&after[i]);
	return 0;
}

/* Once without faults, from opening to closing; returns the number of operations. */
static unsigned rehearse(void)
{
	struct store *s;

	db_fault_arm(0, DB_FAULT_ONCE);
	assert_int_equal(store_open(folder, &s, NULL), ERR_OK);
	dump(s, &after[0]);
	for (size_t i = 0; i < UNITS; i++) {
		assert_int_equal(run_unit(s, i, NULL), ERR_OK);
		dump(s, &after[i + 1]);
		assert_false(bytes_eq(buf_bytes(&after[i]), buf_bytes(&after[i + 1])));
	}
	store_close(s);
	unsigned n = db_fault_count();
	db_fault_reset();
	test_folder_clear(folder, 0);
	return n;
}

/* The store after a restart is as after `least` units, or one more where one was under way. */
static void check(size_t least, unsigned nth, uint32_t seed)
{
	CLEANUP(buf_free_p) struct buf now = { 0 };
	struct store *s;
	struct err e = { 0 };

	if (store_open(folder, &s, &e) != ERR_OK)
		fail_msg("operation %u, seed %u: cannot open again: %s", nth, seed, e.detail);
	dump(s, &now);
	bool same = bytes_eq(buf_bytes(&now), buf_bytes(&after[least])) ||
		    (least < UNITS && bytes_eq(buf_bytes(&now), buf_bytes(&after[least + 1])));
	if (!same)
		fail_msg("operation %u, seed %u: after %zu units there is:\n%.*s", nth, seed, least, BYTES_FMT(buf_bytes(&now)));
	/* and it goes on from there */
	for (size_t i = least; i < UNITS; i++) {
		enum err_code rc = run_unit(s, i, &e);
		if (rc != ERR_OK && !(i == least && rc == ERR_CONFLICT))
			fail_msg("operation %u, seed %u: unit %zu afterwards: %s", nth, seed, i, e.detail);
	}
	buf_free(&now);
	dump(s, &now);
	/* A checkpoint, a deactivation, a revocation and a new CAA receipt may be done twice without being refused, and that shows nowhere. */
	assert_true(bytes_eq(buf_bytes(&now), buf_bytes(&after[UNITS])));
	store_close(s);
}

static void power_cuts(void **state)
{
	unsigned operations = rehearse();

	(void)state;
	assert_in_range(operations, 40, 1000);
	for (unsigned nth = 1; nth <= operations; nth++)
		for (uint32_t seed = 0; seed < 4; seed++) {
			struct store *s = NULL;
			size_t done = 0;
			db_fault_arm(nth, DB_FAULT_CUT);
			if (store_open(folder, &s, NULL) == ERR_OK)
				while (done < UNITS && run_unit(s, done, NULL) == ERR_OK)
					done++;
			store_close(s);
			db_fault_power_cut(seed);
			check(done, nth, seed);
			db_fault_reset();
			test_folder_clear(folder, 0);
		}
}

/* One operation fails, then the disk works again: the unit that met it is told, has changed nothing, and succeeds when it is tried
 * again; the store goes on, and a power cut at the end finds all of it. */
static void single_failures(void **state)
{
	unsigned operations = rehearse();

	(void)state;
	for (unsigned nth = 1; nth <= operations; nth++) {
		struct store *s = NULL;
		struct err e = { 0 };
		db_fault_arm(nth, DB_FAULT_ONCE);
		if (store_open(folder, &s, NULL) != ERR_OK)
			assert_int_equal(store_open(folder, &s, NULL), ERR_OK);
		for (size_t i = 0; i < UNITS; i++) {
			CLEANUP(buf_free_p) struct buf now = { 0 };
			enum err_code rc = run_unit(s, i, &e);
			if (rc != ERR_OK) {
				assert_int_equal(rc, ERR_STORE);
				dump(s, &now);
				assert_true(bytes_eq(buf_bytes(&now), buf_bytes(&after[i])));
				buf_free(&now);
				assert_int_equal(run_unit(s, i, &e), ERR_OK);
			}
			dump(s, &now);
			assert_true(bytes_eq(buf_bytes(&now), buf_bytes(&after[i + 1])));
		}
		store_close(s);
		db_fault_power_cut(nth);
		check(UNITS, nth, nth);
		db_fault_reset();
		test_folder_clear(folder, 0);
	}
}

#define THREADS  4
#define PER_EACH 6

struct issuer {
	pthread_t thread;
	struct store *store;
	uint32_t base;
	unsigned done[PER_EACH]; /* units that returned OK, of order, validation and certificate */
};

static void *issue_main(void *arg)
{
	struct issuer *is = arg;
	struct sample s;

	for (uint32_t i = 0; i < PER_EACH; i++) {
		sample_make(&s, 1, is->base + i, 1);
		if (sample_add(is->store, &s, NULL) != ERR_OK)
			continue;
		is->done[i]++;
		if (sample_validate(is->store, &s, 0, true, NULL) != ERR_OK)
			continue;
		is->done[i]++;
		if (sample_finalize(is->store, &s, NULL) == ERR_OK)
			is->done[i]++;
	}
	return NULL;
}

/* How far an order has come: its units leave one trace each. */
static unsigned progress(struct store *st, const struct sample *s)
{
	CLEANUP(arena_free_p) struct arena *arena = arena_new(4096, 65536);
	struct store_order o;
	struct store_authz z;
	struct store_certificate cert;
	enum err_code order = store_get_order(st, arena, s->order.id, &o, NULL);
	enum err_code authz = store_get_authz(st, arena, s->authz_ids[0], &z, NULL);
	enum err_code certificate = store_get_certificate(st, arena, s->certificate.serial, &cert, NULL);

	assert_int_equal(order, authz);
	assert_int_equal(certificate == ERR_OK, order == ERR_OK && o.state == ORDER_VALID);
	if (order != ERR_OK)
		return 0;
	assert_int_equal(z.state, o.state == ORDER_PENDING ? AUTHZ_PENDING : AUTHZ_VALID);
	assert_int_equal(z.control.len > 0, z.state == AUTHZ_VALID);
	return o.state == ORDER_PENDING ? 1 : o.state == ORDER_READY ? 2 : 3;
}

/* The same with units of several callers in one commit. */
static void power_cuts_in_shared_commits(void **state)
{
	static struct issuer issuers[THREADS];

	(void)state;
	for (unsigned nth = 1; nth <= 150; nth += 4) {
		struct store *s = NULL;
		struct sample sample;
		assert_int_equal(store_open(folder, &s, NULL), ERR_OK);
		db_fault_arm(nth, DB_FAULT_CUT);
		for (uint32_t t = 0; t < THREADS; t++) {
			issuers[t] = (struct issuer){ .store = s, .base = 1000 * (t + 1) };
			assert_int_equal(pthread_create(&issuers[t].thread, NULL, issue_main, &issuers[t]), 0);
		}
		for (int t = 0; t < THREADS; t++)
			pthread_join(issuers[t].thread, NULL);
		store_close(s);
		db_fault_power_cut(nth);
		assert_int_equal(store_open(folder, &s, NULL), ERR_OK);
		for (int t = 0; t < THREADS; t++)
			for (uint32_t i = 0; i < PER_EACH; i++) {
				sample_make(&sample, 1, issuers[t].base + i, 1);
				unsigned is = progress(s, &sample);
				assert_in_range(is, issuers[t].done[i], issuers[t].done[i] + 1);
			}
		store_close(s);
		db_fault_reset();
		test_folder_clear(folder, 0);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, clear_folder)
	const struct CMUnitTest tests[] = {
		T(power_cuts),
		T(single_failures),
		T(power_cuts_in_shared_commits),
	};
	db_fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
