/* The certificates that there are: those of chancery.conf, and those of the folder that were asked for on a command line. */
#ifndef CHANCERY_AGENT_INVENTORY_H
#define CHANCERY_AGENT_INVENTORY_H

#include "agent/config.h"

struct inventory_item {
	const char *name;   /* of its folder */
	const char **names; /* those in it */
	size_t n_names;
	struct given *given; /* what is wanted of it, with all defaults */
	bool configured;     /* it is in chancery.conf */
	bool live;           /* there is a certificate */
	bool unmanaged;      /* nothing says what is wanted of it: it is left alone */
	const char *wrong;   /* why it cannot be known what is wanted; NULL: it is known */
};
struct inventory {
	struct inventory_item *v; /* by name */
	size_t n;
};
/* only: names that are wanted, all when there is none. options: the table of the given values, wish.def and what a command adds. CONFIG: a name is of none, or
 * the folder cannot be read. */
enum err_code inventory_read(const struct config *c, struct arena *a, const char *const *only, size_t n_only, const struct given *options,
    struct inventory *ret, struct err *e) MUST_USE;

#endif
