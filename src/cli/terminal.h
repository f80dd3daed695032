/* Asking a person at a terminal: lines, choices, yes or no. */
#ifndef CHANCERY_CLI_TERMINAL_H
#define CHANCERY_CLI_TERMINAL_H

#include "base/arena.h"
#include "base/err.h"

/* Whether there is somebody to ask. */
bool terminal_is_there(void);

/* ERR_AGAIN: "back". ERR_CLOSED: the input has ended, or Ctrl-C. Whatever a person types is printable and of one line. */

/* A line; an empty one is the fallback (NULL: it is asked again). */
enum err_code terminal_ask(struct arena *a, const char *question, const char *fallback, const char **ret, struct err *e) MUST_USE;
enum err_code terminal_yes(struct arena *a, const char *question, bool fallback, bool *ret, struct err *e) MUST_USE;
struct terminal_choice {
	const char *name, *doc;
	const char *not_possible; /* why it cannot be taken; NULL: it can */
};
/* By number or name. fallback: an index, or n: there is none. */
enum err_code terminal_choose(
    struct arena *a, const char *question, const struct terminal_choice *v, size_t n, size_t fallback, size_t *ret, struct err *e) MUST_USE;
/* A heading: "2/5  Which CA". */
void terminal_step(unsigned n, unsigned of, const char *title);
/* Wrapped to the terminal's width. */
void terminal_say(const char *fmt, ...) PRINTF(1, 2);
void terminal_good(const char *fmt, ...) PRINTF(1, 2);
void terminal_bad(const char *fmt, ...) PRINTF(1, 2);

#endif
