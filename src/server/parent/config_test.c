#include "server/parent/config.h"

#include "acme/identifier.h"
#include "crypto/key.h"
#include "server/parent/config_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* A configuration of these lines, read; what the reader had to say goes to messages. */
static enum err_code read_config(struct arena *a, const char *text, struct settings *ret, struct buf *messages)
{
	char path[] = "/tmp/chancery-config-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	enum err_code rc = config_read(a, path, ret, messages, NULL);
	(void)unlink(path);
	return rc;
}

static void what_is_not_written_is_the_default(void **state)
{
	struct arena *a = arena_new(16384, 1u << 20);
	struct buf messages = buf_new(16384);
	struct settings s;

	(void)state;
	assert_int_equal(read_config(a, "", &s, &messages), ERR_OK);
	assert_int_equal(s.n_profiles, 1);
	assert_true(bytes_eq_str(s.profiles[0].name, "tls-server"));
	assert_int_equal(s.profiles[0].lifetime_s, 47 * 86400);
	assert_int_equal(s.profiles[0].authz_lifetime_s, 10 * 86400);
	assert_int_equal(s.profiles[0].challenges, (1u << CHALLENGE_TYPE__MAX) - 1);
	assert_int_equal(s.profiles[0].identifiers, PROFILE_DNS | PROFILE_WILDCARD);
	assert_int_equal(s.profiles[0].key_types, 1u << KEY_EC_P256 | 1u << KEY_EC_P384 | 1u << KEY_RSA);
	assert_int_equal(s.profiles[0].rsa_bits_max, 4096);
	assert_int_equal(s.limit_accounts_address.count, 100);
	assert_int_equal(s.limit_accounts_address.period_s, 3 * 3600);
	assert_int_equal(s.limit_domain.count, 0);
	assert_true(s.authz_reuse);
	buf_free(&messages);
	arena_free(a);
}

static void what_is_written_counts(void **state)
{
	struct arena *a = arena_new(16384, 1u << 20);
	struct buf messages = buf_new(16384);
	struct settings s;

	(void)state;
	assert_int_equal(read_config(a,
			     "front { authz-reuse = false }\n"
			     "limits { certificates-per-domain = \"50/7d\" }\n"
			     "policy { allow-ips = {\"10.0.0.0/8\"} private-suffixes = {\"lan\", \"internal\"} }\n"
			     "profile \"a\" { challenges = {\"dns-01\"} identifiers = {\"ip\", \"dns\"} key-types = {\"rsa\"} }\n"
			     "profile \"b\" { lifetime = \"6d\" }\n",
			     &s, &messages),
	    ERR_OK);
	assert_false(s.authz_reuse);
	assert_int_equal(s.limit_domain.count, 50);
	assert_int_equal(s.limit_domain.period_s, 7 * 86400);
	assert_int_equal(s.policy_private_suffixes.n, 2);
	assert_int_equal(s.n_profiles, 2);
	assert_int_equal(s.profiles[0].challenges, 1u << CHALLENGE_TYPE_DNS_01);
	assert_int_equal(s.profiles[0].identifiers, PROFILE_IP | PROFILE_DNS);
	assert_int_equal(s.profiles[0].key_types, 1u << KEY_RSA);
	assert_int_equal(s.profiles[1].challenges, (1u << CHALLENGE_TYPE__MAX) - 1);
	assert_int_equal(s.profiles[1].lifetime_s, 6 * 86400);
	buf_free(&messages);
	arena_free(a);
}

static void ready_profiles_are_defaults(void **state)
{
	struct arena *a = arena_new(16384, 1u << 20);
	struct buf messages = buf_new(16384);
	struct settings s;

	(void)state;
	assert_int_equal(read_config(a,
			     "profile \"short-lived\" { }\n"
			     "profile \"classic\" { lifetime = 30d }\n"
			     "profile \"devices\" { ready = \"client-auth\" issuers = {\"clients\"} }\n"
			     "profile \"own\" { policies = {\"1.3.6.1.4.1.99999.1\", \"2.999.1\"} must-staple = true ocsp = true }\n",
			     &s, &messages),
	    ERR_OK);
	assert_int_equal(s.profiles[0].lifetime_s, 6 * 86400);
	assert_int_equal(s.profiles[0].contents, PROFILE_CA_ISSUERS);
	assert_int_equal(s.profiles[0].identifiers, PROFILE_DNS | PROFILE_WILDCARD | PROFILE_IP);
	assert_int_equal(s.profiles[1].lifetime_s, 30 * 86400);
	assert_true(s.profiles[1].contents & PROFILE_COMMON_NAME);
	assert_int_equal(s.profiles[2].purposes, PROFILE_CLIENT_AUTH);
	assert_int_equal(s.profiles[2].key_usage, PROFILE_DIGITAL_SIGNATURE);
	assert_int_equal(s.profiles[2].n_policies, 0);
	assert_int_equal(s.profiles[2].n_issuers, 1);
	assert_int_equal(s.profiles[3].purposes, PROFILE_SERVER_AUTH);
	assert_int_equal(s.profiles[3].key_usage, PROFILE_DIGITAL_SIGNATURE | PROFILE_KEY_ENCIPHERMENT);
	assert_int_equal(s.profiles[3].contents, PROFILE_MUST_STAPLE | PROFILE_OCSP | PROFILE_CRL | PROFILE_CA_ISSUERS);
	assert_int_equal(s.profiles[3].n_policies, 2);
	buf_free(&messages);
	arena_free(a);
}

