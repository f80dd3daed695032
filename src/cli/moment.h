/* Times as operators read and write them. */
#ifndef CHANCERY_CLI_MOMENT_H
#define CHANCERY_CLI_MOMENT_H

#include "cli/options.h"

/* "2026-11-25 08:00:00Z": RFC 3339 with a space for the T. */
#define MOMENT_SIZE 21
void moment_text(int64_t unix_s, char out[MOMENT_SIZE]);
/* An option's value: a time like 2026-11-25T08:00:00Z, or how long ago, like 7d or 12h. The fallback where it is not given; CONFIG. */
enum err_code moment_option(const struct cli *c, const char *name, int64_t fallback_s, int64_t *ret_s, struct err *e) MUST_USE;

#endif
