#include "cli/diagnose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW INT64_C(1790000000) /* 2026-09-21 */

static struct arena *a;
static struct finding v[FINDINGS_MAX];

static int set_up(void **state)
{
	(void)state;
	a = arena_new(65536, 1u << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(a);
	return 0;
}

static size_t of(const char *process, const char *counts)
{
	struct bytes json = arena_fmt(a, "{\"processes\":{\"%s\":{\"state\":\"ready\",\"counts\":%s}}}", process, counts);

	return diagnose(a, json, NOW, v);
}

static void one(const char *process, const char *counts, enum finding_severity severity, const char *words)
{
	assert_int_equal(of(process, counts), 1);
	assert_int_equal(v[0].severity, severity);
	if (!strstr(arena_str(a, v[0].what), words))
		fail_msg("\"%.*s\" does not say \"%s\"", BYTES_FMT(v[0].what), words);
	assert_true(v[0].remedy.len > 0);
}

static void nothing_is_wrong(void **state)
{
	(void)state;
	assert_int_equal(of("front", "{\"signer_connected\":true,\"tls_not_after_s\":1799000000,\"overloaded\":0}"), 0);
	assert_int_equal(of("signer", "{\"free_bytes\":300,\"reserve_bytes\":100,\"log_time_s\":1790000000,\"checkpoints_ignored\":0,"
				      "\"issuers_not_after_s\":{\"main\":1890000000}}"),
	    0);
	assert_int_equal(of("validator", "{\"front\":true}"), 0);
	assert_int_equal(diagnose(a, BYTES_LIT("{}"), NOW, v), 0);
}

static void lists_that_end(void **state)
{
	(void)state;
	assert_int_equal(of("signer", "{\"crl_ends_s\":1790200000,\"root_crl_ends_s\":1799000000,\"blocked\":5}"), 0);
	assert_int_equal(of("signer", "{\"crl_ends_s\":0,\"root_crl_ends_s\":0}"), 0);
	one("signer", "{\"crl_ends_s\":1790003600}", FINDING_ERROR, "a revocation list ends");
	one("signer", "{\"root_crl_ends_s\":1791000000}", FINDING_WARNING, "a root's revocation list ends");
	one("signer", "{\"root_crl_ends_s\":1790100000}", FINDING_ERROR, "a root's revocation list ends");
	one("signer", "{\"blocked\":1000}", FINDING_WARNING, "1000 keys, names");
}

static void a_token_that_does_not_sign(void **state)
{
	(void)state;
	assert_int_equal(of("keyholder", "{\"signatures\":5,\"failures\":1}"), 0);
	one("keyholder", "{\"failure\":\"the PIN is wrong\"}", FINDING_ERROR, "the token does not sign: the PIN is wrong");
}

static void processes_that_are_not_ready(void **state)
{
	(void)state;
	assert_int_equal(
	    diagnose(a,
		BYTES_LIT(
		    "{\"processes\":{\"signer\":{\"state\":\"down\",\"failure\":\"no \\\"key\\\"\"},\"front\":{\"state\":\"starting\"}}}"),
		NOW, v),
	    2);
	assert_true(bytes_eq_str(v[0].what, "the signer is down: no \"key\""));
	assert_true(bytes_eq_str(v[1].what, "the front is starting"));
	assert_int_equal(v[0].severity, FINDING_ERROR);
}

static void each_rule_speaks(void **state)
{
	(void)state;
	one("front", "{\"signer_connected\":false}", FINDING_ERROR, "nothing is issued");
	one("validator", "{\"front\":false}", FINDING_ERROR, "nothing is validated");
	one("front", "{\"tls_not_after_s\":1790086400}", FINDING_ERROR, "ends on 2026-09-22");
	one("front", "{\"tls_not_after_s\":1789990000}", FINDING_ERROR, "ended on 2026-09-21");
	one("front", "{\"overloaded\":3}", FINDING_WARNING, "3 requests");
	one("front", "{\"connections_refused\":3}", FINDING_WARNING, "3 connections");
	one("signer", "{\"issuers_not_after_s\":{\"main\":1890000000,\"old\":1794000000}}", FINDING_WARNING,
	    "the issuer old ends on 2026-11-06");
	one("signer", "{\"issuers_not_after_s\":{\"main\":1790000001}}", FINDING_ERROR, "the issuer main");
	one("signer", "{\"free_bytes\":157286400,\"reserve_bytes\":104857600}", FINDING_WARNING, "150 MiB left; below the reserve of 100");
	one("signer", "{\"free_bytes\":52428800,\"reserve_bytes\":104857600}", FINDING_ERROR, "nothing is issued, only revoked");
	one("signer", "{\"log_time_s\":1790000100}", FINDING_ERROR, "100 s before the log's last record");
	one("signer", "{\"checkpoints_ignored\":1}", FINDING_WARNING, "1 checkpoints");
}

/* What a front of somebody else's making may have written. */
static void odd_values_are_passed_over(void **state)
{
	(void)state;
	assert_int_equal(of("front", "{\"tls_not_after_s\":-1,\"overloaded\":\"9\",\"connections_refused\":1e9}"), 0);
	assert_int_equal(of("signer", "{\"issuers_not_after_s\":[1],\"free_bytes\":null,\"log_time_s\":99999999999999999999}"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lists_that_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_token_that_does_not_sign, set_up, tear_down),
		cmocka_unit_test_setup_teardown(processes_that_are_not_ready, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_rule_speaks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(odd_values_are_passed_over, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