/* What no line alone shows. */
static void profiles_that_contradict_themselves(void **state)
{
	static const char *const bad[] = { "profile \"a\" { must-staple = true }", "profile \"a\" { lifetime = 8d crl = false }",
		"profile \"a\" { extended-key-usage = {\"server-auth\", \"client-auth\"} }" };
	struct arena *a = arena_new(16384, 1u << 20);
	struct buf messages = buf_new(16384);
	struct settings s;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(read_config(a, bad[i], &s, &messages), ERR_CONFIG);
	assert_int_equal(read_config(a, "profile \"a\" { lifetime = 8d crl = false ca-issuers = false }", &s, &messages), ERR_OK);
	assert_int_equal(read_config(a, "profile \"a\" { lifetime = 7d crl = false }", &s, &messages), ERR_OK);
	buf_free(&messages);
	arena_free(a);
}

static void incidents_have_a_beginning_and_an_end(void **state)
{
	struct arena *a = arena_new(16384, 1u << 20);
	struct buf messages = buf_new(16384);
	struct settings s;

	(void)state;
	assert_int_equal(read_config(a,
			     "incident \"keys\" { issued-from = \"2026-11-01T00:00:00Z\" issued-until = \"2026-11-02T00:00:00Z\"\n"
			     "explanation = \"https://ca.example/why\" }\n",
			     &s, &messages),
	    ERR_OK);
	assert_int_equal(s.n_incidents, 1);
	assert_int_equal(s.incidents[0].until_s - s.incidents[0].from_s, 86400);
	assert_int_equal(read_config(a, "incident \"keys\" { issued-from = \"2026-11-01T00:00:00Z\" }\n", &s, &messages), ERR_CONFIG);
	assert_int_equal(
	    read_config(
		a, "incident \"keys\" { issued-from = \"2026-11-02T00:00:00Z\" issued-until = \"2026-11-01T00:00:00Z\" }\n", &s, &messages),
	    ERR_CONFIG);
	buf_free(&messages);
	arena_free(a);
}

