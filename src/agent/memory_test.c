/* What is remembered, of whom, and for how long: over runs, broken files and clocks that go back. */
#include "agent/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1000000000
#define DAY 86400

static char folder[64];

static int set_up(void **state)
{
	char path[128];

	(void)state;
	strcpy(folder, "/tmp/memory_test.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof path, "%s/one.example", folder);
	if (mkdir(path, 0755) != 0)
		return -1;
	(void)snprintf(path, sizeof path, "%s/two.example", folder);
	return mkdir(path, 0755);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command);
}

static struct outcome failure(enum chancery_result result, const char *type, int status, uint32_t retry_after_s)
{
	struct outcome o = { .result = result,
		.type = type,
		.http_status = status,
		.retry_after_s = retry_after_s,
		.message = "no",
		.hint = "",
		.solver = "" };

	o.blame = blame_judge(result, CHANCERY_FAULT_SERVER, status, type, NULL, 0);
	return o;
}

static const struct outcome well = { .result = CHANCERY_OK, .message = "", .hint = "", .type = "", .solver = "" };

/* In a run of its own each. */
static void note(const char *certificate, const char *ca, const char *key, struct outcome o, int64_t now_s)
{
	const struct ca_wish w = { .name = ca, .account_key = key };
	struct memory m;

	memory_open(folder, certificate, &w, NULL, NULL, &m);
	memory_note(&m, &w, &o, now_s);
}

static bool holds(const char *certificate, const char *ca, const char *key, bool own, int64_t now_s)
{
	const struct ca_wish w = { .name = ca, .account_key = key };
	struct memory m;

	memory_open(folder, certificate, &w, NULL, NULL, &m);
	return memory_holds(&m, own, now_s) != NULL;
}

static void a_limit_is_the_accounts(void **state)
{
	(void)state;
	note("one.example", "ca", "/k/a.pem", failure(CHANCERY_REFUSED, "rateLimited", 429, 7200), NOW);
	/* Also for another certificate, and for a person; not for another account, another CA, and not longer than asked. */
	assert_true(holds("one.example", "ca", "/k/a.pem", true, NOW + 7000));
	assert_true(holds("two.example", "ca", "/k/a.pem", false, NOW + 7000));
	assert_false(holds("one.example", "ca", "/k/b.pem", true, NOW));
	assert_false(holds("one.example", "other", "/k/a.pem", true, NOW));
	assert_false(holds("one.example", "ca", "/k/a.pem", true, NOW + 7200));
	/* The other account gets one: that says nothing of this one. */
	note("two.example", "ca", "/k/b.pem", well, NOW + 10);
	assert_true(holds("one.example", "ca", "/k/a.pem", true, NOW + 20));
	note("two.example", "ca", "/k/a.pem", well, NOW + 30);
	assert_false(holds("one.example", "ca", "/k/a.pem", true, NOW + 40));
}

static void an_outage_is_the_cas(void **state)
{
	(void)state;
	note("one.example", "ca", "/k/a.pem", failure(CHANCERY_NETWORK, "", 0, 0), NOW);
	assert_true(holds("two.example", "ca", "/k/b.pem", true, NOW + 30));
	assert_false(holds("two.example", "other", "/k/b.pem", true, NOW + 30));
	/* Our own back-off holds no person up; what the CA asks for does. */
	assert_false(holds("two.example", "ca", "/k/b.pem", false, NOW + 30));
	note("one.example", "ca", "/k/a.pem", failure(CHANCERY_REFUSED, "serverInternal", 503, 600), NOW + 100);
	assert_true(holds("two.example", "ca", "/k/b.pem", false, NOW + 500));
}

static void a_name_is_this_certificates_there(void **state)
{
	(void)state;
	note("one.example", "ca", "/k/a.pem", failure(CHANCERY_REFUSED, "caa", 403, 0), NOW);
	assert_true(holds("one.example", "ca", "/k/a.pem", true, NOW + 3000));
	assert_false(holds("one.example", "ca", "/k/a.pem", false, NOW + 3000));
	assert_false(holds("two.example", "ca", "/k/a.pem", true, NOW));
	assert_false(holds("one.example", "other", "/k/a.pem", true, NOW));
	note("one.example", "ca", "/k/a.pem", well, NOW + 10);
	assert_false(holds("one.example", "ca", "/k/a.pem", true, NOW + 20));
}

