/* Rules and a name, one a line: the first line is the name, of the others those that begin with '-' deny. Judged twice, as a name and as
 * a wildcard; what holds for a wildcard must hold for each name below it. */
#include "acme/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RULES_MAX 16

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void read_texts(struct bytes rest, struct bytes *allow, struct bytes *deny, struct name_policy_texts *t)
{
	struct bytes line, tail;

	while (bytes_split(rest, '\n', &line, &tail) && t->n_allow_names + t->n_deny_names < RULES_MAX) {
		bool denies = bytes_starts_with(line, BYTES_LIT("-"));
		struct bytes rule = bytes_slice(line, denies, line.len);
		if (name_rule_check(rule, NULL) == ERR_OK) {
			if (denies)
				deny[t->n_deny_names++] = rule;
			else
				allow[t->n_allow_names++] = rule;
		}
		rest = tail;
	}
	t->allow_names = allow;
	t->deny_names = deny;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1 << 18);
	struct bytes allow[RULES_MAX], deny[RULES_MAX], name, rest, in = { data, size };
	struct name_policy_texts t = { 0 };
	struct name_policy p;
	struct identifier id, child;
	struct ip_range range;

	if (!a || !bytes_split(in, '\n', &name, &rest))
		return 0;
	if (ip_range_parse(name, &range, NULL) == ERR_OK)
		require(ip_range_has(&range, (struct bytes){ range.base, range.len }));
	read_texts(rest, allow, deny, &t);
	require(name_policy_read(a, &t, &p, NULL) == ERR_OK);
	if (identifier_parse(a, BYTES_LIT("dns"), name, &id, NULL) != ERR_OK)
		return 0;
	id.wildcard = true;
	bool good = name_policy_judge(&p, &id, NULL) == ERR_OK;
	static const char *const labels[] = { "a", "web-1", "0", "xn--a" };
	for (size_t i = 0; good && i < sizeof labels / sizeof *labels; i++) {
		struct bytes below = arena_fmt(a, "%s.%.*s", labels[i], BYTES_FMT(id.value));
		if (identifier_parse(a, BYTES_LIT("dns"), below, &child, NULL) == ERR_OK)
			require(name_policy_judge(&p, &child, NULL) == ERR_OK);
	}
	return 0;
}
