#include "cli/options.h"

#include <string.h>

#define HELP_COLUMN 28

const char *cli_nth(const struct cli *c, const char *name, size_t n)
{
	return given_nth(&c->given, name, n);
}

const char *cli_value(const struct cli *c, const char *name, const char *fallback)
{
	return given_value(&c->given, name, fallback);
}

bool cli_flag(const struct cli *c, const char *name)
{
	return given_flag(&c->given, name);
}

int cli_fail(const struct cli *c, const struct err *e)
{
	fflush(stdout);
	fprintf(stderr, "%s: %s\n", c->program->name, e->detail);
	return EXIT_FAILED;
}

/* NULL: its values are no list. */
static const struct cli_choices *choices_of(const struct cli_program *p, const struct given_option *o)
{
	for (size_t i = 0; o->value && i < p->n_choices; i++)
		if (strcmp(p->choices[i].value, o->value) == 0)
			return &p->choices[i];
	return NULL;
}

/* --- help --- */

static void option_words(const struct given_option *o, char *out, size_t n)
{
	(void)snprintf(out, n, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
}

/* A text behind the column, wrapped. */
static void put_wrapped(const char *text, int column, FILE *out)
{
	int at = column;

	for (const char *p = text; *p;) {
		int n = (int)strcspn(p, " ");
		if (at + n > 96 && at > column) {
			fprintf(out, "\n%*s", column, "");
			at = column;
		}
		fprintf(out, "%s%.*s", at > column ? " " : "", n, p);
		at += n + 1;
		p += n + (p[n] == ' ');
	}
	fputc('\n', out);
}

static void put_row(const char *left, const char *text, FILE *out)
{
	int n = fprintf(out, "  %s", left);

	fprintf(out, n + 1 > HELP_COLUMN ? "\n%*s" : "%*s", n + 1 > HELP_COLUMN ? HELP_COLUMN : HELP_COLUMN - n, "");
	put_wrapped(text, HELP_COLUMN, out);
}

static void help_program(const struct cli_program *p, FILE *out)
{
	fprintf(out, "%s %s: %s\n\nUsage: %s COMMAND [OPTION...] [ARGUMENT...]\n\n", p->name, CHANCERY_VERSION, p->doc, p->name);
	for (size_t i = 0; i < p->n_commands; i++)
		put_row(p->commands[i]->name, p->commands[i]->doc, out);
	put_row("help [COMMAND]", "Shows this, or a command's options.", out);
	put_row("--version", "Shows the version.", out);
	put_row("completion", "Prints a completion script for bash.", out);
}

static void help_option(const struct cli_program *p, const struct given_option *o, FILE *out)
{
	const struct cli_choices *c = choices_of(p, o);
	char words[96];

	option_words(o, words, sizeof words);
	put_row(words, o->doc, out);
	for (size_t i = 0; c && i < c->n; i++) {
		int n = fprintf(out, "%*s%s: ", HELP_COLUMN + 2, "", c->v[i].name);
		put_wrapped(c->v[i].doc, n, out);
	}
}

void cli_help(const struct cli_program *p, const struct cli_command *command, FILE *out)
{
	if (!command) {
		help_program(p, out);
		return;
	}
	fprintf(out, "Usage: %s %s%s%s%s\n\n", p->name, command->name, command->n_options ? " [OPTION...]" : "",
	    *command->arguments ? " " : "", command->arguments);
	put_wrapped(command->doc, 0, out);
	fputc('\n', out);
	for (size_t i = 0; i < command->n_options; i++)
		help_option(p, &command->options[i], out);
}

static void man_option(const struct cli_program *p, const struct given_option *o, FILE *out)
{
	const struct cli_choices *c = choices_of(p, o);

	fprintf(out, ".It Fl Fl %s%s%s\n%s\n", o->name, o->value ? " Ar " : "", o->value ? o->value : "", o->doc);
	if (c)
		fprintf(out, ".Bl -tag -width Ds -compact\n");
	for (size_t i = 0; c && i < c->n; i++)
		fprintf(out, ".It Cm %s\n%s\n", c->v[i].name, c->v[i].doc);
	if (c)
		fprintf(out, ".El\n");
}

void cli_man(const struct cli_program *p, FILE *out)
{
	for (size_t i = 0; i < p->n_commands; i++) {
		const struct cli_command *c = p->commands[i];
		fprintf(out, ".Ss %s%s%s\n%s\n", c->name, *c->arguments ? " " : "", c->arguments, c->doc);
		if (c->n_options)
			fprintf(out, ".Bl -tag -width Ds\n");
		for (size_t k = 0; k < c->n_options; k++)
			man_option(p, &c->options[k], out);
		if (c->n_options)
			fprintf(out, ".El\n");
	}
}

/* What may follow an option, where that is a list: one case of a command's options alike. */
static void complete_values(const struct cli_program *p, FILE *out)
{
	fprintf(out, "_chancery_values() {\n\tcase ${COMP_WORDS[1]}$1 in\n");
	for (size_t i = 0; i < p->n_commands; i++)
		for (size_t k = 0; k < p->commands[i]->n_options; k++) {
			const struct given_option *o = &p->commands[i]->options[k];
			const struct cli_choices *c = choices_of(p, o);
			if (c)
				fprintf(out, "\t%s--%s) echo \"", p->commands[i]->name, o->name);
			for (size_t n = 0; c && n < c->n; n++)
				fprintf(out, "%s%s", n ? " " : "", c->v[n].name);
			if (c)
				fprintf(out, "\" ;;\n");
		}
	fprintf(out, "\tesac\n}\n");
}

void cli_completion(const struct cli_program *p, FILE *out)
{
	fprintf(out, "_chancery_words() {\n\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; i < p->n_commands; i++) {
		fprintf(out, "\t%s) echo \"", p->commands[i]->name);
		for (size_t k = 0; k < p->commands[i]->n_options; k++)
			fprintf(out, "%s--%s", k ? " " : "", p->commands[i]->options[k].name);
		fprintf(out, "\" ;;\n");
	}
	fprintf(out, "\tesac\n}\n");
	complete_values(p, out);
	fprintf(out, "_chancery_complete() {\n\tlocal at=$((COMP_CWORD - 1)) values words=\"");
	for (size_t i = 0; i < p->n_commands; i++)
		fprintf(out, "%s ", p->commands[i]->name);
	fprintf(out,
	    "help --version\"\n\t[ $COMP_CWORD -gt 1 ] && words=$(_chancery_words)\n"
	    "\t[ \"${COMP_WORDS[at]}\" = = ] && at=$((at - 1))\n" /* readline takes "--x=y" for three words */
	    "\tvalues=$(_chancery_values \"${COMP_WORDS[at]}\")\n\t[ -n \"$values\" ] && words=$values\n"
	    "\tCOMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -o default -F _chancery_complete %s\n",
	    p->name);
}

/* --- parsing --- */

static const struct cli_command *find_command(const struct cli_program *p, const char *name)
{
	for (size_t i = 0; i < p->n_commands; i++)
		if (strcmp(p->commands[i]->name, name) == 0)
			return p->commands[i];
	return NULL;
}

static enum err_code take_option(struct cli *c, char **argv, int argc, int *at, struct err *e)
{
	const char *word = argv[*at] + 2, *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct given_option *o = given_option(&c->given, (struct bytes){ (const uint8_t *)word, len });
	const char *value = "";

	if (!o)
		FAIL(e, CONFIG, "%s has no option --%.*s; `%s help %s` lists those it has", c->command->name, (int)len, word,
		    c->program->name, c->command->name);
	if (!o->value && equals)
		FAIL(e, CONFIG, "--%s takes no value", o->name);
	if (o->value) {
		value = equals ? equals + 1 : *at + 1 < argc ? argv[++*at] : NULL;
		if (!value)
			FAIL(e, CONFIG, "--%s needs a value: --%s %s", o->name, o->name, o->value);
	}
	return given_add(&c->given, &(struct given_one){ .option = o, .value = value }, e);
}

static enum err_code parse(struct cli *c, int argc, char **argv, struct err *e)
{
	bool only_arguments = false;

	for (int i = 2; i < argc; i++) {
		if (!only_arguments && strcmp(argv[i], "--") == 0) {
			only_arguments = true;
			continue;
		}
		if (!only_arguments && strncmp(argv[i], "--", 2) == 0) {
			TRY(take_option(c, argv, argc, &i, e));
			continue;
		}
		if (c->n_arguments == c->command->most)
			FAIL(e, CONFIG, "%s takes %s, so \"%s\" is one too many", c->command->name,
			    c->command->most ? c->command->arguments : "no argument", argv[i]);
		c->arguments[c->n_arguments++] = argv[i];
	}
	if (c->n_arguments < c->command->least)
		FAIL(e, CONFIG, "%s needs %s; `%s help %s` tells more", c->command->name, c->command->arguments, c->program->name,
		    c->command->name);
	return ERR_OK;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

static int no_such_command(const struct cli_program *p, const char *name)
{
	fprintf(stderr, "%s: there is no command \"%s\"; `%s help` lists those there are\n", p->name, name, p->name);
	return EXIT_FAILED;
}

static int help(const struct cli_program *p, const char *name)
{
	const struct cli_command *command = name ? find_command(p, name) : NULL;

	if (name && !command)
		return no_such_command(p, name);
	cli_help(p, command, stdout);
	return EXIT_DONE;
}

/* The words that every program knows. Returns whether it was one of them. */
static bool run_common(const struct cli_program *p, int argc, char **argv, int *ret)
{
	const char *word = argc > 1 ? argv[1] : "";

	*ret = EXIT_DONE;
	if (strcmp(word, "--version") == 0)
		printf("%s %s\n", p->name, CHANCERY_VERSION);
	else if (strcmp(word, "completion") == 0)
		cli_completion(p, stdout);
	else if (strcmp(word, "man-options") == 0)
		cli_man(p, stdout);
	else if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		*ret = help(p, argc > 2 ? argv[2] : NULL);
	else
		return false;
	return true;
}

int cli_main(const struct cli_program *p, int argc, char **argv)
{
	const char *arguments[1024];
	struct cli c = { .program = p, .argv = argv, .arguments = arguments };
	struct err e = { 0 };
	int ret;

	if (argc < 2) {
		cli_help(p, NULL, stderr);
		return EXIT_FAILED;
	}
	if (run_common(p, argc, argv, &ret))
		return ret;
	c.command = find_command(p, argv[1]);
	if (!c.command)
		return no_such_command(p, argv[1]);
	c.given.options = c.command->options;
	c.given.n_options = c.command->n_options;
	if (asks_for_help(argc, argv)) {
		cli_help(p, c.command, stdout);
		return EXIT_DONE;
	}
	if (argc > 1000)
		return EXIT_FAILED;
	if (parse(&c, argc, argv, &e) != ERR_OK)
		return cli_fail(&c, &e);
	return c.command->run(&c);
}
