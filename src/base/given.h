/* Named values that somebody gave: on a command line, in a configuration, or beside a certificate. Which names there are is a table of the receiver's. */
#ifndef CHANCERY_BASE_GIVEN_H
#define CHANCERY_BASE_GIVEN_H

#include "base/err.h"

#define GIVEN_MAX 64

struct given_option {
	const char *name;  /* "base-url": written --base-url VALUE or --base-url=VALUE */
	const char *value; /* what the value is called in help, NULL for a flag */
	bool repeats;
	const char *doc; /* one sentence */
};

struct given_one {
	const struct given_option *option;
	const char *value; /* "" of a flag */
	const char *file;  /* where it stands; NULL: on the command line */
	int line;
};

/* Views alone: names and values belong to whoever read them. */
struct given {
	const struct given_option *options;
	size_t n_options;
	struct given_one v[GIVEN_MAX];
	size_t n;
};

/* The table's row; NULL: there is none. */
const struct given_option *given_option(const struct given *g, struct bytes name);
/* CONFIG, with the name as a person wrote it (`--name`): it is given twice and does not repeat, or too many are given. */
enum err_code given_add(struct given *g, const struct given_one *one, struct err *e) MUST_USE;
/* The option's (last) value, or the fallback. */
const char *given_value(const struct given *g, const char *name, const char *fallback);
bool given_flag(const struct given *g, const char *name);
/* The n-th value of an option that repeats; NULL behind the last. */
const char *given_nth(const struct given *g, const char *name, size_t n);
/* A number from 1 to `most`; CONFIG tells. */
enum err_code given_number(
    const struct given *g, const char *name, const char *fallback, unsigned long most, unsigned long *ret, struct err *e) MUST_USE;

#endif
