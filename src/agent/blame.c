#include "agent/blame.h"

#include <string.h>

/* --- the tables --- */

enum place { PLACE_REQUEST, PLACE_NAMES, PLACE_ANYWHERE };

#define NEXT    true
#define STOP    false
#define MINUTES 60
#define HOURS   3600
static const struct {
	const char *type;
	enum place place;
	struct blame blame;
} types[] = {
#define X(type, place, about, next, first, doc) { type, PLACE_##place, { BLAME_##about, next, first } },
#include "agent/blame_type.def"
#undef X
};

enum other {
#define X(code, about, next, first, doc) OTHER_##code,
#include "agent/blame_else.def"
#undef X
};
static const struct blame others[] = {
#define X(code, about, next, first, doc) [OTHER_##code] = { BLAME_##about, next, first },
#include "agent/blame_else.def"
#undef X
};
#undef NEXT
#undef STOP
#undef MINUTES
#undef HOURS

/* NULL: it has no row. */
static const struct blame *of_type(const char *type, enum place place)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(types[i].type, type) == 0 && (types[i].place == place || types[i].place == PLACE_ANYWHERE))
			return &types[i].blame;
	return NULL;
}

/* --- one failure --- */

static enum other else_of(enum chancery_result result, enum chancery_fault fault, int http_status)
{
	switch (result) {
	case CHANCERY_NETWORK:
		return OTHER_UNREACHABLE;
	case CHANCERY_PROTOCOL:
		return OTHER_NONSENSE;
	case CHANCERY_TIMEOUT:
		return OTHER_LATE;
	case CHANCERY_REFUSED:
		return http_status >= 500 ? OTHER_SERVER_ERROR : OTHER_REFUSAL;
	case CHANCERY_VALIDATION:
		return fault == CHANCERY_FAULT_CALLER ? OTHER_NO_WAY : OTHER_UNVALIDATED;
	case CHANCERY_OK:
	case CHANCERY_USAGE:
	case CHANCERY_NOMEM:
	case CHANCERY_SYSTEM:
	case CHANCERY_CALLBACK:
	case CHANCERY_PENDING: /* of nothing that is over */
		break;
	}
	return OTHER_OURS;
}

/* Types that say no more than that subproblems follow (RFC 8555 section 6.7.1; its example is malformed). */
static bool is_wrapper(const char *type)
{
	return !*type || strcmp(type, "compound") == 0 || strcmp(type, "malformed") == 0;
}

/* A subproblem that names a name is about that name, where its type allows it. */
static struct blame of_sub(const struct blame_problem *sub)
{
	const struct blame *found = of_type(sub->type, *sub->name ? PLACE_NAMES : PLACE_REQUEST);

	return found ? *found : others[*sub->name ? OTHER_UNVALIDATED : OTHER_REFUSAL];
}

static void add(struct blame *to, const struct blame *more)
{
	to->next = to->next && more->next;
	if (more->about > to->about)
		to->about = more->about;
	if (more->first_s > to->first_s)
		to->first_s = more->first_s;
}

struct blame blame_judge(enum chancery_result result, enum chancery_fault fault, int http_status, const char *type,
    const struct blame_problem *subs, size_t n_subs)
{
	/* A server that is overloaded says so with any type: Let's Encrypt's says rateLimited and 503. */
	bool refused = (result == CHANCERY_REFUSED && http_status < 500) || result == CHANCERY_VALIDATION;
	const struct blame *found = refused ? of_type(type, result == CHANCERY_VALIDATION ? PLACE_NAMES : PLACE_REQUEST) : NULL;
	struct blame all = found ? *found : others[else_of(result, fault, http_status)];
	size_t first = 0;

	if (refused && n_subs > 0 && is_wrapper(type))
		all = of_sub(&subs[first++]);
	for (size_t i = first; refused && i < n_subs; i++) {
		struct blame one = of_sub(&subs[i]);
		add(&all, &one);
	}
	return all;
}

const char *blame_about_name(enum blame_about about)
{
	switch (about) {
	case BLAME_NAMES:
		return "names";
	case BLAME_ACCOUNT:
		return "account";
	case BLAME_NETWORK:
		return "network";
	case BLAME_CA:
		return "ca";
	case BLAME_US:
		return "us";
	}
	return "us";
}
