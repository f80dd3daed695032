#include "server/store/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

static struct recent *r;
static struct arena *arena;

static int make(void **state)
{
	(void)state;
	r = recent_new();
	arena = arena_new(4096, 1u << 16);
	return r && arena ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	recent_free(r);
	arena_free(arena);
	return 0;
}

/* slot: where it is kept; those of one slot drive each other out. */
static struct store_authz authz(uint8_t slot, uint8_t n)
{
	struct store_authz v = { .state = AUTHZ_PENDING, .n_challenges = 2, .expires_s = n };

	v.id[0] = n;
	v.id[STORE_AUTHZ_ID - 1] = slot;
	v.identifier.value = BYTES_LIT("www.example.org");
	v.challenges[0] = (struct store_challenge){ .type = CHALLENGE_TYPE_HTTP_01, .token = BYTES_LIT("abc") };
	v.challenges[1] = (struct store_challenge){ .type = CHALLENGE_TYPE_DNS_01, .token = BYTES_LIT("de"), .problem = BYTES_LIT("{}") };
	v.caa = BYTES_LIT("receipt");
	return v;
}

static bool is_here(const struct store_authz *v)
{
	struct store_authz got;
	uint32_t mark;

	return recent_get(r, arena, v->id, &got, &mark) && got.expires_s == v->expires_s;
}

static void offer(const struct store_authz *v)
{
	recent_offer(r, recent_mark(r, v->id), v);
}

static void what_was_offered_is_given(void **state)
{
	uint8_t name[] = "www.example.org";
	struct store_authz v = authz(1, 1), got = { .state = AUTHZ_VALID };
	uint32_t mark;

	(void)state;
	v.identifier.value = BYTES_ARRAY(name);
	offer(&v);
	memset(name, 'x', sizeof name); /* the caller's memory is its own */
	assert_true(recent_get(r, arena, v.id, &got, &mark));
	recent_forget(r, v.id);
	assert_memory_equal(got.identifier.value.ptr, "www.example.org", 15);
	assert_true(bytes_eq_str(got.challenges[0].token, "abc") && bytes_eq_str(got.challenges[1].token, "de"));
	assert_true(bytes_eq_str(got.challenges[1].problem, "{}") && bytes_eq_str(got.caa, "receipt"));
	assert_null(got.control.ptr);
	assert_int_equal(got.state, AUTHZ_PENDING);
}

static void one_of_a_slot_is_kept(void **state)
{
	struct store_authz a = authz(1, 1), b = authz(1, 2), c = authz(2, 3);

	(void)state;
	offer(&a);
	offer(&c);
	offer(&b);
	assert_false(is_here(&a));
	assert_true(is_here(&b) && is_here(&c));
}

/* Read, changed by another, offered: what was read is old. */
static void what_was_read_before_a_change_is_not_kept(void **state)
{
	struct store_authz v = authz(1, 1), other = authz(2, 2), got;
	uint32_t mark, mark_other;

	(void)state;
	assert_false(recent_get(r, arena, v.id, &got, &mark));
	assert_false(recent_get(r, arena, other.id, &got, &mark_other));
	recent_forget(r, v.id);
	recent_offer(r, mark, &v);
	recent_offer(r, mark_other, &other);
	assert_false(is_here(&v));
	assert_true(is_here(&other));
	mark = recent_mark(r, v.id);
	recent_forget_all(r);
	recent_offer(r, mark, &v);
	assert_false(is_here(&v) || is_here(&other));
}

static bool expires_at_two(const struct store_authz *v, void *ctx)
{
	(void)ctx;
	return v->expires_s == 2;
}

static void looks(void **state)
{
	struct store_authz a = authz(1, 1), b = authz(2, 2);

	(void)state;
	offer(&a);
	assert_false(recent_look(r, a.id, expires_at_two, NULL));
	assert_false(recent_look(r, b.id, expires_at_two, NULL));
	offer(&b);
	assert_true(recent_look(r, b.id, expires_at_two, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_offered_is_given, make, unmake),
		cmocka_unit_test_setup_teardown(one_of_a_slot_is_kept, make, unmake),
		cmocka_unit_test_setup_teardown(what_was_read_before_a_change_is_not_kept, make, unmake),
		cmocka_unit_test_setup_teardown(looks, make, unmake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
