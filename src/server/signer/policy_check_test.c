/* What the signer refuses by its own copy of the rules, whatever the front has said. */
#include "base/codec.h"
#include "crypto/digest.h"
#include "server/signer/state.h"
#include "server/signer/test_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void use_settings(struct world *w)
{
	struct err e = { 0 };

	assert_code(signer_settings(w->s, &w->settings, &e), ERR_OK, &e);
}

static void is_refused(struct world *w, struct recipe r, enum err_code code)
{
	struct err e = { 0 };
	uint64_t records = signer_counts(w->s).log_records;

	assert_code(issue(w, &r, NULL, &e), code, &e);
	assert_int_equal(signer_counts(w->s).log_records, records);
}

static void is_issued(struct world *w, struct recipe r)
{
	(void)must_issue(w, &r);
}

static struct recipe of(struct world *w, const char *name, enum challenge_type method)
{
	const char *const names[] = { name, NULL };
	struct recipe r = recipe_new(w, names);

	r.receipts[0].method = r.receipts[1].method = method;
	return r;
}

static void names_are_judged_by_the_configuration(void **state)
{
	struct world *w = *state;
	static struct bytes deny[] = { { (const uint8_t *)".secret.example.org", 19 } };
	static struct bytes allow[] = { { (const uint8_t *)".example.org", 12 } };

	is_issued(w, of(w, "example.com", CHALLENGE_TYPE_HTTP_01));
	w->settings.policy_allow_names = (struct settings_list){ allow, 1 };
	w->settings.policy_deny_names = (struct settings_list){ deny, 1 };
	use_settings(w);
	is_refused(w, of(w, "example.com", CHALLENGE_TYPE_HTTP_01), ERR_REJECTED_IDENTIFIER);
	is_refused(w, of(w, "example.org", CHALLENGE_TYPE_HTTP_01), ERR_REJECTED_IDENTIFIER);
	is_refused(w, of(w, "a.secret.example.org", CHALLENGE_TYPE_HTTP_01), ERR_REJECTED_IDENTIFIER);
	is_refused(w, of(w, "*.secret.example.org", CHALLENGE_TYPE_DNS_01), ERR_REJECTED_IDENTIFIER);
	is_issued(w, of(w, "www.example.org", CHALLENGE_TYPE_HTTP_01));
	is_issued(w, of(w, "*.example.org", CHALLENGE_TYPE_DNS_01));
}

/* A rule that cannot be read leaves the old ones in force. */
static void a_bad_policy_is_refused_as_a_whole(void **state)
{
	struct world *w = *state;
	static struct bytes deny[] = { { (const uint8_t *)"example.org", 11 } }, bad[] = { { (const uint8_t *)"..", 2 } };
	struct err e = { 0 };

	w->settings.policy_deny_names = (struct settings_list){ deny, 1 };
	use_settings(w);
	w->settings.policy_deny_names = (struct settings_list){ bad, 1 };
	assert_code(signer_settings(w->s, &w->settings, &e), ERR_CONFIG, &e);
	is_refused(w, of(w, "example.org", CHALLENGE_TYPE_HTTP_01), ERR_REJECTED_IDENTIFIER);
}

static void the_profile_says_what_may_be_in_it(void **state)
{
	struct world *w = *state;

	w->settings.profiles[0].identifiers = PROFILE_DNS;
	use_settings(w);
	is_issued(w, of(w, "example.org", CHALLENGE_TYPE_HTTP_01));
	is_refused(w, of(w, "*.example.org", CHALLENGE_TYPE_DNS_01), ERR_REJECTED_IDENTIFIER);
	w->settings.profiles[0].identifiers = PROFILE_WILDCARD | PROFILE_IP;
	use_settings(w);
	is_refused(w, of(w, "example.org", CHALLENGE_TYPE_HTTP_01), ERR_REJECTED_IDENTIFIER);
	is_issued(w, of(w, "*.example.org", CHALLENGE_TYPE_DNS_01));
	struct recipe r = recipe_simple(w);
	r.new_order_payload = "{\"identifiers\":[{\"type\":\"ip\",\"value\":\"192.0.2.1\"}]}";
	w->settings.profiles[0].identifiers = PROFILE_DNS | PROFILE_WILDCARD;
	use_settings(w);
	is_refused(w, r, ERR_REJECTED_IDENTIFIER);
}

