/* Asking a person at a terminal: lines, choices, yes or no. */
#ifndef CHANCERY_CLI_TERMINAL_H
#define CHANCERY_CLI_TERMINAL_H

#include "base/arena.h"
#include "base/err.h"

/* Whether there is somebody to ask. */
bool terminal_is_there(void);

/* ERR_AGAIN: "back". ERR_CLOSED: the input has ended, or Ctrl-C. Whatever a person types is printable and of one line. */

struct terminal_question {
	const char *text, *fallback;       /* fallback: what an empty line means, shown in brackets; NULL: it is asked again */
	const char *help;                  /* what "?" tells */
	void (*more)(const void *context); /* and behind it; NULL: nothing */
	const void *context;
};
/* A line. */
enum err_code terminal_ask(struct arena *a, const struct terminal_question *q, const char **ret, struct err *e) MUST_USE;
/* In these two the question's own fallback says nothing. */
enum err_code terminal_yes(struct arena *a, const struct terminal_question *q, bool fallback, bool *ret, struct err *e) MUST_USE;
struct terminal_choice {
	const char *name, *doc;
	const char *not_possible; /* why it cannot be taken; NULL: it can */
};
/* By number or name. fallback: an index, or n: there is none. */
enum err_code terminal_choose(struct arena *a, const struct terminal_question *q, const struct terminal_choice *v, size_t n,
    size_t fallback, size_t *ret, struct err *e) MUST_USE;
/* A heading: "2/5  Which CA". */
void terminal_step(unsigned n, unsigned of, const char *title);
/* Wrapped to the terminal's width. */
void terminal_say(const char *fmt, ...) PRINTF(1, 2);
void terminal_good(const char *fmt, ...) PRINTF(1, 2);
void terminal_warn(const char *fmt, ...) PRINTF(1, 2);
void terminal_bad(const char *fmt, ...) PRINTF(1, 2);

/* A command of these words, as a shell takes it from the screen: lines that go on end with a backslash. */
void terminal_command(const char *const *words, size_t n);
/* Lines as they are, set in. */
void terminal_lines(const char *text);

#endif
