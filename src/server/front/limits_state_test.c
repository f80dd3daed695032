#include "server/front/limits_state.h"

#include "base/clock.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants these first */
#include <cmocka.h>

static char folder[64];
static struct settings settings = { .limit_domain = { 2, 86400 } };

static void start(struct front *f)
{
	memset(f, 0, sizeof *f);
	f->settings = &settings;
	assert_int_equal(store_open(folder, &f->store, NULL), ERR_OK);
	assert_int_equal(limits_new(LIMITS_ENTRIES_MAX, &f->limits, NULL), ERR_OK);
	assert_int_equal(limits_state_load(f, NULL), ERR_OK);
}

static void stop(struct front *f)
{
	store_close(f->store);
	limits_free(f->limits);
}

static unsigned spend_all(struct front *f, const char *key)
{
	struct limit_charge c = { .limit = LIMIT_DOMAIN, .key = bytes_str(key) };
	unsigned n = 0;

	while (n < 100 && limits_spend(f->limits, &settings, &c, 1, clock_wall_ms(), NULL) == ERR_OK)
		n++;
	return n;
}

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/chancery-limits-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int clear_folder(void **state)
{
	static const char *const files[] = { "store.db", "store.db-wal", "store.db-shm" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

static void counts_come_back(void **state)
{
	struct front *f = calloc(1, sizeof *f);

	(void)state;
	assert_non_null(f);
	start(f);
	assert_int_equal(spend_all(f, "a"), 2);
	limits_state_save(f);
	assert_int_equal(spend_all(f, "b"), 2); /* never stored */
	stop(f);
	start(f);
	assert_int_equal(spend_all(f, "a"), 0);
	assert_int_equal(spend_all(f, "b"), 2);
	stop(f);
	free(f);
}

static void a_part_that_makes_no_sense_is_left_out(void **state)
{
	struct front *f = calloc(1, sizeof *f);

	(void)state;
	assert_non_null(f);
	start(f);
	assert_int_equal(spend_all(f, "a"), 2);
	limits_state_save(f);
	assert_int_equal(store_put_limits(f->store, 7, BYTES_LIT("nonsense"), NULL), ERR_OK);
	stop(f);
	start(f);
	assert_int_equal(spend_all(f, "a"), 0);
	limits_state_save(f); /* and is gone */
	struct store_limits part;
	struct arena *a = arena_new(4096, 1u << 17);
	assert_int_equal(store_next_limits(f->store, a, 1, &part, NULL), ERR_NOT_FOUND);
	assert_int_equal(store_put_limits(f->store, 0, BYTES_LIT("nonsense"), NULL), ERR_OK); /* the key: all is forgotten */
	stop(f);
	start(f);
	assert_int_equal(spend_all(f, "a"), 2);
	limits_state_save(f);
	stop(f);
	start(f);
	assert_int_equal(spend_all(f, "a"), 0);
	stop(f);
	arena_free(a);
	free(f);
}

static void the_status_has_every_limit(void **state)
{
	struct front *f = calloc(1, sizeof *f);
	struct buf out = buf_new(8192);
	struct json_out w = json_out_to(&out);

	(void)state;
	assert_non_null(f);
	start(f);
	assert_int_equal(spend_all(f, "a"), 2);
	json_put_object(&w);
	limits_state_put(f, &w);
	json_end_object(&w);
	buf_add_u8(&out, 0);
	assert_string_equal((const char *)out.ptr,
	    "{\"limits\":{\"keys\":1,\"evicted\":0,\"refused\":{\"new-accounts-per-address\":0,\"new-accounts-per-range\":0,\"orders-per-account\":0,"
	    "\"certificates-per-domain\":1,\"certificates-per-names\":0,\"failed-validations\":0}}}");
	buf_free(&out);
	stop(f);
	free(f);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, clear_folder)
	const struct CMUnitTest tests[] = { T(counts_come_back), T(a_part_that_makes_no_sense_is_left_out), T(the_status_has_every_limit) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
