/* What programs of each dialect are told, word by word: a program that writes down its words and its environment. */
#include "agent/hook.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/hook-test-XXXXXX", program[64], seen[64];
static const char *const names[] = { "example.org", "*.example.org", "www.example.net" };

static const struct chancery_challenge dns = { .type = "dns-01",
	.name = "example.org",
	.token = "tok",
	.key_authorization = "tok.thumb",
	.digest = "dig",
	.record = "_acme-challenge.example.org",
	.wildcard = 1,
	.remaining = 2 };
static const struct chancery_challenge http = {
	.type = "http-01", .name = "example.org", .token = "tok", .key_authorization = "tok.thumb", .digest = "dig"
};

/* Programs lie in a folder of ours alone. */
static struct crew crew = { .users = { .hook = "root" } };

static void write_program(const char *last)
{
	FILE *f = fopen(program, "w");

	assert_non_null(f);
	fprintf(f,
	    "#!/bin/sh\nfor w in \"$@\"; do echo \"[$w]\"; done >%s\nenv | grep -E '^(CERTBOT|UACME)_' | sort >>%s\necho '  it said  '\n%s\n",
	    seen, seen, last);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(program, 0700), 0);
}

/* acme.sh's scripts are read, not run. */
static void write_functions(void)
{
	FILE *f = fopen(program, "w");

	assert_non_null(f);
	fprintf(f, "program_add() { for w in \"$@\"; do echo \"[$w]\"; done >%s; }\nprogram_rm() { program_add \"$@\"; }\n", seen);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(program, 0600), 0);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(program, sizeof program, "%s/program", folder);
	snprintf(seen, sizeof seen, "%s/seen", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(program);
	unlink(seen);
	return rmdir(folder);
}

static struct hook *make(enum hook_dialect d)
{
	struct hook_wish w = { .dialect = d, .program = program, .clean_up = program, .names = names, .n_names = 3, .timeout_s = 20 };
	struct hook *h;

	assert_int_equal(hook_new(&w, &crew, &h, NULL), ERR_OK);
	return h;
}

static void saw(const char *text)
{
	char buffer[4096];
	FILE *f = fopen(seen, "r");

	assert_non_null(f);
	buffer[fread(buffer, 1, sizeof buffer - 1, f)] = 0;
	fclose(f);
	assert_string_equal(buffer, text);
}

