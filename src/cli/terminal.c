#include "cli/terminal.h"

#include "base/utf8.h"
#include "cli/issue_report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINE_LEN 4096
#define WIDTH    80
#define WIDE     100

bool terminal_is_there(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* --- saying --- */

static bool has_colour(void)
{
	const char *term = getenv("TERM"), *none = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(none && *none) && !(term && strcmp(term, "dumb") == 0);
}

static size_t width(void)
{
	struct winsize w = { .ws_col = 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col < 20)
		return WIDTH;
	return w.ws_col < WIDE ? w.ws_col : WIDE;
}

/* Columns of a text: all that is printed here is of one column. */
static size_t columns(const char *text, size_t n)
{
	size_t c = 0;

	for (size_t i = 0; i < n; i++)
		c += ((unsigned char)text[i] & 0xc0) != 0x80;
	return c;
}

/* Words from column `at` on; further lines begin at column `indent`. Returns where it ends. */
static size_t put_words(const char *text, size_t at, size_t indent)
{
	size_t most = width() - 1;
	bool fresh = true;

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " \n"), wide = columns(p, n);
		if (!fresh && at + 1 + wide > most) {
			printf("\n%*s", (int)indent, "");
			at = indent;
			fresh = true;
		}
		printf("%s%.*s", fresh ? "" : " ", (int)n, p);
		at += wide + !fresh;
		fresh = false;
		p += n;
		if (*p == '\n') {
			printf("\n%*s", (int)indent, "");
			at = indent;
			fresh = true;
		}
		p += *p != 0;
	}
	return at;
}

/* With two blanks before each line. */
static void put_wrapped(const char *mark, const char *text)
{
	printf("%s", mark);
	(void)put_words(text, 2, 2);
	printf("\n");
}

static void PRINTF(2, 0) say(const char *mark, const char *fmt, va_list ap)
{
	char text[LINE_LEN];

	(void)vsnprintf(text, sizeof text, fmt, ap);
	put_wrapped(mark, text);
	fflush(stdout);
}

void terminal_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("  ", fmt, ap);
	va_end(ap);
}

void terminal_good(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(has_colour() ? "\033[32m+\033[0m " : "+ ", fmt, ap);
	va_end(ap);
}

void terminal_bad(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(has_colour() ? "\033[31m!\033[0m " : "! ", fmt, ap);
	va_end(ap);
}

void terminal_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(has_colour() ? "\033[33m*\033[0m " : "* ", fmt, ap);
	va_end(ap);
}

void terminal_step(unsigned n, unsigned of, const char *title)
{
	bool colour = has_colour();

	printf("\n%s%u/%u  %s%s\n", colour ? "\033[1m" : "", n, of, title, colour ? "\033[0m" : "");
	fflush(stdout);
}

/* --- asking --- */

/* False: it has what no terminal shows, or there is more of it than of any answer; all of it is read. */
static bool is_good(char *line, size_t size)
{
	const uint8_t *p = (const uint8_t *)line, *end = p + strcspn(line, "\r\n");
	bool whole = strchr(line, '\n') || feof(stdin);
	uint32_t c;
	int more;

	if (!whole && strlen(line) + 1 == size)
		do
			more = getchar();
		while (more != '\n' && more != EOF);
	for (size_t n; whole && p < end; p += n) {
		n = *p == '\t' ? 1 : utf8_get(p, end, &c);
		if (n == 0 || (*p != '\t' && !utf8_is_printable(c)))
			return false;
	}
	return whole;
}

/* What is typed, without blanks around it. */
static enum err_code read_line(struct arena *a, const char **ret, struct err *e)
{
	char line[LINE_LEN];

	/* Ctrl-C may have come while something else was waited for. */
	if (report_interrupted() || !fgets(line, sizeof line, stdin)) {
		printf("\n");
		errno = 0;
		FAIL(e, CLOSED, "stopped; nothing is changed");
	}
	*ret = NULL;
	if (!is_good(line, sizeof line))
		return ERR_OK;
	char *from = line + strspn(line, " \t"), *end = from + strlen(from);
	while (end > from && strchr(" \t\r\n", end[-1]))
		*--end = 0;
	*ret = arena_str(a, bytes_str(from));
	errno = 0;
	if (!*ret)
		FAIL(e, NOMEM, "no memory");
	if (strcmp(*ret, "back") == 0)
		FAIL(e, AGAIN, "back");
	return ERR_OK;
}

/* "  Question [fallback] ", wrapped. */
static void put_question(const char *text, const char *fallback)
{
	size_t at;

	printf("  ");
	at = put_words(text, 2, 2);
	if (fallback && *fallback) {
		size_t wide = columns(fallback, strlen(fallback)) + 3;
		bool room = at + wide + 2 < width();
		printf("%s[%s]", room ? " " : "\n  ", fallback);
	}
	printf(" ");
	fflush(stdout);
}

