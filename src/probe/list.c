/* All cases: the tables of the files, and the rows that are the same requirement on several resources. */
#include "probe/list.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define CASES_MAX 600

static const struct case_table *const tables[] = { &directory_cases, &nonce_cases, &account_cases, &order_cases, &authz_cases,
	&certificate_cases, &revoke_cases, &key_change_cases, &renewal_cases, &wish_cases, &external_cases, &http01_cases };

static struct {
	const struct probe_case *v[CASES_MAX];
	size_t n;
} all;

static void fill(void)
{
	const struct probe_case *v;
	size_t n;

	for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
		for (size_t i = 0; i < tables[t]->n && all.n < CASES_MAX; i++)
			all.v[all.n++] = &tables[t]->v[i];
	v = matrix_cases(&n);
	for (size_t i = 0; i < n && all.n < CASES_MAX; i++)
		all.v[all.n++] = &v[i];
}

/* Grouped by what stands before the slash, in the order in which the groups first appear; a stable sort by group. */
static bool same_group(const struct probe_case *a, const struct probe_case *b)
{
	size_t n = strcspn(a->id, "/");

	return strncmp(a->id, b->id, n + 1) == 0;
}

static void group(void)
{
	for (size_t i = 1; i < all.n; i++) {
		const struct probe_case *c = all.v[i];
		size_t to = i;
		for (size_t k = 0; k < i; k++)
			if (same_group(all.v[k], c))
				to = k + 1;
		memmove(&all.v[to + 1], &all.v[to], (i - to) * sizeof all.v[0]);
		all.v[to] = c;
	}
}

static void make_list(void)
{
	fill();
	group();
}

const struct probe_case *const *probe_cases(size_t *ret_n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, make_list);
	*ret_n = all.n;
	return all.v;
}