static void what_is_ours_sets_nobody_back(void **state)
{
	(void)state;
	note("one.example", "ca", "/k/a.pem", failure(CHANCERY_CALLBACK, "", 0, 0), NOW);
	note("one.example", "ca", "/k/a.pem", failure(CHANCERY_REFUSED, "badCSR", 400, 0), NOW);
	assert_false(holds("one.example", "ca", "/k/a.pem", true, NOW));
}

static void it_grows_and_ends(void **state)
{
	int64_t before = 0;
	struct state s = { .failures = 0 };
	struct outcome o = failure(CHANCERY_REFUSED, "caa", 403, 0);

	(void)state;
	for (int i = 0; i < 40; i++) {
		state_failed(&s, &o, NOW);
		int64_t wait = s.not_before_s - NOW;
		assert_true(wait >= 3600 && wait <= 6 * 3600 * 5 / 4);
		assert_true(i > 2 || wait * 5 / 4 >= before);
		before = wait;
	}
}

/* However wrong the clock was or is, nobody waits longer than was decided. */
static void clocks_that_go_back(void **state)
{
	(void)state;
	note("one.example", "ca", "/k/a.pem", failure(CHANCERY_NETWORK, "", 0, 3600), NOW + 400 * DAY);
	assert_false(holds("one.example", "ca", "/k/a.pem", true, NOW));
	/* A little is nothing. */
	assert_true(holds("one.example", "ca", "/k/a.pem", true, NOW + 400 * DAY - 30));
	/* Two days are less than the longest that a CA may ask for, and more than this one has. */
	note("one.example", "soon", "/k/a.pem", failure(CHANCERY_NETWORK, "", 0, 3600), NOW + 2 * DAY);
	assert_false(holds("one.example", "soon", "/k/a.pem", true, NOW));
	assert_true(holds("one.example", "soon", "/k/a.pem", true, NOW + 2 * DAY + 3500));
}

static char told[STATE_TEXT_MAX];

static void hear(void *context, const char *text)
{
	(void)context;
	(void)snprintf(told, sizeof told, "%s", text);
}

static void broken_files(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "{\"failures\": -1}", "{\"not_before\": 9007199254740991}",
		"{\"message\": 7}" };
	const struct ca_wish w = { .name = "https://ca.example/dir", .account_key = "/k/a.pem" };
	char path[128], aside[140];
	struct memory m;

	(void)state;
	(void)snprintf(path, sizeof path, "%s/_cas", folder);
	assert_int_equal(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof path, "%s/_cas/ca.example_dir.json", folder);
	(void)snprintf(aside, sizeof aside, "%s.broken", path);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		fputs(texts[i], f);
		fclose(f);
		*told = 0;
		/* Whoever only looks leaves it where it is. */
		memory_open(folder, "one.example", &w, NULL, NULL, &m);
		assert_int_equal(access(path, F_OK), 0);
		memory_open(folder, "one.example", &w, hear, NULL, &m);
		if (!strstr(told, path) || !strstr(told, ".broken"))
			fail_msg("\"%s\" is not told: %s", texts[i], told);
		assert_null(memory_holds(&m, true, NOW));
		assert_int_not_equal(access(path, F_OK), 0);
		assert_int_equal(unlink(aside), 0);
	}
	/* And from there on it is remembered again. */
	note("one.example", w.name, w.account_key, failure(CHANCERY_NETWORK, "", 0, 0), NOW);
	assert_true(holds("one.example", w.name, w.account_key, true, NOW));
}

/* A folder where the file should be: told, and no more. */
static void what_cannot_be_moved(void **state)
{
	struct state s;
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof path, "%s/one.example", folder);
	state_take(path, &s, told);
	assert_non_null(strstr(told, "cannot be read"));
	assert_int_equal(access(path, F_OK), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_limit_is_the_accounts),
		TEST(an_outage_is_the_cas),
		TEST(a_name_is_this_certificates_there),
		TEST(what_is_ours_sets_nobody_back),
		TEST(it_grows_and_ends),
		TEST(clocks_that_go_back),
		TEST(broken_files),
		TEST(what_cannot_be_moved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
