#include "server/blocks.h"

#include "base/codec.h"
#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ACCOUNT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define KEY     "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static int setup(void **state)
{
	crypto_init();
	return (*state = blocks_new()) ? 0 : -1;
}

static int teardown(void **state)
{
	blocks_free(*state);
	return 0;
}

static void block(struct blocks *b, enum block_kind k, const char *value)
{
	assert_int_equal(blocks_add(b, &(struct block){ .kind = k, .value = bytes_str(value), .reason = BYTES_LIT("why") }, NULL), ERR_OK);
}

static enum err_code judge(struct blocks *b, const char *type, const char *value)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 65536);
	struct identifier id;

	assert_int_equal(identifier_parse(a, bytes_str(type), bytes_str(value), &id, NULL), ERR_OK);
	return blocks_judge_name(b, &id, NULL);
}

static void a_name_is_blocked_until_it_is_not(void **state)
{
	struct blocks *b = *state;

	assert_int_equal(judge(b, "dns", "bad.example"), ERR_OK);
	block(b, BLOCK_NAME, "bad.example");
	block(b, BLOCK_NAME, "bad.example"); /* again is success */
	assert_int_equal(blocks_count(b), 1);
	assert_int_equal(judge(b, "dns", "bad.example"), ERR_REJECTED_IDENTIFIER);
	assert_int_equal(judge(b, "dns", "*.example"), ERR_REJECTED_IDENTIFIER); /* it would hold for it too */
	assert_int_equal(judge(b, "dns", "below.bad.example"), ERR_OK);
	assert_true(blocks_remove(b, BLOCK_NAME, BYTES_LIT("bad.example")));
	assert_false(blocks_remove(b, BLOCK_NAME, BYTES_LIT("bad.example")));
	assert_int_equal(judge(b, "dns", "bad.example"), ERR_OK);
}

static void rules_and_ranges(void **state)
{
	struct blocks *b = *state;

	block(b, BLOCK_NAME, ".bad.example");
	block(b, BLOCK_NAME, "192.0.2.0/24");
	assert_int_equal(judge(b, "dns", "deep.below.bad.example"), ERR_REJECTED_IDENTIFIER);
	assert_int_equal(judge(b, "ip", "192.0.2.9"), ERR_REJECTED_IDENTIFIER);
	assert_int_equal(judge(b, "ip", "192.0.3.9"), ERR_OK);
}

static void keys_accounts_and_methods(void **state)
{
	struct blocks *b = *state;
	CLEANUP(key_free_p) struct key *k = NULL;
	uint8_t digest[SHA256_SIZE], id[32];
	char text[HEX_LEN(SHA256_SIZE) + 1];

	assert_int_equal(key_generate(KEY_EC_P256, 0, &k, NULL), ERR_OK);
	sha256_one(key_spki(k), digest);
	hex_encode(BYTES_ARRAY(digest), text);
	for (uint8_t i = 0; i < sizeof id; i++)
		id[i] = i;
	block(b, BLOCK_KEY, KEY);
	assert_false(blocks_has_key(b, k));
	block(b, BLOCK_KEY, text);
	assert_true(blocks_has_key(b, k));
	assert_false(blocks_has_account(b, id));
	block(b, BLOCK_ACCOUNT, ACCOUNT);
	assert_true(blocks_has_account(b, id));
	assert_int_equal(blocks_methods(b), 0);
	block(b, BLOCK_METHOD, "dns-01");
	assert_int_equal(blocks_methods(b), 1u << CHALLENGE_TYPE_DNS_01);
	blocks_clear(b);
	assert_int_equal(blocks_methods(b), 0);
	assert_false(blocks_has_account(b, id));
}

static void values_have_one_form_and_what_is_none_is_told(void **state)
{
	static const struct {
		enum block_kind kind;
		const char *value, *form; /* NULL: refused */
	} cases[] = {
		{ BLOCK_KEY, KEY, KEY },
		{ BLOCK_KEY, "0011", NULL },
		{ BLOCK_NAME, "Bad.EXAMPLE", "bad.example" },
		{ BLOCK_NAME, ".example", ".example" },
		{ BLOCK_NAME, "web-*.example", "web-*.example" },
		{ BLOCK_NAME, "10.1.2.3/8", "10.0.0.0/8" },
		{ BLOCK_NAME, "192.0.2.1", NULL },
		{ BLOCK_NAME, "a..b", NULL },
		{ BLOCK_NAME, "10.0.0.0/99", NULL },
		{ BLOCK_ACCOUNT, ACCOUNT, ACCOUNT },
		{ BLOCK_ACCOUNT, "https://ca.example/acme/acct/" ACCOUNT, NULL },
		{ BLOCK_METHOD, "http-01", "http-01" },
		{ BLOCK_METHOD, "email-reply-00", NULL },
		{ BLOCK_METHOD, "", NULL },
	};
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 65536);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bytes form;
		struct err e = { 0 };
		enum err_code rc = block_check(a, cases[i].kind, bytes_str(cases[i].value), &form, &e);
		assert_int_equal(rc, cases[i].form ? ERR_OK : ERR_CONFIG);
		if (rc == ERR_OK)
			assert_true(bytes_eq_str(form, cases[i].form));
		else
			assert_true(strlen(e.detail) > 10);
	}
}

static void the_list_is_bounded(void **state)
{
	struct blocks *b = *state;
	char name[32];

	for (int i = 0; i < BLOCKS_MAX; i++) {
		(void)snprintf(name, sizeof name, "n%d.example", i);
		block(b, BLOCK_NAME, name);
	}
	assert_int_equal(
	    blocks_add(b, &(struct block){ .kind = BLOCK_NAME, .value = BYTES_LIT("one.more"), .reason = BYTES_LIT("") }, NULL), ERR_BUSY);
	assert_int_equal(judge(b, "dns", "n1023.example"), ERR_REJECTED_IDENTIFIER);
}

/* As it goes to the front: all of it, in parts, in the place of what was there. */
static void a_copy_of_the_list(void **state)
{
	struct blocks *b = *state;
	CLEANUP(buf_free_p) struct buf out = buf_new(131072);
	struct blocks *copy = blocks_new();
	char name[32];
	size_t at = 0, parts = 0;

	block(copy, BLOCK_NAME, "old.example");
	for (int i = 0; i < 600; i++) {
		(void)snprintf(name, sizeof name, "n%d.example", i);
		block(b, BLOCK_NAME, name);
	}
	do {
		buf_reset(&out);
		blocks_write(b, &at, &out);
		assert_int_equal(blocks_read(copy, buf_bytes(&out), NULL), ERR_OK);
		parts++;
	} while (at < blocks_count(b));
	assert_int_equal(parts, 3);
	assert_int_equal(blocks_count(copy), 600);
	assert_false(blocks_has(copy, BLOCK_NAME, BYTES_LIT("old.example")));
	assert_true(blocks_has(copy, BLOCK_NAME, BYTES_LIT("n599.example")));
	assert_int_equal(blocks_read(copy, BYTES_LIT("\1\0\1\11"), NULL), ERR_MALFORMED);
	blocks_free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_name_is_blocked_until_it_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(rules_and_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_accounts_and_methods, setup, teardown),
		cmocka_unit_test_setup_teardown(values_have_one_form_and_what_is_none_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(the_list_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_copy_of_the_list, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
