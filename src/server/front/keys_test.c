/* The cache of account keys says what the database says, also when that changes while it is being read. */
#include "server/front/keys.h"

#include "crypto/digest.h"
#include "jose/jwk.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

static char folder[64];
static struct store *store;
static struct keys *keys;
static struct arena *arena;
static struct key *first, *second;
static struct buf first_jwk, second_jwk;
static uint8_t id[STORE_ACCOUNT_ID], second_id[STORE_ACCOUNT_ID];
static uint8_t rival_id[STORE_ACCOUNT_ID]; /* of an account that has the same place in the cache */

static int open_all(void **state)
{
	struct store_account account = { .contacts = BYTES_LIT("[]") };
	bool made;

	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/chancery-keys-XXXXXX");
	assert_non_null(mkdtemp(folder));
	arena = arena_new(4096, 8u << 20);
	first_jwk = buf_new(JWK_SIZE_MAX);
	second_jwk = buf_new(JWK_SIZE_MAX);
	OK(store_open(folder, &store, NULL));
	OK(keys_new(&keys, NULL));
	OK(key_generate(KEY_EC_P256, 0, &first, NULL));
	OK(key_generate(KEY_EC_P256, 0, &second, NULL));
	jwk_write(first, &first_jwk);
	jwk_write(second, &second_jwk);
	jwk_thumbprint(first, id);
	jwk_thumbprint(second, second_id);
	memcpy(account.id, id, sizeof account.id);
	account.jwk = buf_bytes(&first_jwk);
	OK(store_add_account(store, &account, &made, NULL));
	account.id[0] ^= 1;
	memcpy(rival_id, account.id, sizeof rival_id);
	OK(store_add_account(store, &account, &made, NULL));
	return 0;
}

static int close_all(void **state)
{
	static const char *const files[] = { "store.db", "store.db-wal", "store.db-shm" };
	char path[128];

	(void)state;
	keys_free(keys);
	store_close(store);
	key_free(first);
	key_free(second);
	buf_free(&first_jwk);
	buf_free(&second_jwk);
	arena_free(arena);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

static bool cached_is(const struct key *key, enum account_state state, struct bytes terms)
{
	struct account_key found;
	uint8_t tag[TERMS_TAG_SIZE];

	OK(keys_get(keys, store, arena, id, &found, NULL));
	terms_tag(terms, tag);
	bool same = bytes_eq(key_spki(found.key), key_spki(key)) && found.state == state && memcmp(tag, found.terms, sizeof tag) == 0;
	key_free(found.key);
	return same;
}

static enum err_code roll(const struct buf *from, const struct buf *to)
{
	struct store_rollover r = { .old_jwk = buf_bytes(from), .new_jwk = buf_bytes(to) };

	memcpy(r.id, id, sizeof id);
	memcpy(r.old_thumbprint, id, sizeof id);
	memcpy(r.new_thumbprint, second_id, sizeof second_id);
	return store_change_key(store, &r, NULL);
}

static void nobody(void **state)
{
	uint8_t unknown[STORE_ACCOUNT_ID] = { 1 };
	struct account_key found;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(keys_get(keys, store, arena, unknown, &found, &e), ERR_ACCOUNT_DOES_NOT_EXIST);
	keys_forget(keys, unknown);
}

static void changes_are_seen_when_forgotten(void **state)
{
	(void)state;
	assert_true(cached_is(first, ACCOUNT_VALID, BYTES_NONE));
	OK(roll(&first_jwk, &second_jwk));
	assert_true(cached_is(first, ACCOUNT_VALID, BYTES_NONE)); /* it is a cache */
	keys_forget(keys, id);
	assert_true(cached_is(second, ACCOUNT_VALID, BYTES_NONE));
	OK(store_set_terms(store, id, BYTES_LIT("https://ca.example/terms"), NULL));
	keys_forget(keys, id);
	assert_true(cached_is(second, ACCOUNT_VALID, BYTES_LIT("https://ca.example/terms")));
	assert_false(cached_is(second, ACCOUNT_VALID, BYTES_LIT("https://ca.example/terms2")));
	OK(store_deactivate_account(store, id, NULL));
	keys_forget(keys, id);
	assert_true(cached_is(second, ACCOUNT_DEACTIVATED, BYTES_LIT("https://ca.example/terms")));
}

static atomic_bool stop;

static void *read_on(void *ctx)
{
	struct arena *a = arena_new(4096, 1u << 20);
	struct account_key found;

	(void)ctx;
	for (size_t i = 0; !atomic_load(&stop); i++) {
		arena_reset(a);
		if (keys_get(keys, store, a, i % 2 ? id : rival_id, &found, NULL) == ERR_OK)
			key_free(found.key);
	}
	arena_free(a);
	return NULL;
}

#define READERS 3
#define ROUNDS  500

/* Whoever read the row just before a change never leaves it in the cache behind it. */
static void no_reader_brings_the_old_back(void **state)
{
	pthread_t readers[READERS];
	char url[64];

	(void)state;
	atomic_store(&stop, false);
	for (size_t i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_on, NULL), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		(void)snprintf(url, sizeof url, "https://ca.example/terms/%u", i);
		OK(store_set_terms(store, id, bytes_str(url), NULL));
		keys_forget(keys, id);
		arena_reset(arena);
		if (!cached_is(first, ACCOUNT_VALID, bytes_str(url)))
			fail_msg("round %u: the cache has an older row", i);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
int main(void)
{
	const struct CMUnitTest tests[] = { T(nobody), T(changes_are_seen_when_forgotten), T(no_reader_brings_the_old_back) };

	crypto_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
