/* Runs a program of the user's: no shell, a deadline, its output bounded. */
#ifndef CHANCERY_AGENT_RUN_H
#define CHANCERY_AGENT_RUN_H

#include "base/err.h"

#define RUN_OUTPUT_MAX (32 * 1024)

struct run_request {
	const char *const *argv; /* NULL at the end; argv[0] is looked for in PATH where it has no slash */
	const char *const *env; /* "NAME=value", NULL at the end: added to our own environment, in the place of what is there; may be NULL */
	struct bytes input;     /* on its standard input; ptr NULL: nothing */
	uint32_t timeout_s;
};
struct run_result {
	int code; /* exit code; 128 + the signal's number */
	/* The first RUN_OUTPUT_MAX bytes each. */
	struct buf out, err;
};
/* CONFIG: it cannot be started. TIMEOUT: it was ended, and all of its process group. What it leaves running in the background is not waited for.
 * *ret is the caller's to free, also after a failure. */
enum err_code run_program(const struct run_request *r, struct run_result *ret, struct err *e) MUST_USE;
void run_result_free(struct run_result *r);

#endif
