/* Which context is asked: that no TXT answer is older than its question, and that there are never many. */
#include "dns/context.h"

#include "dns/ask_once.h"
#include "dns/packet.h"
#include "dns/stub_dns.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
	struct event_base *base;
	struct stub_dns *dns;
	struct contexts *contexts;
	struct resolver *resolver;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	char at[32];

	f->base = event_base_new();
	f->dns = stub_dns_start();
	(void)snprintf(at, sizeof at, "127.0.0.1:%u", stub_dns_port(f->dns));
	struct bytes forward = bytes_str(at), none = BYTES_LIT("none");
	struct resolver_config c = { .forward = &forward, .n_forward = 1, .anchors = &none, .n_anchors = 1 };
	assert_int_equal(contexts_new(f->base, &c, &f->contexts, NULL), ERR_OK);
	assert_int_equal(resolver_new(f->base, &c, &f->resolver, NULL), ERR_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	resolver_free(f->resolver);
	contexts_free(f->contexts);
	stub_dns_stop(f->dns);
	event_base_free(f->base);
	free(f);
	return 0;
}

static struct context *take(struct fixture *f, const char *name, bool fresh)
{
	struct context *x = NULL;

	assert_int_equal(contexts_take(f->contexts, bytes_str(name), fresh, &x, NULL), ERR_OK);
	assert_non_null(x);
	return x;
}

static void one_is_kept_for_all_else(void **state)
{
	struct fixture *f = *state;
	struct context *a = take(f, "a.test", false), *b = take(f, "a.test", false);

	assert_ptr_equal(a, b);
	context_release(a, true);
	assert_ptr_equal(take(f, "a.test", false), a);
	context_release(a, false);
	context_release(b, false);
	assert_int_equal(contexts_made(f->contexts), 1);
}

static void names_share_one_until_a_name_comes_again(void **state)
{
	struct fixture *f = *state;
	struct context *a = take(f, "a.test", true), *b = take(f, "b.test", true);

	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, take(f, "x.test", false));
	struct context *again = take(f, "a.test", true);
	assert_ptr_not_equal(a, again);
	assert_ptr_equal(take(f, "c.test", true), again);
	assert_int_equal(contexts_made(f->contexts), 3);
	context_release(a, false);
	context_release(b, false);
	context_release(again, false);
	context_release(again, false);
	assert_ptr_equal(take(f, "d.test", true), again);
	context_release(again, false);
}

static void a_spent_one_is_asked_no_more(void **state)
{
	struct fixture *f = *state;
	struct context *a = take(f, "a.test", true), *b = take(f, "b.test", true);

	assert_ptr_equal(a, b);
	context_release(a, true);
	assert_ptr_not_equal(take(f, "c.test", true), b); /* b lives on until its answer */
	context_release(b, false);
	assert_int_equal(contexts_made(f->contexts), 3);
}

static void after_many_names_there_is_another(void **state)
{
	struct fixture *f = *state;
	char name[32];

	for (int i = 0; i < 2 * CONTEXT_NAMES_MAX; i++) {
		(void)snprintf(name, sizeof name, "n%d.test", i);
		context_release(take(f, name, true), false);
	}
	assert_int_equal(contexts_made(f->contexts), 3);
}

static void there_are_never_many(void **state)
{
	struct fixture *f = *state;
	struct context *v[2 * CONTEXTS_MAX];

	for (int i = 0; i < 2 * CONTEXTS_MAX; i++)
		v[i] = take(f, "a.test", true);
	assert_int_equal(contexts_made(f->contexts), 1 + CONTEXTS_MAX);
	assert_ptr_equal(v[CONTEXTS_MAX - 1], v[2 * CONTEXTS_MAX - 1]);
	for (int i = 0; i < 2 * CONTEXTS_MAX; i++)
		context_release(v[i], true);
	context_release(take(f, "a.test", true), false);
	assert_int_equal(contexts_made(f->contexts), 2 + CONTEXTS_MAX);
}

static void a_record_that_was_changed_is_seen(void **state)
{
	struct fixture *f = *state;

	for (unsigned n = 0; n < 3; n++) {
		struct asked a = ask_once(f->base, f->resolver, "t.test", DNS_TYPE_TXT);
		assert_int_equal(a.code, ERR_OK);
		assert_int_equal(a.n, n);
		stub_dns_add(f->dns, "t.test", DNS_TYPE_TXT, BYTES_LIT("\1x"));
	}
	stub_dns_cname(f->dns, "alias.test", "t.test");
	assert_int_equal(ask_once(f->base, f->resolver, "alias.test", DNS_TYPE_TXT).n, 3);
	stub_dns_add(f->dns, "t.test", DNS_TYPE_TXT, BYTES_LIT("\1y"));
	assert_int_equal(ask_once(f->base, f->resolver, "t.test", DNS_TYPE_TXT).n, 4);
	/* others are asked for once a minute */
	stub_dns_address(f->dns, "h.test", "192.0.2.1");
	assert_int_equal(ask_once(f->base, f->resolver, "h.test", DNS_TYPE_A).n, 1);
	stub_dns_address(f->dns, "h.test", "192.0.2.2");
	assert_int_equal(ask_once(f->base, f->resolver, "h.test", DNS_TYPE_A).n, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_is_kept_for_all_else),
		T(names_share_one_until_a_name_comes_again),
		T(a_spent_one_is_asked_no_more),
		T(after_many_names_there_is_another),
		T(there_are_never_many),
		T(a_record_that_was_changed_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
