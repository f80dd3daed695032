#include "cli/terminal.h"

#include "base/utf8.h"

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

/* Words, with two blanks before each line. */
static void put_wrapped(const char *mark, const char *text)
{
	size_t at = 2, most = width() - 1;

	printf("%s", mark);
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " \n");
		if (at > 2 && at + n > most) {
			printf("\n  ");
			at = 2;
		}
		printf("%s%.*s", at > 2 ? " " : "", (int)n, p);
		at += n + 1;
		p += n;
		if (*p == '\n') {
			printf("\n  ");
			at = 2;
		}
		p += *p != 0;
	}
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

void terminal_step(unsigned n, unsigned of, const char *title)
{
	bool colour = has_colour();

	printf("\n%s%u/%u  %s%s\n", colour ? "\033[1m" : "", n, of, title, colour ? "\033[0m" : "");
	fflush(stdout);
}

/* --- asking --- */

/* What is typed, without blanks around it. */
static enum err_code read_line(struct arena *a, const char **ret, struct err *e)
{
	char line[LINE_LEN];

	if (!fgets(line, sizeof line, stdin)) {
		printf("\n");
		errno = 0;
		FAIL(e, CLOSED, "stopped; nothing is changed");
	}
	char *from = line + strspn(line, " \t"), *end = from + strlen(from);
	while (end > from && strchr(" \t\r\n", end[-1]))
		*--end = 0;
	for (const uint8_t *p = (const uint8_t *)from; *p;) {
		uint32_t c;
		size_t n = utf8_get(p, (const uint8_t *)end, &c);
		if (n == 0 || !utf8_is_printable(c)) {
			*from = 0; /* as if nothing were typed */
			break;
		}
		p += n;
	}
	*ret = arena_str(a, bytes_str(from));
	errno = 0;
	if (!*ret)
		FAIL(e, NOMEM, "no memory");
	if (strcmp(*ret, "back") == 0)
		FAIL(e, AGAIN, "back");
	return ERR_OK;
}

enum err_code terminal_ask(struct arena *a, const char *question, const char *fallback, const char **ret, struct err *e)
{
	for (;;) {
		if (fallback && *fallback)
			printf("  %s [%s] ", question, fallback);
		else
			printf("  %s ", question);
		fflush(stdout);
		TRY(read_line(a, ret, e));
		if (**ret)
			return ERR_OK;
		*ret = fallback;
		if (fallback)
			return ERR_OK;
	}
}

enum err_code terminal_yes(struct arena *a, const char *question, bool fallback, bool *ret, struct err *e)
{
	const char *line;

	for (;;) {
		printf("  %s [%s] ", question, fallback ? "Y/n" : "y/N");
		fflush(stdout);
		TRY(read_line(a, &line, e));
		if (!*line || strchr("yYnN", *line)) {
			*ret = *line ? *line == 'y' || *line == 'Y' : fallback;
			return ERR_OK;
		}
		terminal_say("y or n, or \"back\".");
	}
}

static void put_choices(const struct terminal_choice *v, size_t n)
{
	size_t longest = 0;

	for (size_t i = 0; i < n; i++)
		longest = strlen(v[i].name) > longest ? strlen(v[i].name) : longest;
	for (size_t i = 0; i < n; i++) {
		const char *doc = v[i].not_possible ? v[i].not_possible : v[i].doc;
		size_t left = width() > longest + 9 ? width() - longest - 9 : 20;
		printf("  %2zu  %-*s  %s%.*s\n", i + 1, (int)longest, v[i].name, v[i].not_possible ? "- " : "", (int)left - 2, doc);
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

enum err_code terminal_choose(
    struct arena *a, const char *question, const struct terminal_choice *v, size_t n, size_t fallback, size_t *ret, struct err *e)
{
	char number[24] = "";
	const char *line;

	put_choices(v, n);
	if (fallback < n)
		(void)snprintf(number, sizeof number, "%zu", fallback + 1);
	for (;;) {
		TRY(terminal_ask(a, question, fallback < n ? number : NULL, &line, e));
		size_t at = find(v, n, line);
		if (at < n && !v[at].not_possible) {
			*ret = at;
			return ERR_OK;
		}
		if (at < n)
			terminal_say("%s: %s.", v[at].name, v[at].not_possible);
		else
			terminal_say("A number from 1 to %zu, or a name; \"back\" goes one step back.", n);
	}
}
