#include "server/signer/eab.h"

#include "base/codec.h"
#include "os/file.h"
#include "server/signer/test_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t instance[INSTANCE_SIZE] = { 1, 2, 3 };

struct place {
	char folder[64];
	int dir;
	struct eab_keys *keys;
};

static struct json_strings strings(struct bytes *v, size_t n)
{
	return (struct json_strings){ .set = true, .v = v, .n = n };
}

static const struct eab_key *add(struct place *p, const struct eab_request *r)
{
	const struct eab_key *k = NULL;
	struct err e = { 0 };

	assert_code(eab_keys_add(p->keys, r, START_MS, 1000, &k, &e), ERR_OK, &e);
	return k;
}

static void reload(struct place *p)
{
	struct err e = { 0 };

	eab_keys_free(p->keys);
	p->keys = NULL;
	assert_code(eab_keys_load(p->dir, instance, &p->keys, &e), ERR_OK, &e);
}

static struct bytes kid_text_of(const struct eab_key *k, char out[EAB_KID_LEN + 1])
{
	eab_kid_text(k->kid, out);
	return bytes_str(out);
}

static enum err_code judge(const struct eab_key *k, const char *name)
{
	struct identifier id = { .type = IDENTIFIER_DNS, .wildcard = strncmp(name, "*.", 2) == 0 };

	id.value = bytes_str(name + (id.wildcard ? 2 : 0));
	return eab_key_allows_name(k, &id, NULL);
}

static enum err_code judge_ip(const struct eab_key *k, const char *address)
{
	struct identifier id = { .type = IDENTIFIER_IP, .value = bytes_str(address) };

	return eab_key_allows_name(k, &id, NULL);
}

