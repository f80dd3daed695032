/* The list of cases as a whole, and the mutants' changes to answers. The cases themselves are run by tests/blackbox/test_probe.py. */
#include "base/test_support.h"
#include "probe/mutant_testing.h"

#include <string.h>

static void every_case_is_whole(void **state)
{
	(void)state;
	size_t n;
	const struct probe_case *const *v = probe_cases(&n);

	assert_true(n >= 400);
	for (size_t i = 0; i < n; i++) {
		const char *slash = strchr(v[i]->id, '/');
		assert_non_null(slash);
		assert_true(slash[1] && strspn(v[i]->id, "abcdefghijklmnopqrstuvwxyz0123456789-/") == strlen(v[i]->id));
		assert_true(strncmp(v[i]->section, "RFC ", 4) == 0 || strncmp(v[i]->section, "draft-", 6) == 0);
		assert_non_null(strstr(v[i]->section, "§"));
		assert_non_null(v[i]->run);
		assert_true(strlen(v[i]->must) > 20 && v[i]->must[strlen(v[i]->must) - 1] == '.');
	}
}

static void every_case_has_a_mutant(void **state)
{
	(void)state;
	size_t n;
	const struct probe_case *const *v = probe_cases(&n);

	for (size_t i = 0; i < n; i++)
		if (v[i]->mutant.op == MUTANT_NONE)
			fail_msg("%s has no mutant", v[i]->id);
}

static void ids_are_unique_and_groups_together(void **state)
{
	(void)state;
	size_t n;
	const struct probe_case *const *v = probe_cases(&n);

	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++) {
			size_t len = strcspn(v[i]->id, "/") + 1;
			if (strcmp(v[i]->id, v[k]->id) == 0)
				fail_msg("%s is there twice", v[i]->id);
			if (strncmp(v[i]->id, v[k]->id, len) == 0 && strncmp(v[i]->id, v[k - 1]->id, len) != 0)
				fail_msg("%s is not with the others of its resource", v[k]->id);
		}
}

static void globs(void **state)
{
	(void)state;
	assert_true(probe_matches("order/*", "order/status"));
	assert_true(probe_matches("*/no-get", "order/no-get"));
	assert_true(probe_matches("*o*d*", "order/no-good"));
	assert_true(probe_matches("order/no-get", "order/no-get"));
	assert_false(probe_matches("order", "order/no-get"));
	assert_false(probe_matches("*/no-get", "order/no-gets"));
	assert_false(probe_matches("", "order/no-get"));
}

/* --- mutants --- */

static const char *mutated(struct arena *a, const struct mutant *m, const char *body)
{
	struct http_client_answer x = { .status = 200, .body = bytes_str(body) };

	mutant_apply(m, a, &x);
	return arena_str(a, x.body);
}

static void members_are_changed_by_path(void **state)
{
	(void)state;
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	static const struct {
		struct mutant m;
		const char *from, *to;
	} rows[] = {
		{ { MUTANT_SET_MEMBER, "a", "7", 0, 0 }, "{\"a\":1,\"b\":2}", "{\"a\":7,\"b\":2}" },
		{ { MUTANT_SET_MEMBER, "c", "7", 0, 0 }, "{\"a\":1}", "{\"a\":1,\"c\":7}" },
		{ { MUTANT_SET_MEMBER, "a.b[1].c", "\"x\"", 0, 0 }, "{\"a\":{\"b\":[0,{\"c\":1}]}}", "{\"a\":{\"b\":[0,{\"c\":\"x\"}]}}" },
		{ { MUTANT_SET_MEMBER, "a[0]", "1", 0, 0 }, "{}", "{\"a\":[1]}" },
		{ { MUTANT_DROP_MEMBER, "a.b", NULL, 0, 0 }, "{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"c\":2}}" },
		{ { MUTANT_DROP_MEMBER, "a[1]", NULL, 0, 0 }, "{\"a\":[1,2,3]}", "{\"a\":[1,3]}" },
		{ { MUTANT_BODY, NULL, "no", 0, 0 }, "{}", "no" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_string_equal(mutated(a, &rows[i].m, rows[i].from), rows[i].to);
}

static void fields_are_changed(void **state)
{
	(void)state;
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	struct http_client_field fields[] = { { BYTES_LIT("location"), BYTES_LIT("a") }, { BYTES_LIT("link"), BYTES_LIT("b") } };
	struct http_client_answer x = { .location = BYTES_LIT("a"), .fields = fields, .n_fields = 2 };

	mutant_apply(&(struct mutant){ MUTANT_DROP_FIELD, "location", NULL, 0, 0 }, a, &x);
	assert_null(x.location.ptr);
	assert_null(value_of(&x, "Location").ptr);
	assert_true(bytes_eq_str(value_of(&x, "link"), "b"));
	mutant_apply(&(struct mutant){ MUTANT_SET_FIELD, "location", "c", 0, 0 }, a, &x);
	assert_true(bytes_eq_str(x.location, "c") && bytes_eq_str(value_of(&x, "location"), "c"));
	mutant_apply(&(struct mutant){ MUTANT_STATUS, NULL, NULL, 500, 0 }, a, &x);
	assert_int_equal(x.status, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_is_whole),
		cmocka_unit_test(every_case_has_a_mutant),
		cmocka_unit_test(ids_are_unique_and_groups_together),
		cmocka_unit_test(globs),
		cmocka_unit_test(members_are_changed_by_path),
		cmocka_unit_test(fields_are_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
