#include "names/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct suffixes *list;
static struct arena *arena;

static enum err_code judge(const struct names_policy *p, const char *type, const char *value, struct err *e)
{
	struct identifier id;

	assert_int_equal(identifier_parse(arena, bytes_str(type), bytes_str(value), &id, NULL), ERR_OK);
	return names_judge(p, &id, e);
}

static void each_part_has_its_say(void **state)
{
	const struct bytes private[] = { BYTES_LIT("internal") }, deny[] = { BYTES_LIT(".secret.internal"), BYTES_LIT("www.ck") },
			   ips[] = { BYTES_LIT("10.0.0.0/8") };
	const struct name_policy_texts texts = { .deny_names = deny, .n_deny_names = 2, .allow_ips = ips, .n_allow_ips = 1 };
	struct names_policy p = { .suffixes = list, .private = { private, 1 } };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(name_policy_read(arena, &texts, &p.rules, NULL), ERR_OK);
	assert_int_equal(judge(&p, "dns", "*.example.org", NULL), ERR_OK);
	assert_int_equal(judge(&p, "dns", "db.internal", NULL), ERR_OK);
	assert_int_equal(judge(&p, "dns", "a.secret.internal", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "deny-names"));
	assert_int_equal(judge(&p, "dns", "www.ck", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "deny-names"));
	assert_int_equal(judge(&p, "dns", "*.co.uk", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "public suffix"));
	assert_int_equal(judge(&p, "dns", "*.xn--ls8h.la", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "IDNA2008"));
	assert_int_equal(judge(&p, "dns", "ab--c.example.org", NULL), ERR_MALFORMED);
	assert_int_equal(judge(&p, "ip", "10.1.2.3", NULL), ERR_OK);
	assert_int_equal(judge(&p, "ip", "2001:db8::1", &e), ERR_REJECTED_IDENTIFIER);
	assert_non_null(strstr(e.detail, "allow-ips"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_part_has_its_say) };

	arena = arena_new(4096, 1u << 20);
	if (!arena || suffixes_open(&list, NULL) != ERR_OK)
		return 1;
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	suffixes_free(list);
	arena_free(arena);
	return rc;
}
