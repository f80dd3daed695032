#include "base/event.h"

#include "base/json.h"
#include "base/seam.h"
#include "base/test_support.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int pipe_fds[2];
static char line[8192];

static int64_t fixed_ms(void)
{
	return INT64_C(1795420800007);
}

static int set_up(void **state)
{
	static struct seam fake;

	(void)state;
	fake = seam_libc;
	fake.wall_ms = fixed_ms;
	seam = &fake;
	return pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK);
}

static int tear_down(void **state)
{
	(void)state;
	seam = &seam_libc;
	event_set_sink(NULL, NULL, EVENT_DEBUG);
	close(pipe_fds[0]);
	return close(pipe_fds[1]);
}

/* What the sink wrote. */
static const char *written(void)
{
	ssize_t n = read(pipe_fds[0], line, sizeof line - 1);

	line[n > 0 ? n : 0] = 0;
	return line;
}

static struct event_lines *lines(bool json)
{
	static struct event_lines l;

	l = (struct event_lines){ pipe_fds[1], "front", json };
	event_set_sink(event_lines_sink, &l, EVENT_DEBUG);
	return &l;
}

static void an_event_is_one_line(void **state)
{
	(void)state;
	lines(false);
	event(EVENT_INFO, "certificate.issued", EVENT_STR("serial", "03af"), EVENT_STR("names", "a.example b.example"));
	assert_string_equal(
	    written(), "2026-11-23T08:00:00.007Z info front certificate.issued serial=03af names=\"a.example b.example\"\n");
	event_raise(EVENT_WARNING, "bare", NULL, 0);
	assert_string_equal(written(), "2026-11-23T08:00:00.007Z warning front bare\n");
}

static void values_are_quoted_where_they_need_it(void **state)
{
	const struct {
		struct bytes value;
		const char *text;
	} cases[] = {
		{ BYTES_LIT("plain/1.2:3,[x]{}'"), "k=plain/1.2:3,[x]{}'" },
		{ BYTES_LIT(""), "k=\"\"" },
		{ { NULL, 0 }, "k=\"\"" },
		{ BYTES_LIT("a b"), "k=\"a b\"" },
		{ BYTES_LIT("a=b"), "k=\"a=b\"" },
		{ BYTES_LIT("a\"b\\c"), "k=\"a\\\"b\\\\c\"" },
		{ BYTES_LIT("a\nb\rc\td"), "k=\"a\\nb\\rc\\td\"" },
		{ BYTES_LIT("x\n2026-11-23T08:00:00.007Z error front forged"), "k=\"x\\n2026-11-23T08:00:00.007Z error front forged\"" },
		{ BYTES_LIT("\0\x1b[2J\x7f"), "k=\"\\u0000\\u001b[2J\\u007f\"" },
		{ BYTES_LIT("\xc2\x85\xe2\x80\xa8\xe2\x80\xae"), "k=\"\\u0085\\u2028\\u202e\"" },
		{ BYTES_LIT("\xf3\xa0\x81\x81"), "k=\"\\U000e0041\"" }, /* a tag character, which nobody would see */
		{ BYTES_LIT("caf\xc3\xa9"), "k=\"caf\xc3\xa9\"" },
		{ BYTES_LIT("\xff\xc3"), "k=\"\\xff\\xc3\"" },
	};

	(void)state;
	lines(false);
	for (size_t i = 0; i < LENGTH(cases); i++) {
		event_raise(EVENT_INFO, "e", &(struct event_field){ "k", cases[i].value }, 1);
		const char *got = written() + strlen("2026-11-23T08:00:00.007Z info front e ");
		assert_int_equal(strlen(got), strlen(cases[i].text) + 1);
		assert_memory_equal(got, cases[i].text, strlen(cases[i].text));
	}
}

/* No byte and no pair of bytes that a peer may send ends a line before its end. */
static void no_value_forges_a_line(void **state)
{
	(void)state;
	for (unsigned json = 0; json < 2; json++) {
		lines(json);
		for (unsigned v = 0; v < 65536; v += v < 512 ? 1 : 97) {
			uint8_t raw[2] = { (uint8_t)(v >> 8), (uint8_t)v };
			event_raise(EVENT_INFO, "e", &(struct event_field){ "k", BYTES_ARRAY(raw) }, 1);
			const char *text = written();
			size_t n = strlen(text);
			assert_true(n > 0);
			assert_ptr_equal(strchr(text, '\n'), text + n - 1);
			for (size_t i = 0; i + 1 < n; i++)
				assert_true((uint8_t)text[i] >= ' ');
			if (json)
				assert_int_equal(json_check((struct bytes){ (const uint8_t *)text, n - 1 }, NULL), ERR_OK);
		}
	}
}

static void an_event_is_one_json_object(void **state)
{
	(void)state;
	lines(true);
	event(EVENT_ERROR, "tls.failed", EVENT_STR("peer", "192.0.2.1"), EVENT_STR("why", "a \"b\"\n"));
	assert_string_equal(written(), "{\"time\":\"2026-11-23T08:00:00.007Z\",\"level\":\"error\",\"process\":\"front\","
				       "\"event\":\"tls.failed\",\"peer\":\"192.0.2.1\",\"why\":\"a \\\"b\\\"\\n\"}\n");
}

