#include "server/front/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define STATUS(front, validator)                                                                                                          \
	"{\"version\":\"1.2\",\"directory\":\"https://x\",\"ready\":true,\"processes\":{"                                                 \
	"\"front\":{\"state\":\"ready\",\"pid\":1,\"jail\":\"\",\"starts\":2,\"counts\":" front "},\"validator\":{\"state\":\"" validator \
	"\",\"pid\":2,\"jail\":\"\",\"starts\":1,\"counts\":{\"front\":true}},"                                                           \
	"\"signer\":{\"state\":\"ready\",\"pid\":3,\"jail\":\"\",\"starts\":1}}}"
#define FRONT                                                                                                                   \
	"{\"issued\":7,\"signer_connected\":true,\"limits\":{\"keys\":3,\"refused\":{\"orders-per-account\":4}},\"problems\":{" \
	"\"A\\\"B\":5,\"text\":\"x\"},\"tls_not_after\":\"never\",\"unknown\":1}"

static struct arena *a;
static struct buf out;

static int set_up(void **state)
{
	(void)state;
	a = arena_new(65536, 1u << 20);
	out = buf_new(METRICS_MAX);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(a);
	buf_free(&out);
	return 0;
}

static const char *written(const char *status)
{
	struct err e = { 0 };

	assert_int_equal(metrics_write(a, bytes_str(status), &out, &e), ERR_OK);
	return arena_str(a, buf_bytes(&out));
}

static void numbers_become_samples(void **state)
{
	(void)state;
	const char *text = written(STATUS(FRONT, "ready"));
	assert_non_null(strstr(text, "# TYPE chancery_front_certificates_total counter\nchancery_front_certificates_total 7\n"));
	assert_non_null(strstr(text, "# TYPE chancery_front_signer_connected gauge\nchancery_front_signer_connected 1\n"));
	assert_non_null(strstr(text, "\nchancery_front_limits_keys 3\n"));
	assert_non_null(strstr(text, "\nchancery_front_limits_refused_total{limit=\"orders-per-account\"} 4\n"));
	assert_non_null(strstr(text, "\nchancery_build_info{version=\"1.2\"} 1\n"));
	assert_non_null(strstr(text, "\nchancery_process_starts_total{process=\"front\"} 2\n"));
	assert_non_null(strstr(text, "\nchancery_process_up{process=\"signer\"} 1\n"));
	assert_null(strstr(text, "unknown"));
	assert_null(strstr(text, "never"));
}

static void labels_are_escaped(void **state)
{
	(void)state;
	const char *text = written(STATUS(FRONT, "ready"));
	assert_non_null(strstr(text, "\nchancery_front_problems_total{problem=\"A\\\"B\"} 5\n"));
	assert_null(strstr(text, "problem=\"text\""));
}

static void what_is_no_status_is_refused(void **state)
{
	static const char *const wrong[] = { "", "{}", "[]", "{\"version\":\"1\",\"ready\":true,\"processes\":{\"front\":1}}" };
	struct err e = { 0 };
	bool ok;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(metrics_write(a, bytes_str(wrong[i]), &out, &e), ERR_MALFORMED);
		assert_int_equal(metrics_health(a, bytes_str(wrong[i]), &ok, &out, &e), ERR_MALFORMED);
	}
}

static void health_says_what_is_wrong(void **state)
{
	struct err e = { 0 };
	bool ok = false;

	(void)state;
	assert_int_equal(metrics_health(a, bytes_str(STATUS(FRONT, "ready")), &ok, &out, &e), ERR_OK);
	assert_true(ok);
	assert_true(bytes_eq_str(buf_bytes(&out), "{\"status\":\"ok\"}"));
	buf_reset(&out);
	assert_int_equal(metrics_health(a, bytes_str(STATUS("{\"signer_connected\":false}", "down")), &ok, &out, &e), ERR_OK);
	assert_false(ok);
	assert_true(bytes_eq_str(buf_bytes(&out),
	    "{\"status\":\"failing\",\"reasons\":[\"the validator is down\",\"front and signer do not talk to each other\"]}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(numbers_become_samples, set_up, tear_down),
		cmocka_unit_test_setup_teardown(labels_are_escaped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_status_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(health_says_what_is_wrong, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
