#include "client/fiber.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct fiber *make(fiber_fn *run, void *arg)
{
	struct fiber *f = NULL;

	assert_int_equal(fiber_new(run, arg, &f, NULL), ERR_OK);
	return f;
}

struct counting {
	struct fiber *f;
	int at, until;
	uintptr_t stack; /* where it runs */
};

/* Stops from within calls: what is on its stack is still there after. */
static int deep(struct counting *c, int level)
{
	volatile char here[256];

	memset((char *)(uintptr_t)here, level, sizeof here);
	c->stack = (uintptr_t)__builtin_frame_address(0);
	if (level > 0) {
		int below = deep(c, level - 1);
		for (size_t i = 0; i < sizeof here; i++)
			assert_int_equal(here[i], level);
		return below + 1;
	}
	for (; c->at < c->until; c->at++)
		fiber_suspend(c->f);
	return 0;
}

static void count(void *arg)
{
	struct counting *c = arg;

	assert_int_equal(deep(c, 20), 20);
}

static void it_stops_and_goes_on(void **state)
{
	struct counting c = { .until = 1000 };
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	(void)state;
	c.f = make(count, &c);
	for (int i = 0; i < 1000; i++) {
		assert_true(fiber_resume(c.f));
		assert_int_equal(c.at, i);
		errno = i; /* of the thread, not of either */
	}
	assert_false(fiber_resume(c.f));
	assert_int_equal(c.at, 1000);
	assert_true(c.stack < here - 65536 || c.stack > here + 65536);
	fiber_free(c.f);
}

static void many_side_by_side(void **state)
{
	struct counting c[50];
	size_t left = 50;

	(void)state;
	for (int i = 0; i < 50; i++) {
		c[i] = (struct counting){ .until = i };
		c[i].f = make(count, &c[i]);
	}
	for (int round = 0; left > 0; round++)
		for (int i = 0; i < 50; i++)
			if (round <= i && !fiber_resume(c[i].f)) {
				assert_int_equal(round, i);
				left--;
			}
	for (int i = 0; i < 50; i++)
		fiber_free(c[i].f);
}

struct outer {
	struct fiber *self;
	struct counting inner;
};

/* One that drives another. */
static void nested(void *arg)
{
	struct outer *o = arg;

	while (fiber_resume(o->inner.f))
		fiber_suspend(o->self);
}

static void one_within_another(void **state)
{
	struct outer o = { .inner = { .until = 10 } };
	int turns = 0;

	(void)state;
	o.inner.f = make(count, &o.inner);
	o.self = make(nested, &o);
	while (fiber_resume(o.self))
		turns++;
	assert_int_equal(turns, 10);
	fiber_free(o.self);
	fiber_free(o.inner.f);
}

static void what_was_never_run_is_freed(void **state)
{
	struct counting c = { .until = 1 };

	(void)state;
	fiber_free(make(count, &c));
	fiber_free(NULL);
}

static int bottomless(volatile char *above, int n)
{
	volatile char here[4096];

	here[0] = above ? above[0] : 0;
	return n > 0 ? bottomless(here, n - 1) + here[0] : 0;
}

static void fall(void *arg)
{
	*(int *)arg = bottomless(NULL, 100000);
}

/* The page below the stack: no other memory is written to. */
static void too_deep_is_an_end(void **state)
{
	int status, ignored = 0;

	(void)state;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)close(STDERR_FILENO); /* a sanitizer's report */
		(void)fiber_resume(make(fall, &ignored));
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_stops_and_goes_on),
		cmocka_unit_test(many_side_by_side),
		cmocka_unit_test(one_within_another),
		cmocka_unit_test(what_was_never_run_is_freed),
		cmocka_unit_test(too_deep_is_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
