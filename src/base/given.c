#include "base/given.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct given_option *given_option(const struct given *g, struct bytes name)
{
	for (size_t i = 0; i < g->n_options; i++)
		if (bytes_eq_str(name, g->options[i].name))
			return &g->options[i];
	return NULL;
}

enum err_code given_add(struct given *g, const struct given_one *one, struct err *e)
{
	errno = 0;
	if (!one->option->repeats && given_flag(g, one->option->name))
		FAIL(e, CONFIG, "--%s is given twice", one->option->name);
	if (g->n == GIVEN_MAX)
		FAIL(e, CONFIG, "more than %d options", GIVEN_MAX);
	g->v[g->n++] = *one;
	return ERR_OK;
}

const char *given_nth(const struct given *g, const char *name, size_t n)
{
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->v[i].option->name, name) == 0 && n-- == 0)
			return g->v[i].value;
	return NULL;
}

const char *given_value(const struct given *g, const char *name, const char *fallback)
{
	const char *found = fallback;

	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->v[i].option->name, name) == 0)
			found = g->v[i].value;
	return found;
}

bool given_flag(const struct given *g, const char *name)
{
	return given_nth(g, name, 0) != NULL;
}

enum err_code given_number(
    const struct given *g, const char *name, const char *fallback, unsigned long most, unsigned long *ret, struct err *e)
{
	const char *text = given_value(g, name, fallback);
	char *end;

	errno = 0;
	unsigned long v = strtoul(text, &end, 10);
	bool good = errno == 0 && !*end && *text >= '0' && *text <= '9' && v >= 1 && v <= most;
	errno = 0;
	if (!good)
		FAIL(e, CONFIG, "--%s %s: a number from 1 to %lu is allowed", name, text, most);
	*ret = v;
	return ERR_OK;
}
