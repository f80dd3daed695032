/* Commands and options as data: one table of a program feeds its parser, its --help, its man page's synopsis and its completion. */
#ifndef CHANCERY_CLI_OPTIONS_H
#define CHANCERY_CLI_OPTIONS_H

#include "base/arena.h"
#include "base/given.h"

#include <stdio.h>

/* Exit codes of both programs. */
enum { EXIT_DONE = 0, EXIT_NOTHING_TO_DO = 1, EXIT_FAILED = 2 };

struct cli;
struct cli_command {
	const char *name;
	const char *arguments; /* "NAME..." or "" */
	const char *doc;
	const struct given_option *options;
	size_t n_options;
	size_t least, most; /* arguments that are allowed */
	int (*run)(struct cli *c);
};
/* A table of options and its size, for a command's row. */
#define CLI_OPTIONS(table) table, sizeof(table) / sizeof *(table)

/* The values that an option may have, where they are a list. */
struct cli_choice {
	const char *name, *doc;
};
struct cli_choices {
	const char *value; /* what options of such values call them: "DIALECT" */
	const struct cli_choice *v;
	size_t n;
};

struct cli_program {
	const char *name, *doc;
	const struct cli_command *const *commands; /* each lies beside its code */
	size_t n_commands;
	const struct cli_choices *choices;
	size_t n_choices;
};

/* A parsed command line; everything lives as long as argv. */
struct cli {
	const struct cli_program *program;
	const struct cli_command *command;
	char **argv; /* all of it, as the program got it */
	struct given given;
	const char **arguments;
	size_t n_arguments;
};

/* Parses and runs; handles help, --help, --version and completion by itself; returns the exit code. Errors go to stderr in one
 * sentence with what is allowed. */
int cli_main(const struct cli_program *p, int argc, char **argv);

/* The option's (last) value, or the fallback. */
const char *cli_value(const struct cli *c, const char *name, const char *fallback);
bool cli_flag(const struct cli *c, const char *name);
/* The n-th value of an option that repeats; NULL behind the last. */
const char *cli_nth(const struct cli *c, const char *name, size_t n);

/* "chancery-ca: what went wrong" on stderr; returns EXIT_FAILED. */
int cli_fail(const struct cli *c, const struct err *e);

void cli_help(const struct cli_program *p, const struct cli_command *command, FILE *out);
/* The commands and their options in mdoc(7), for the man page. */
void cli_man(const struct cli_program *p, FILE *out);
/* A completion script for bash. */
void cli_completion(const struct cli_program *p, FILE *out);

#endif