static void events_carry_their_request(void **state)
{
	(void)state;
	lines(false);
	event_set_request(0xabc);
	event(EVENT_INFO, "order.made", EVENT_STR("id", "x"));
	assert_string_equal(written(), "2026-11-23T08:00:00.007Z info front order.made request=0000000000000abc id=x\n");
	lines(true);
	event_raise(EVENT_INFO, "bare", NULL, 0);
	assert_non_null(strstr(written(), "\"event\":\"bare\",\"request\":\"0000000000000abc\"}"));
	event_set_request(0);
	event_raise(EVENT_INFO, "bare", NULL, 0);
	assert_null(strstr(written(), "request"));
}

/* A long event loses values and says so, but stays one line of at most 4,096 bytes: what a pipe takes whole. */
static void a_long_event_is_cut_and_says_so(void **state)
{
	uint8_t value[3000];
	struct event_field fields[12];

	(void)state;
	for (size_t i = 0; i < sizeof value; i++)
		value[i] = (uint8_t) "\xe2\x82\xac"[i % 3];
	for (size_t i = 0; i < LENGTH(fields); i++)
		fields[i] = (struct event_field){ "k", BYTES_ARRAY(value) };
	for (unsigned json = 0; json < 2; json++) {
		lines(json);
		for (size_t n = 0; n <= LENGTH(fields); n++) {
			event_raise(EVENT_INFO, "e", fields, json ? (n > 1) : n); /* a JSON object has one "k" */
			const char *text = written();
			size_t len = strlen(text);
			assert_true(len <= 4096);
			assert_ptr_equal(strchr(text, '\n'), text + len - 1);
			assert_null(strstr(text, "\\x"));
			if (!json)
				assert_int_equal(strstr(text, " truncated=true\n") != NULL, n > 3);
		}
	}
	for (size_t i = 0; i < sizeof value; i++)
		value[i] = 1;
	fields[1].key = "l";
	lines(true);
	event_raise(EVENT_INFO, "e", fields, 2);
	const char *text = written();
	assert_int_equal(json_check((struct bytes){ (const uint8_t *)text, strlen(text) - 1 }, NULL), ERR_OK);
	assert_non_null(strstr(text, "\"truncated\":true}"));
}

static void an_error_becomes_an_event(void **state)
{
	struct err e = { 0 };

	(void)state;
	lines(false);
	errno = EACCES;
	(void)err_set(&e, ERR_IO, "store.c", 12, "cannot open the log");
	event_error(EVENT_ERROR, "store.failed", &e);
	assert_string_equal(written(), "2026-11-23T08:00:00.007Z error front store.failed code=IO detail=\"cannot open the log\" "
				       "errno=13 at=store.c:12\n");
	event_error(EVENT_ERROR, "nothing", &(struct err){ 0 });
	assert_non_null(strstr(written(), "at=?:0"));
}

static unsigned calls;

static void counting_sink(void *ctx, enum event_level level, const char *name, const struct event_field *fields, size_t n_fields)
{
	assert_ptr_equal(ctx, &calls);
	assert_true(level >= EVENT_NOTICE);
	assert_string_equal(name, "n");
	assert_int_equal(n_fields, 1);
	assert_string_equal(fields[0].key, "k");
	calls++;
}

static void a_sink_gets_what_it_asked_for(void **state)
{
	(void)state;
	event(EVENT_ERROR, "dropped", EVENT_STR("k", "v"));
	event_set_sink(counting_sink, &calls, EVENT_NOTICE);
	for (int level = EVENT_DEBUG; level <= EVENT_ERROR; level++)
		event((enum event_level)level, "n", EVENT_STR("k", "v"));
	assert_int_equal(calls, 3);
	event_set_sink(NULL, NULL, EVENT_DEBUG);
	event(EVENT_ERROR, "dropped", EVENT_STR("k", "v"));
	assert_int_equal(calls, 3);
}

static void a_sink_that_cannot_write_stays_silent(void **state)
{
	struct event_lines l = { -1, "front", false };

	(void)state;
	event_lines_sink(&l, EVENT_ERROR, "e", NULL, 0);
}

static int64_t played_ms;

static int64_t play(void)
{
	return played_ms;
}

static void what_a_peer_can_cause_is_bounded(void **state)
{
	struct seam played = seam_libc;
	struct event_limit limit = { 0 };
	uint64_t left_out;
	unsigned admitted = 0;

	(void)state;
	played.monotonic_ms = play;
	seam = &played;
	played_ms = 5000;
	for (int i = 0; i < 100; i++)
		admitted += event_admit(&limit, &left_out);
	assert_int_equal(admitted, EVENT_LIMIT_A_SECOND);
	played_ms = 6000;
	assert_true(event_admit(&limit, &left_out));
	assert_int_equal(left_out, 100 - EVENT_LIMIT_A_SECOND);
	played_ms = 7000;
	assert_true(event_admit(&limit, &left_out));
	assert_int_equal(left_out, 0);
	seam = &seam_libc;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_peer_can_cause_is_bounded),
		cmocka_unit_test_setup_teardown(an_event_is_one_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(values_are_quoted_where_they_need_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_value_forges_a_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_event_is_one_json_object, set_up, tear_down),
		cmocka_unit_test_setup_teardown(events_carry_their_request, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_long_event_is_cut_and_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_error_becomes_an_event, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_sink_gets_what_it_asked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_sink_that_cannot_write_stays_silent, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
