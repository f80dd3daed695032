#include "dns/ask_once.h"
#include "dns/packet.h"
#include "dns/stub_dns.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct event_base *base;
	struct stub_dns *dns;
	struct resolver *resolver;
};

static struct resolver *make(struct event_base *base, const char *forward, const char *anchor)
{
	struct bytes f = bytes_str(forward), a = bytes_str(anchor);
	struct resolver_config c = { .forward = &f, .n_forward = forward != NULL, .anchors = &a, .n_anchors = 1 };
	struct resolver *r;
	struct err e = { 0 };

	if (resolver_new(base, &c, &r, &e) != ERR_OK)
		fail_msg("%s", e.detail);
	return r;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	char at[32];

	f->base = event_base_new();
	f->dns = stub_dns_start();
	(void)snprintf(at, sizeof at, "127.0.0.1:%u", stub_dns_port(f->dns));
	f->resolver = make(f->base, at, "none");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	resolver_free(f->resolver);
	stub_dns_stop(f->dns);
	event_base_free(f->base);
	free(f);
	return 0;
}

static void answers_addresses(void **state)
{
	struct fixture *f = *state;

	stub_dns_address(f->dns, "a.test", "192.0.2.7");
	stub_dns_address(f->dns, "a.test", "192.0.2.8");
	stub_dns_address(f->dns, "a.test", "2001:db8::1");
	struct asked a = ask_once(f->base, f->resolver, "a.test", DNS_TYPE_A);
	assert_int_equal(a.code, ERR_OK);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.first_len, 4);
	assert_int_equal(a.security, RESOLVER_OFF);
	assert_in_range(a.ttl_s, 1, 60); /* what is kept longer would hide what an applicant mended */
	a = ask_once(f->base, f->resolver, "a.test", DNS_TYPE_AAAA);
	assert_int_equal(a.n, 1);
	assert_memory_equal(a.first, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	/* from the cache, and again not before the question was taken */
	a = ask_once(f->base, f->resolver, "a.test", DNS_TYPE_A);
	assert_int_equal(a.n, 2);
	assert_int_equal(stub_dns_asked(f->dns, "a.test", DNS_TYPE_A), 2); /* one question, two records */
}

static void answers_caa(void **state)
{
	struct fixture *f = *state;

	stub_dns_caa(f->dns, "c.test", 128, "issue", "ca.example");
	struct asked a = ask_once(f->base, f->resolver, "c.test", DNS_TYPE_CAA);
	assert_int_equal(a.code, ERR_OK);
	assert_int_equal(a.n, 1);
	assert_memory_equal(a.first, "\200\5issueca.example", 17);
}

static void follows_cnames(void **state)
{
	struct fixture *f = *state;

	stub_dns_cname(f->dns, "alias.test", "real.test");
	stub_dns_address(f->dns, "real.test", "192.0.2.7");
	struct asked a = ask_once(f->base, f->resolver, "alias.test", DNS_TYPE_A);
	assert_int_equal(a.code, ERR_OK);
	assert_int_equal(a.n, 1);
	assert_string_equal(a.canonical, "real.test");
	a = ask_once(f->base, f->resolver, "alias.test", DNS_TYPE_CAA);
	assert_int_equal(a.code, ERR_OK);
	assert_int_equal(a.n, 0);
}

static void tells_nothing_there_from_no_such_name(void **state)
{
	struct fixture *f = *state;

	stub_dns_address(f->dns, "a.test", "192.0.2.7");
	struct asked a = ask_once(f->base, f->resolver, "a.test", DNS_TYPE_CAA);
	assert_int_equal(a.code, ERR_OK);
	assert_false(a.nxdomain);
	assert_int_equal(a.n, 0);
	a = ask_once(f->base, f->resolver, "none.test", DNS_TYPE_A);
	assert_int_equal(a.code, ERR_OK);
	assert_true(a.nxdomain);
}

static void tells_failures_with_name_and_type(void **state)
{
	struct fixture *f = *state;

	stub_dns_behave(f->dns, "fail.test", DNS_TYPE_CAA, STUB_SERVFAIL);
	struct asked a = ask_once(f->base, f->resolver, "fail.test", DNS_TYPE_CAA);
	assert_int_equal(a.code, ERR_DNS);
	assert_string_equal(a.detail, "SERVFAIL for CAA of fail.test");
	stub_dns_behave(f->dns, "refused.test", DNS_TYPE_A, STUB_REFUSED);
	a = ask_once(f->base, f->resolver, "refused.test", DNS_TYPE_A);
	assert_int_equal(a.code, ERR_DNS);
	assert_non_null(strstr(a.detail, "for A of refused.test"));
	a = ask_once(f->base, f->resolver, "unheard.test", 65280);
	assert_int_equal(a.code, ERR_OK);
}

static void asks_again_by_tcp_when_truncated(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 60; i++) {
		char value[128];
		(void)snprintf(
		    value, sizeof value, "ca%d.example; accounturi=https://ca.example/acme/acct/with-a-rather-long-name-%d", i, i);
		stub_dns_caa(f->dns, "big.test", 0, "issue", value);
	}
	stub_dns_behave(f->dns, "big.test", DNS_TYPE_CAA, STUB_TRUNCATES);
	struct asked a = ask_once(f->base, f->resolver, "big.test", DNS_TYPE_CAA);
	assert_int_equal(a.code, ERR_OK);
	assert_int_equal(a.n, 60);
	assert_true(stub_dns_tcp(f->dns) > 0);
}