/* One line; "?" explains, and asks again. */
static enum err_code ask_line(struct arena *a, const struct terminal_question *q, const char *fallback, const char **ret, struct err *e)
{
	for (;;) {
		put_question(q->text, fallback);
		TRY(read_line(a, ret, e));
		if (!*ret) {
			terminal_bad("An answer is one line, of characters that can be printed.");
			continue;
		}
		if (strcmp(*ret, "?") != 0)
			return ERR_OK;
		terminal_say("%s", q->help);
		if (q->more)
			q->more(q->context);
	}
}

enum err_code terminal_ask(struct arena *a, const struct terminal_question *q, const char **ret, struct err *e)
{
	for (;;) {
		TRY(ask_line(a, q, q->fallback, ret, e));
		if (**ret)
			return ERR_OK;
		*ret = q->fallback;
		if (q->fallback)
			return ERR_OK;
		terminal_say("There is no answer that could be taken for granted: type one, or ? for what is asked.");
	}
}

enum err_code terminal_yes(struct arena *a, const struct terminal_question *q, bool fallback, bool *ret, struct err *e)
{
	static const char *const yes[] = { "y", "yes", "Y", "Yes", "YES" }, *const no[] = { "n", "no", "N", "No", "NO" };
	const char *line;

	for (;;) {
		TRY(ask_line(a, q, fallback ? "Y/n" : "y/N", &line, e));
		*ret = fallback;
		for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
			if (strcmp(line, yes[i]) == 0)
				*ret = true;
			else if (strcmp(line, no[i]) == 0)
				*ret = false;
			else
				continue;
			return ERR_OK;
		}
		if (!*line)
			return ERR_OK;
		terminal_bad("\"%.40s\" is neither y nor n.", line);
	}
}

struct choices {
	const struct terminal_choice *v;
	size_t n;
};

static void put_choices(const void *context)
{
	const struct choices *c = context;
	size_t longest = 0;

	for (size_t i = 0; i < c->n; i++)
		longest = strlen(c->v[i].name) > longest ? strlen(c->v[i].name) : longest;
	for (size_t i = 0; i < c->n; i++) {
		const struct terminal_choice *v = &c->v[i];
		printf("  %2zu  %-*s  ", i + 1, (int)longest, v->name);
		if (v->not_possible)
			printf("- ");
		(void)put_words(v->not_possible ? v->not_possible : v->doc, longest + 8 + (v->not_possible ? 2 : 0), longest + 8);
		printf("\n");
	}
}

/* n: none. */
static size_t find(const struct terminal_choice *v, size_t n, const char *line)
{
	char *end;
	unsigned long number = strtoul(line, &end, 10);

	if (*line && !*end && number >= 1 && number <= n)
		return number - 1;
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].name, line) == 0)
			return i;
	return n;
}

enum err_code terminal_choose(struct arena *a, const struct terminal_question *q, const struct terminal_choice *v, size_t n,
    size_t fallback, size_t *ret, struct err *e)
{
	const struct choices all = { v, n };
	struct terminal_question ask = *q;
	char number[24] = "";
	const char *line;

	put_choices(&all);
	if (fallback < n)
		(void)snprintf(number, sizeof number, "%zu", fallback + 1);
	ask.fallback = fallback < n ? number : NULL;
	ask.more = put_choices;
	ask.context = &all;
	for (;;) {
		TRY(terminal_ask(a, &ask, &line, e));
		size_t at = find(v, n, line);
		if (at < n && !v[at].not_possible) {
			*ret = at;
			return ERR_OK;
		}
		if (at < n)
			terminal_bad("%s: %s.", v[at].name, v[at].not_possible);
		else
			terminal_bad("\"%.40s\" is none of them: a number from 1 to %zu, or a name.", line, n);
	}
}

void terminal_command(const char *const *words, size_t n)
{
	size_t at = 2, most = width() - 3;

	printf("  ");
	for (size_t i = 0; i < n; i++) {
		size_t wide = columns(words[i], strlen(words[i]));
		/* an option and its value stay together where they can */
		if (i + 1 < n && words[i][0] == '-' && words[i + 1][0] != '-')
			wide += 1 + columns(words[i + 1], strlen(words[i + 1]));
		bool value = i > 0 && words[i][0] != '-' && words[i - 1][0] == '-';
		if (i > 0 && at + 1 + wide > most && !value) {
			printf(" \\\n      ");
			at = 5;
		} else if (i > 0) {
			printf(" ");
		}
		printf("%s", words[i]);
		at += 1 + columns(words[i], strlen(words[i]));
	}
	printf("\n");
	fflush(stdout);
}

void terminal_lines(const char *text)
{
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");
		printf("    %.*s\n", (int)n, p);
		p += n + (p[n] == '\n');
	}
	fflush(stdout);
}