static void bad_values_are_told_with_their_line(void **state)
{
	static const struct {
		const char *text, *word;
	} bad[] = {
		{ "limits {\n orders-per-account = \"many\"\n}", ":2: " },
		{ "limits {\n orders-per-account = \"0/1h\"\n}", "50/7d" },
		{ "front {\n authz-reuse = \"yes\"\n}", "true or false" },
		{ "external-accounts = \"maybe\"", "optional" },
		{ "publish {\n base-url = \"https://ca.example\"\n}", "an http URL" },
		{ "publish {\n base-url = \"http://ca.example/path\"\n}", "without a path" },
		{ "policy {\n deny-ips = {\"10.0.0.1\"}\n}", "10.0.0.0/8" },
		{ "policy {\n deny-names = {\"a b.example.org\"}\n}", "a rule is a name" },
		{ "policy {\n allow-names = {\".*.example.org\"}\n}", "not both" },
		{ "profile \"a\" {\n challenges = {\"http-02\"}\n}", "tls-alpn-01" },
		{ "profile \"a\" {\n identifiers = {\"email\"}\n}", "wildcard" },
		{ "profile \"a\" {\n key-types = {\"ed25519\"}\n}", "ecdsa-p384" },
		{ "profile \"a\" {\n rsa-bits-max = 1024\n}", "2048" },
		{ "profile \"a\" {\n authz-lifetime = \"399d\"\n}", "398 days" },
		{ "profile \"a\" {\n nonsense = 1\n}", "authz-lifetime" },
		{ "profile \"a\" {\n key-usage = {\"key-agreement\"}\n}", "key-encipherment" },
		{ "profile \"a\" {\n extended-key-usage = {\"code-signing\"}\n}", "client-auth" },
		{ "profile \"a\" {\n common-name = \"all\"\n}", "none and first" },
		{ "profile \"a\" {\n policies = {\"1.2..3\"}\n}", "2.23.140.1.2.1" },
		{ "profile \"a\" {\n policies = {\"1\"}\n}", "2.23.140.1.2.1" },
		{ "profile \"a\" {\n policies = {\"1.40\"}\n}", "2.23.140.1.2.1" },
		{ "profile \"a\" {\n policies = {\"3.1\"}\n}", "2.23.140.1.2.1" },
		{ "profile \"a\" {\n policies = {\"1.2.03\"}\n}", "2.23.140.1.2.1" },
		{ "profile \"a\" {\n policies = {\"1.2.3.\"}\n}", "2.23.140.1.2.1" },
		{ "profile \"a\" {\n policies = {\"1.2.4294967296\"}\n}", "2.23.140.1.2.1" },
		{ "profile \"a\" {\n must-staple = \"yes\"\n}", "true or false" },
		{ "profile \"a\" {\n issuers = {\"Main\"}\n}", "lower-case" },
		{ "profile \"a\" {\n ready = \"tls\"\n}", "short-lived" },
		{ "signer {\n crl-lifetime = \"11d\"\n}", "ten days" },
		{ "signer {\n crl-interval = \"59s\"\n}", "one minute" },
		{ "incident \"a\" {\n issued-from = \"yesterday\"\n}", ":2: " },
		{ "incident \"a\" {\n explanation = \"page\"\n}", "https" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct arena *a = arena_new(16384, 1u << 20);
		struct buf messages = buf_new(16384);
		struct settings s;
		assert_int_equal(read_config(a, bad[i].text, &s, &messages), ERR_CONFIG);
		buf_add_u8(&messages, 0);
		if (!strstr((const char *)messages.ptr, bad[i].word))
			fail_msg("%s: \"%s\" is not in: %s", bad[i].text, bad[i].word, (const char *)messages.ptr);
		buf_free(&messages);
		arena_free(a);
	}
}

/* A list must be followed by the next one before it ends. */
static void lists_follow_each_other(void **state)
{
	struct arena *a = arena_new(16384, 1u << 20);
	struct buf messages = buf_new(16384);
	struct settings s;

	(void)state;
	assert_int_equal(read_config(a, "signer {\n crl-lifetime = \"1d\"\n crl-interval = \"1d\"\n}", &s, &messages), ERR_CONFIG);
	assert_int_equal(read_config(a, "signer {\n crl-lifetime = \"1d\"\n crl-interval = \"86399s\"\n}", &s, &messages), ERR_OK);
	assert_int_equal(s.crl_interval, 86399);
	buf_free(&messages);
	arena_free(a);
}

/* What each process is told is what was read. */
static void settings_cross_as_they_are(void **state)
{
	struct arena *a = arena_new(16384, 1u << 20);
	struct buf messages = buf_new(16384), wire = buf_new(1u << 20);
	struct settings s, front, validator;

	(void)state;
	assert_int_equal(read_config(a,
			     "limits { orders-per-account = \"7/2h\" }\npolicy { deny-names = {\".evil.example\"} }\n"
			     "profile \"classic\" { issuers = {\"one\", \"two\"} }\n",
			     &s, &messages),
	    ERR_OK);
	settings_write(&s, SETTINGS_READER_F, &wire);
	assert_int_equal(settings_read(a, buf_bytes(&wire), SETTINGS_READER_F, &front, NULL), ERR_OK);
	assert_int_equal(front.limit_orders.count, 7);
	assert_int_equal(front.limit_orders.period_s, 7200);
	assert_memory_equal(&front.profiles[0].lifetime_s, &s.profiles[0].lifetime_s,
	    offsetof(struct profile, contents) + sizeof s.profiles[0].contents - offsetof(struct profile, lifetime_s)); /* all numbers */
	assert_int_equal(front.profiles[0].n_issuers, 2);
	assert_true(bytes_eq_str(front.profiles[0].issuers[1], "two"));
	assert_int_equal(front.profiles[0].n_policies, 1);
	assert_true(bytes_eq_str(front.profiles[0].policies[0], "2.23.140.1.2.1"));
	buf_reset(&wire);
	settings_write(&s, SETTINGS_READER_V, &wire);
	assert_int_equal(settings_read(a, buf_bytes(&wire), SETTINGS_READER_V, &validator, NULL), ERR_OK);
	assert_true(bytes_eq_str(validator.policy_deny_names.v[0], ".evil.example"));
	assert_int_equal(validator.limit_orders.count, 0); /* the front's alone */
	buf_free(&wire);
	buf_free(&messages);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_not_written_is_the_default), cmocka_unit_test(what_is_written_counts),
		cmocka_unit_test(incidents_have_a_beginning_and_an_end), cmocka_unit_test(lists_follow_each_other),
		cmocka_unit_test(ready_profiles_are_defaults), cmocka_unit_test(lists_follow_each_other),
		cmocka_unit_test(profiles_that_contradict_themselves), cmocka_unit_test(lists_follow_each_other),
		cmocka_unit_test(bad_values_are_told_with_their_line), cmocka_unit_test(settings_cross_as_they_are) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
