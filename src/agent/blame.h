/* Whom a failure is about, and what follows from that: rules without I/O. The rows are blame_type.def and blame_else.def; docs/client.md has them for users. */
#ifndef CHANCERY_AGENT_BLAME_H
#define CHANCERY_AGENT_BLAME_H

#include <chancery/chancery.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sorted: of several that fail together, the one that is about more is what the failure is about. */
enum blame_about {
	BLAME_NAMES,   /* this certificate at this CA is set back */
	BLAME_ACCOUNT, /* all certificates of this account at this CA are */
	BLAME_NETWORK, /* all at this CA are, as seen from here */
	BLAME_CA,      /* the same */
	BLAME_US,      /* no CA is: it would fail anywhere */
};
struct blame {
	enum blame_about about;
	bool next;        /* another CA may do better: the next in line is asked */
	uint32_t first_s; /* how long it is set back the first time; then twice as long each time (state.h) */
};

/* A problem or a subproblem: its type without the prefix ("" where the server said none), and of a subproblem its name. */
struct blame_problem {
	const char *type, *name;
};
/* How it ended (not CHANCERY_OK) and what was said. A failure with subproblems is about names alone only if every one of them is, and another CA is asked only if
 * that may help all of them. */
struct blame blame_judge(enum chancery_result result, enum chancery_fault fault, int http_status, const char *type,
    const struct blame_problem *subs, size_t n_subs);

/* "names", "account", "network", "ca", "us". */
const char *blame_about_name(enum blame_about about);

#endif