static void dialects_say_what_their_programs_expect(void **state)
{
	static const struct {
		enum hook_dialect dialect;
		const struct chancery_challenge *challenge;
		const char *deployed, *cleaned;
	} rows[] = {
		{ HOOK_CERTBOT, &dns,
		    "CERTBOT_ALL_DOMAINS=example.org,example.org,www.example.net\nCERTBOT_ALL_IDENTIFIERS=example.org,example.org,www.example.net\n"
		    "CERTBOT_DOMAIN=example.org\nCERTBOT_IDENTIFIER=example.org\nCERTBOT_REMAINING_CHALLENGES=2\nCERTBOT_VALIDATION=dig\n",
		    "CERTBOT_ALL_DOMAINS=example.org,example.org,www.example.net\nCERTBOT_ALL_IDENTIFIERS=example.org,example.org,www.example.net\n"
		    "CERTBOT_AUTH_OUTPUT=it said\nCERTBOT_DOMAIN=example.org\nCERTBOT_IDENTIFIER=example.org\nCERTBOT_REMAINING_CHALLENGES=2\n"
		    "CERTBOT_VALIDATION=dig\n" },
		{ HOOK_CERTBOT, &http,
		    "CERTBOT_ALL_DOMAINS=example.org,example.org,www.example.net\nCERTBOT_ALL_IDENTIFIERS=example.org,example.org,www.example.net\n"
		    "CERTBOT_DOMAIN=example.org\nCERTBOT_IDENTIFIER=example.org\nCERTBOT_REMAINING_CHALLENGES=0\nCERTBOT_TOKEN=tok\n"
		    "CERTBOT_VALIDATION=tok.thumb\n",
		    NULL },
		{ HOOK_DEHYDRATED, &dns, "[deploy_challenge]\n[example.org]\n[tok]\n[dig]\n",
		    "[clean_challenge]\n[example.org]\n[tok]\n[dig]\n" },
		{ HOOK_DEHYDRATED, &http, "[deploy_challenge]\n[example.org]\n[tok]\n[tok.thumb]\n", NULL },
		{ HOOK_LEGO, &dns, "[present]\n[_acme-challenge.example.org.]\n[dig]\n",
		    "[cleanup]\n[_acme-challenge.example.org.]\n[dig]\n" },
		{ HOOK_LEGO_RAW, &dns, "[present]\n[--]\n[example.org]\n[tok]\n[tok.thumb]\n",
		    "[cleanup]\n[--]\n[example.org]\n[tok]\n[tok.thumb]\n" },
		{ HOOK_ACME_SH, &dns, "[_acme-challenge.example.org]\n[dig]\n", "[_acme-challenge.example.org]\n[dig]\n" },
		{ HOOK_UACME, &http,
		    "[begin]\n[http-01]\n[example.org]\n[tok]\n[tok.thumb]\nUACME_AUTH=tok.thumb\nUACME_IDENT=example.org\nUACME_METHOD=begin\n"
		    "UACME_TOKEN=tok\nUACME_TYPE=http-01\n",
		    "[failed]\n[http-01]\n[example.org]\n[tok]\n[tok.thumb]\nUACME_AUTH=tok.thumb\nUACME_IDENT=example.org\nUACME_METHOD=failed\n"
		    "UACME_TOKEN=tok\nUACME_TYPE=http-01\n" },
		{ HOOK_MOD_MD, &dns, "[setup]\n[example.org]\n[dig]\n", "[teardown]\n[example.org]\n[dig]\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rows[i].dialect == HOOK_ACME_SH)
			write_functions();
		else
			write_program("exit 0");
		struct hook *h = make(rows[i].dialect);
		assert_true(hook_dialect_solves(rows[i].dialect, rows[i].challenge->type));
		assert_int_equal(hook_deploy(h, rows[i].challenge), 0);
		saw(rows[i].deployed);
		hook_clean_up(h, rows[i].challenge);
		if (rows[i].cleaned)
			saw(rows[i].cleaned);
		assert_string_equal(hook_failure(h), "");
		hook_free(h);
	}
}

static void a_chain_is_one_run(void **state)
{
	static const char *const all = "\n[example.org]\n[tok]\n[dig]\n[second.example]\n[tok2]\n[dig2]\n";
	struct chancery_challenge first = dns, second = dns;
	struct hook *h = make(HOOK_DEHYDRATED_CHAIN);
	char text[256];

	(void)state;
	first.remaining = 1;
	second.name = "second.example";
	second.token = "tok2";
	second.digest = "dig2";
	second.remaining = 0;
	write_program("exit 0");
	for (int round = 0; round < 2; round++) {
		unlink(seen);
		assert_int_equal(hook_deploy(h, &first), 0);
		assert_int_equal(access(seen, F_OK), -1);
		assert_int_equal(hook_deploy(h, &second), 0);
		snprintf(text, sizeof text, "[deploy_challenge]%s", all);
		saw(text);
		hook_clean_up(h, &first);
		saw(text);
		hook_clean_up(h, &second);
		snprintf(text, sizeof text, "[clean_challenge]%s", all);
		saw(text);
	}
	/* another name was not solved: the program was told nothing, and is told nothing */
	unlink(seen);
	assert_int_equal(hook_deploy(h, &first), 0);
	hook_clean_up(h, &first);
	assert_int_equal(access(seen, F_OK), -1);
	/* it fails, and may have set a part */
	write_program("[ \"$1\" != deploy_challenge ]");
	assert_int_equal(hook_deploy(h, &first), 0);
	assert_int_equal(hook_deploy(h, &second), -1);
	hook_clean_up(h, &first);
	saw(text);
	assert_non_null(strstr(hook_failure(h), "deploy_challenge ended with exit code 1"));
	hook_free(h);
}

static void uacmes_done_tells_success(void **state)
{
	struct chancery_challenge valid = http;
	struct hook *h = make(HOOK_UACME);

	(void)state;
	valid.valid = 1;
	write_program("exit 0");
	hook_clean_up(h, &valid);
	saw("[done]\n[http-01]\n[example.org]\n[tok]\n[tok.thumb]\nUACME_AUTH=tok.thumb\nUACME_IDENT=example.org\nUACME_METHOD=done\n"
	    "UACME_TOKEN=tok\nUACME_TYPE=http-01\n");
	hook_free(h);
}

static void a_program_that_fails_is_a_failure_and_uacmes_declines(void **state)
{
	struct chancery_challenge last = dns;

	(void)state;
	last.remaining = 0;
	write_program("echo 'zone is locked' >&2; echo >&2; exit 3");
	for (unsigned d = 0; d < HOOK__MAX; d++) {
		if (hook_dialect_is_url((enum hook_dialect)d))
			continue;
		struct hook *h = make((enum hook_dialect)d);
		assert_int_equal(hook_deploy(h, &last), d == HOOK_UACME ? CHANCERY_DECLINE : -1);
		assert_non_null(strstr(hook_failure(h), "exit code 3: zone is locked"));
		hook_free(h);
	}
}

static void a_program_that_is_none(void **state)
{
	struct hook *h = make(HOOK_LEGO);

	(void)state;
	unlink(program);
	assert_int_equal(hook_deploy(h, &dns), -1);
	assert_non_null(strstr(hook_failure(h), "cannot be run: No such file"));
	hook_free(h);
}

static void dialects_have_names(void **state)
{
	static const char *const said[HOOK__MAX] = {
#define X(code, name, say, http, dns, tls, what) [HOOK_##code] = (name),
#include "agent/dialect.def"
#undef X
	};
	enum hook_dialect d;

	(void)state;
	for (unsigned i = 0; i < HOOK__MAX; i++)
		assert_true(hook_dialect_from_name(said[i], &d) && d == i);
	assert_false(hook_dialect_from_name("certbo", &d));
	assert_false(hook_dialect_solves(HOOK_LEGO, "http-01"));
	assert_false(hook_dialect_solves(HOOK_CERTBOT, "tls-alpn-01"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dialects_say_what_their_programs_expect),
		cmocka_unit_test(a_chain_is_one_run),
		cmocka_unit_test(uacmes_done_tells_success),
		cmocka_unit_test(a_program_that_fails_is_a_failure_and_uacmes_declines),
		cmocka_unit_test(a_program_that_is_none),
		cmocka_unit_test(dialects_have_names),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
