/* Programs that say something, fail, never end, leave others behind. */
#include "agent/run.h"

#include "base/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct run_result run(const char *script, const char *const *env, uint32_t timeout_s, enum err_code code)
{
	const char *argv[] = { "sh", "-c", script, "a name", NULL };
	struct run_request r = { .argv = argv, .env = env, .timeout_s = timeout_s };
	struct run_result ret;
	struct err e = { 0 };

	assert_int_equal(run_program(&r, &ret, &e), code);
	return ret;
}

static void output_code_and_environment(void **state)
{
	const char *env[] = { "SAID=this", "PATH_INFO=x", NULL };

	(void)state;
	assert_int_equal(setenv("SAID", "that", 1), 0);
	assert_int_equal(setenv("KEPT", "kept", 1), 0);
	struct run_result r = run("echo $SAID $KEPT; echo oh no >&2; cat; exit 7", env, 10, ERR_OK);
	assert_int_equal(r.code, 7);
	assert_true(bytes_eq_str(buf_bytes(&r.out), "this kept\n"));
	assert_true(bytes_eq_str(buf_bytes(&r.err), "oh no\n"));
	run_result_free(&r);
	r = run("kill -9 $$", NULL, 10, ERR_OK);
	assert_int_equal(r.code, 128 + 9);
	run_result_free(&r);
}

static void much_output_is_cut_and_blocks_nobody(void **state)
{
	(void)state;
	struct run_result r = run("head -c 1000000 /dev/zero; exit 3", NULL, 20, ERR_OK);
	assert_int_equal(r.code, 3);
	assert_int_equal(r.out.len, RUN_OUTPUT_MAX);
	run_result_free(&r);
}

static void what_never_ends_is_ended_with_all_its_children(void **state)
{
	(void)state;
	struct run_result r = run("sleep 600 & echo $!; trap '' TERM; sleep 600", NULL, 1, ERR_TIMEOUT);
	buf_add_u8(&r.out, 0);
	pid_t child = (pid_t)atol((const char *)r.out.ptr);
	assert_true(child > 1);
	for (int i = 0; i < 100 && kill(child, 0) == 0; i++)
		usleep(50000);
	assert_int_not_equal(kill(child, 0), 0);
	run_result_free(&r);
}

/* A daemon that keeps the pipes open. */
static void what_is_left_behind_is_not_waited_for(void **state)
{
	int64_t begun_ms = clock_monotonic_ms();

	(void)state;
	struct run_result r = run("setsid sleep 30 & exit 0", NULL, 20, ERR_OK);
	assert_int_equal(r.code, 0);
	assert_true(clock_monotonic_ms() - begun_ms < 20000);
	run_result_free(&r);
}

static void what_is_no_program(void **state)
{
	const char *argv[] = { "/nonexistent/program", NULL };
	struct run_request q = { .argv = argv, .timeout_s = 10 };
	struct run_result r;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(run_program(&q, &r, &e), ERR_CONFIG);
	assert_non_null(strstr(e.detail, "/nonexistent/program cannot be run: No such file"));
	run_result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_code_and_environment),
		cmocka_unit_test(much_output_is_cut_and_blocks_nobody),
		cmocka_unit_test(what_never_ends_is_ended_with_all_its_children),
		cmocka_unit_test(what_is_left_behind_is_not_waited_for),
		cmocka_unit_test(what_is_no_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
