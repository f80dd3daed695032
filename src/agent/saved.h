/* How a certificate was asked for, kept beside it, so that it is renewed the same way: FOLDER/NAME/options.json. */
#ifndef CHANCERY_AGENT_SAVED_H
#define CHANCERY_AGENT_SAVED_H

#include "base/arena.h"
#include "base/given.h"

#define SAVED_FILE     "options.json"
#define SAVED_SIZE_MAX 65536

/* A renewal may run in another folder: what names a file becomes an absolute path. malloc; NULL: no memory. */
char *saved_absolute(const struct given_option *o, const char *value) MUST_USE;

/* The names, and of what was given that which wish.def knows and no file says: the rest is of one run alone. Names of files become absolute. */
void saved_write(const struct given *g, const char *const *names, size_t n_names, struct buf *out);
/* Back into given values of g's table, added to those that are there; everything is in the arena. CONFIG with what is wrong. */
enum err_code saved_read(
    struct arena *a, struct bytes text, struct given *g, const char ***ret_names, size_t *ret_n, struct err *e) MUST_USE;

#endif