static void the_profile_says_by_which_challenge(void **state)
{
	struct world *w = *state;

	w->settings.profiles[0].challenges = 1u << CHALLENGE_TYPE_DNS_01;
	use_settings(w);
	is_refused(w, of(w, "example.org", CHALLENGE_TYPE_HTTP_01), ERR_CONFIRM);
	is_issued(w, of(w, "example.org", CHALLENGE_TYPE_DNS_01));
}

/* How long control counts is the profile's, not the order's; CAA stays at 8 hours. */
static void the_profile_says_how_long_control_counts(void **state)
{
	struct world *w = *state;
	struct recipe r = of(w, "example.org", CHALLENGE_TYPE_HTTP_01);

	w->settings.profiles[0].authz_lifetime_s = 10 * 86400;
	use_settings(w);
	r.receipts[0].time_ms = START_MS - 10 * 86400 * INT64_C(1000);
	is_issued(w, r);
	r = of(w, "example.org", CHALLENGE_TYPE_HTTP_01);
	r.receipts[0].time_ms = START_MS - 10 * 86400 * INT64_C(1000) - 1;
	is_refused(w, r, ERR_CONFIRM);
	r = of(w, "example.org", CHALLENGE_TYPE_HTTP_01);
	r.receipts[1].time_ms = START_MS - 8 * HOUR_MS - 1;
	is_refused(w, r, ERR_CONFIRM);
}

static void the_profile_says_which_keys(void **state)
{
	struct world *w = *state;

	w->settings.profiles[0].key_types = 1u << KEY_RSA;
	use_settings(w);
	is_refused(w, recipe_simple(w), ERR_BAD_CSR);
	w->settings.profiles[0].key_types = 1u << KEY_EC_P256;
	use_settings(w);
	is_issued(w, recipe_simple(w));
}

static int file_of(const struct key *k)
{
	char line[HEX_LEN(SHA256_SIZE) + 2];
	uint8_t digest[SHA256_SIZE];
	int fd = memfd_create("blocked", MFD_CLOEXEC);

	sha256_one(key_spki(k), digest);
	hex_encode(BYTES_ARRAY(digest), line);
	assert_int_equal(write(fd, line, strlen(line)), (ssize_t)strlen(line));
	return fd;
}

static void blocked_keys_are_of_no_use(void **state)
{
	struct world *w = *state;
	struct blocked *b = NULL;
	int fds[] = { file_of(w->leaf), file_of(w->account) };
	struct err e = { 0 };

	assert_code(blocked_new(&b, &e), ERR_OK, &e);
	signer_block(w->s, b);
	is_issued(w, recipe_simple(w));
	assert_code(blocked_read(b, fds, 1, &e), ERR_OK, &e);
	is_refused(w, recipe_simple(w), ERR_BAD_CSR);
	struct recipe r = recipe_simple(w);
	r.csr_key = w->leaf2;
	is_issued(w, r);
	assert_code(blocked_read(b, fds + 1, 1, &e), ERR_OK, &e); /* the key is in the cache already */
	is_refused(w, recipe_simple(w), ERR_BAD_PUBLIC_KEY);
	signer_block(w->s, NULL);
	blocked_free(b);
	close(fds[0]);
	close(fds[1]);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(names_are_judged_by_the_configuration),
		WORLD(a_bad_policy_is_refused_as_a_whole),
		WORLD(the_profile_says_what_may_be_in_it),
		WORLD(the_profile_says_by_which_challenge),
		WORLD(the_profile_says_how_long_control_counts),
		WORLD(the_profile_says_which_keys),
		WORLD(blocked_keys_are_of_no_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