static void a_key_is_there_after_a_restart(void **state)
{
	struct place *p = *state;
	struct bytes names[] = { BYTES_LIT(".example.org"), BYTES_LIT("10.0.0.0/8") }, profiles[] = { BYTES_LIT("short") };
	struct eab_request r = { .label = BYTES_LIT("partner ü"),
		.alg = MAC_HS384,
		.lifetime_s = 3600,
		.uses_max = 2,
		.names = strings(names, 2),
		.profiles = strings(profiles, 1) };
	struct eab_key was = *add(p, &r);
	struct stat st;
	char kid[EAB_KID_LEN + 1];

	add(p, &(struct eab_request){ .label = BYTES_LIT("") });
	assert_int_equal(fstatat(p->dir, FILE_EAB, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	reload(p);
	assert_int_equal(eab_keys_count(p->keys), 2);
	const struct eab_key *k = eab_keys_find(p->keys, kid_text_of(&was, kid));
	assert_non_null(k);
	assert_int_equal(k->secret_len, 48);
	assert_memory_equal(k->secret, was.secret, sizeof k->secret);
	assert_true(bytes_eq(k->label, r.label));
	assert_int_equal(k->created_ms, START_MS);
	assert_int_equal(k->created_by, 1000);
	assert_int_equal(k->expires_ms, START_MS + 3600 * 1000);
	assert_int_equal(k->uses_max, 2);
	assert_int_equal(judge(k, "www.example.org"), ERR_OK);
	assert_int_equal(judge(k, "example.com"), ERR_REJECTED_IDENTIFIER);
	assert_int_equal(eab_key_allows_profile(k, BYTES_LIT("short"), NULL), ERR_OK);
	assert_int_equal(eab_key_allows_profile(k, BYTES_LIT("tls-server"), NULL), ERR_UNAUTHORIZED);
}

static void a_scope_lists_all_that_it_opens(void **state)
{
	struct place *p = *state;
	struct bytes names[] = { BYTES_LIT("example.org"), BYTES_LIT("*.example.net") }, ranges[] = { BYTES_LIT("192.0.2.0/24") };
	const struct eab_key *k = add(p, &(struct eab_request){ .names = strings(names, 2) });

	assert_int_equal(judge(k, "example.org"), ERR_OK);
	assert_int_equal(judge(k, "*.example.net"), ERR_OK);
	assert_int_equal(judge(k, "*.example.org"), ERR_REJECTED_IDENTIFIER);
	assert_int_equal(judge_ip(k, "192.0.2.1"), ERR_REJECTED_IDENTIFIER);
	k = add(p, &(struct eab_request){ .names = strings(ranges, 1) });
	assert_int_equal(judge_ip(k, "192.0.2.1"), ERR_OK);
	assert_int_equal(judge_ip(k, "198.51.100.1"), ERR_REJECTED_IDENTIFIER);
	assert_int_equal(judge(k, "example.org"), ERR_REJECTED_IDENTIFIER);
	k = add(p, &(struct eab_request){ 0 });
	assert_int_equal(judge(k, "example.org"), ERR_OK);
	assert_int_equal(judge_ip(k, "192.0.2.1"), ERR_OK);
	assert_int_equal(eab_key_allows_profile(k, BYTES_LIT("tls-server"), NULL), ERR_OK);
}

static void expiry_uses_and_revocation_end_it(void **state)
{
	struct place *p = *state;
	const struct eab_key *k = add(p, &(struct eab_request){ .lifetime_s = 60, .uses_max = 2 });
	char kid[EAB_KID_LEN + 1];

	assert_int_equal(eab_key_usable(k, START_MS + 59999, NULL), ERR_OK);
	assert_int_equal(eab_key_usable(k, START_MS + 60000, NULL), ERR_UNAUTHORIZED);
	eab_keys_used(p->keys, kid_text_of(k, kid), START_MS + 1);
	assert_int_equal(eab_key_usable(k, START_MS, NULL), ERR_OK);
	eab_keys_used(p->keys, kid_text_of(k, kid), START_MS + 2);
	assert_int_equal(eab_key_usable(k, START_MS, NULL), ERR_UNAUTHORIZED);
	assert_int_equal(k->uses, 2);
	assert_int_equal(k->used_ms, START_MS + 2);
	k = add(p, &(struct eab_request){ 0 });
	assert_int_equal(eab_key_usable(k, INT64_MAX, NULL), ERR_OK);
	eab_keys_revoked(p->keys, kid_text_of(k, kid), START_MS + 5);
	eab_keys_revoked(p->keys, kid_text_of(k, kid), START_MS + 6);
	assert_int_equal(k->revoked_ms, START_MS + 5);
	assert_int_equal(eab_key_usable(k, START_MS, NULL), ERR_UNAUTHORIZED);
	eab_keys_revoked(p->keys, BYTES_LIT("00000000000000000000"), START_MS);
	eab_keys_used(p->keys, BYTES_LIT("nonsense"), START_MS);
}

static void bad_requests_are_refused_and_leave_nothing(void **state)
{
	struct place *p = *state;
	static struct bytes many[EAB_NAMES_MAX + 1];
	struct bytes bad[] = { BYTES_LIT("not a name") }, empty[] = { BYTES_LIT("") }, range[] = { BYTES_LIT("10.0.0.0/99") };
	for (size_t i = 0; i <= EAB_NAMES_MAX; i++)
		many[i] = BYTES_LIT("example.org");
	const struct eab_request cases[] = {
		{ .names = strings(bad, 1) },
		{ .names = strings(range, 1) },
		{ .names = strings(many, EAB_NAMES_MAX + 1) },
		{ .profiles = strings(empty, 1) },
		{ .label = BYTES_LIT("two\nlines") },
		{ .label = BYTES_LIT("\xff") },
		{ .lifetime_s = UINT64_MAX },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct eab_key *k;
		struct err e = { 0 };
		assert_int_equal(eab_keys_add(p->keys, &cases[i], START_MS, 0, &k, &e), ERR_CONFIG);
	}
	assert_int_equal(eab_keys_count(p->keys), 0);
	assert_int_equal(faccessat(p->dir, FILE_EAB, F_OK, 0), -1);
}

/* Its text is an option's value, so it does not begin with a hyphen; and only the one text is its name. */
static void what_is_given_out_can_be_typed(void **state)
{
	struct place *p = *state;
	char kid[EAB_KID_LEN + 1], secret[BASE64URL_LEN(EAB_SECRET_MAX) + 1];
	uint8_t raw[ACCOUNT_KID_SIZE];

	for (int i = 0; i < 300; i++) {
		const struct eab_key *k = add(p, &(struct eab_request){ 0 });
		base64url_encode((struct bytes){ k->secret, k->secret_len }, secret);
		assert_true(*secret != '-' && *secret != '_');
		assert_true(eab_kid_parse(kid_text_of(k, kid), raw));
	}
	assert_false(eab_kid_parse(BYTES_LIT("ABCDEF00000000000000"), raw));
	assert_false(eab_kid_parse(BYTES_LIT("abcdef0000000000000"), raw));
	assert_false(eab_kid_parse(BYTES_NONE, raw));
}

/* Any failing operation leaves the file as it was or as it should be, and the key in memory as the caller was told. */
static void a_failed_write_adds_nothing(void **state)
{
	struct place *p = *state;
	char kid[EAB_KID_LEN + 1];

	kid_text_of(add(p, &(struct eab_request){ 0 }), kid);
	for (uint64_t n = 1;; n++) {
		const struct eab_key *k;
		test_seam_reset();
		test_seam.fail_at = n;
		size_t before = eab_keys_count(p->keys);
		enum err_code rc = eab_keys_add(p->keys, &(struct eab_request){ 0 }, START_MS, 0, &k, NULL);
		bool failed = test_seam.failed;
		test_seam_reset();
		if (!failed)
			break;
		assert_int_not_equal(rc, ERR_OK);
		assert_int_equal(eab_keys_count(p->keys), before);
		assert_true(n < 100);
		reload(p);
		assert_non_null(eab_keys_find(p->keys, bytes_str(kid)));
	}
}

static void a_damaged_file_is_refused(void **state)
{
	struct place *p = *state;
	CLEANUP(buf_free_p) struct buf was = buf_new(65536);
	static const uint8_t another[INSTANCE_SIZE] = { 9 };
	struct eab_keys *k = NULL;

	add(p, &(struct eab_request){ .label = BYTES_LIT("one") });
	assert_int_equal(file_read(p->dir, FILE_EAB, 65536, &was, NULL), ERR_OK);
	assert_int_equal(eab_keys_load(p->dir, another, &k, NULL), ERR_IO);
	for (size_t at = 0; at < was.len; at++) {
		was.ptr[at] ^= 0x10;
		assert_int_equal(file_write(p->dir, FILE_EAB, 0600, buf_bytes(&was), NULL), ERR_OK);
		was.ptr[at] ^= 0x10;
		assert_int_equal(eab_keys_load(p->dir, instance, &k, NULL), ERR_IO);
		assert_int_equal(file_write(p->dir, FILE_EAB, 0600, bytes_slice(buf_bytes(&was), 0, at), NULL), ERR_OK);
		assert_int_equal(eab_keys_load(p->dir, instance, &k, NULL), ERR_IO);
	}
	assert_null(k);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	crypto_init();
	test_seam_install();
	test_seam_reset();
	snprintf(p->folder, sizeof p->folder, "/tmp/chancery-eab-test-XXXXXX");
	if (!mkdtemp(p->folder))
		return -1;
	p->dir = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = p;
	return p->dir >= 0 && eab_keys_load(p->dir, instance, &p->keys, NULL) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
	struct place *p = *state;

	eab_keys_free(p->keys);
	close(p->dir);
	remove_folder(p->folder);
	free(p);
	seam = &seam_libc;
	return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_key_is_there_after_a_restart),
		TEST(a_scope_lists_all_that_it_opens),
		TEST(expiry_uses_and_revocation_end_it),
		TEST(bad_requests_are_refused_and_leave_nothing),
		TEST(what_is_given_out_can_be_typed),
		TEST(a_failed_write_adds_nothing),
		TEST(a_damaged_file_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
