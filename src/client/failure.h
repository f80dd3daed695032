/* The error that a program sees: whose fault, what was tried, what to do. Private to this room. */
#ifndef CHANCERY_CLIENT_FAILURE_H
#define CHANCERY_CLIENT_FAILURE_H

#include "base/arena.h"
#include "base/err.h"

#include <chancery/chancery.h>

#define FAILURE_SUBS_MAX 100

struct failure_sub {
	char name[256], type[128], detail[512];
};

struct chancery_error {
	enum chancery_result result;
	enum chancery_fault fault;
	int http_status;
	uint32_t retry_after_s;
	char message[2048], hint[512], type[128];
	struct failure_sub *subs; /* malloc */
	size_t n_subs;
};

/* Forgets what was; also for the end of life. */
void failure_reset(struct chancery_error *x);

/* Notes at the place that knows it: kind, whose fault and what to do (NULL: nothing to say). The first note wins, as the one
 * nearest to the cause; returns rc. */
enum err_code failure_note(
    struct chancery_error *x, enum err_code rc, enum chancery_result result, enum chancery_fault fault, const char *hint);

/* At the boundary: completes what no place noted, from the code alone. doing: what was tried ("asking for a new order at URL"), or
 * NULL. Returns the result. */
enum chancery_result failure_finish(struct chancery_error *x, enum err_code rc, const char *doing, const struct err *e);

/* Copies text that a server sent into a line for a terminal: what is not printable, or would end the line, becomes '?'. */
void failure_text(struct bytes in, char *out, size_t size);

#endif