/* RFC 6761 §6.3: libunbound's own zone; a demonstration CA rests on it. */
static void localhost_is_the_loopback_everywhere(void **state)
{
	struct fixture *f = *state;
	struct resolver *own = make(f->base, NULL, "builtin");

	for (int i = 0; i < 2; i++) {
		struct resolver *r = i ? own : f->resolver;
		struct asked a = ask_once(f->base, r, "localhost", DNS_TYPE_A);
		assert_int_equal(a.n, 1);
		assert_memory_equal(a.first, "\x7f\0\0\1", 4);
		assert_int_equal(a.security, i ? RESOLVER_INSECURE : RESOLVER_OFF);
		a = ask_once(f->base, r, "localhost", DNS_TYPE_AAAA);
		assert_memory_equal(a.first, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
		a = ask_once(f->base, r, "localhost", DNS_TYPE_CAA);
		assert_int_equal(a.code, ERR_OK);
		assert_false(a.nxdomain);
		assert_int_equal(a.n, 0);
	}
	resolver_free(own);
	assert_int_equal(stub_dns_asked(f->dns, "localhost", 0), 0);
}

static void cancelled_questions_call_nobody(void **state)
{
	struct fixture *f = *state;
	struct asked a = { .base = f->base };
	struct resolver_query *q[4];

	stub_dns_behave(f->dns, "silent.test", DNS_TYPE_A, STUB_SILENT);
	assert_int_equal(resolver_ask(f->resolver, BYTES_LIT("silent.test"), 1, asked_done, &a, &q[0], NULL), ERR_OK);
	assert_int_equal(resolver_ask(f->resolver, BYTES_LIT("localhost"), 1, asked_done, &a, &q[1], NULL), ERR_OK);
	assert_int_equal(resolver_ask(f->resolver, BYTES_LIT("silent.test"), 1, asked_done, &a, &q[2], NULL), ERR_OK);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	a.calls = 0;
	resolver_cancel(q[0]);
	assert_int_equal(resolver_ask(f->resolver, BYTES_LIT("localhost"), 28, asked_done, &a, &q[3], NULL), ERR_OK);
	resolver_cancel(q[3]);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_int_equal(a.calls, 0);
	/* q[2] is under way when the resolver goes */
}

static void free_in_answer(void *ctx, const struct resolver_answer *answer)
{
	struct fixture *f = ctx;

	resolver_free(f->resolver);
	f->resolver = NULL;
	assert_int_equal(answer->code, ERR_OK); /* the answer outlives it */
	assert_int_equal(answer->n_records, 1);
	event_base_loopbreak(f->base);
}

static void may_be_freed_by_its_asker(void **state)
{
	struct fixture *f = *state;
	struct resolver_query *q, *other;
	struct asked a = { .base = f->base };

	stub_dns_address(f->dns, "a.test", "192.0.2.7");
	stub_dns_behave(f->dns, "silent.test", DNS_TYPE_A, STUB_SILENT);
	assert_int_equal(resolver_ask(f->resolver, BYTES_LIT("silent.test"), 1, asked_done, &a, &other, NULL), ERR_OK);
	assert_int_equal(resolver_ask(f->resolver, BYTES_LIT("a.test"), 1, free_in_answer, f, &q, NULL), ERR_OK);
	event_base_dispatch(f->base);
	assert_null(f->resolver);
	assert_int_equal(a.calls, 0);
}

static enum err_code try_config(struct fixture *f, const char *forward, const char *anchor, size_t n_anchors, struct err *e)
{
	struct bytes to = bytes_str(forward), anchors[2] = { bytes_str(anchor), BYTES_LIT("none") };
	struct resolver_config c = { .forward = &to, .n_forward = 1, .anchors = anchors, .n_anchors = n_anchors };
	struct resolver *r = NULL;
	enum err_code rc = resolver_new(f->base, &c, &r, e);

	if (rc == ERR_OK)
		resolver_free(r);
	return rc;
}

static void refuses_bad_configuration(void **state)
{
	static const char *const good[] = { "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:5353" };
	static const char *const bad[] = { "", "dns.example", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:5x",
		"[2001:db8::1", "[2001:db8::1]x", "192.0.2.1@53" };
	struct fixture *f = *state;
	struct err e = { 0 };

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(try_config(f, good[i], "builtin", 1, &e), ERR_OK);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(try_config(f, bad[i], "builtin", 1, &e), ERR_CONFIG);
	assert_int_equal(try_config(f, good[0], "", 0, &e), ERR_CONFIG);
	assert_int_equal(try_config(f, good[0], "", 1, &e), ERR_CONFIG);
	assert_int_equal(try_config(f, good[0], "not a DS record", 1, &e), ERR_CONFIG);
	assert_int_equal(try_config(f, good[0], "builtin", 2, &e), ERR_CONFIG); /* none beside another */
	assert_int_equal(
	    try_config(f, good[0], "example.org. IN DS 1 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", 1, &e),
	    ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_caa, setup, teardown),
		cmocka_unit_test_setup_teardown(follows_cnames, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_nothing_there_from_no_such_name, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_failures_with_name_and_type, setup, teardown),
		cmocka_unit_test_setup_teardown(asks_again_by_tcp_when_truncated, setup, teardown),
		cmocka_unit_test_setup_teardown(localhost_is_the_loopback_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled_questions_call_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(may_be_freed_by_its_asker, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_bad_configuration, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
