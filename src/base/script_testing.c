#include "base/script_testing.h"

#include "base/codec.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- reading --- */

static void read_file(struct arena *a, const char *folder, const char *file, struct script *ret)
{
	char path[512], text[2048];
	unsigned number = 0;

	(void)snprintf(path, sizeof path, "%s/%s", folder, file);
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("%s cannot be read", path);
	while (fgets(text, sizeof text, f)) {
		number++;
		text[strcspn(text, "\n")] = 0;
		const char *included = script_after(text, "include");
		if (included) {
			read_file(a, folder, included, ret);
		} else if (*text && *text != '#') {
			assert_in_range(ret->n, 0, SCRIPT_LINES_MAX - 1);
			ret->v[ret->n++] = (struct script_line){ arena_str(a, bytes_str(text)), arena_str(a, bytes_str(file)), number };
		}
	}
	(void)fclose(f);
}

const char *script_after(const char *line, const char *keyword)
{
	size_t n = strlen(keyword);

	if (strncmp(line, keyword, n) != 0 || (line[n] != ' ' && line[n] != 0))
		return NULL;
	return line[n] ? line + n + 1 : line + n;
}

bool script_matches(const char *pattern, struct bytes text)
{
	size_t n = 0;

	while (*pattern && *pattern != '*') {
		if (n == text.len || text.ptr[n] != (uint8_t)*pattern)
			return false;
		pattern++;
		n++;
	}
	text = bytes_slice(text, n, text.len);
	if (!*pattern)
		return text.len == 0;
	for (n = 0; n <= text.len && (n == 0 || base64url_is(bytes_slice(text, 0, n))); n++)
		if (script_matches(pattern + 1, bytes_slice(text, n, text.len)))
			return true;
	return false;
}

/* --- times --- */

int64_t script_ms(const char *text)
{
	char *end;
	double s = strtod(text, &end);

	return end == text || *end || s < 0 || s > 1e6 ? -1 : (int64_t)llround(s * 1000);
}

static const struct {
	char letter;
	int64_t s;
} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
#define UNITS (sizeof units / sizeof *units)

int64_t script_span_s(const char *text)
{
	int64_t sum_s = 0;
	const char *p = text + (*text == '-');
	char *end;

	if (strcmp(p, "0") == 0)
		return 0;
	for (size_t i = 0; *p; p = end + 1) {
		int64_t n = strtoll(p, &end, 10);
		while (i < UNITS && units[i].letter != *end)
			i++;
		if (end == p || i == UNITS)
			fail_msg("\"%s\" is no time", text);
		sum_s += n * units[i].s;
	}
	return *text == '-' ? -sum_s : sum_s;
}

const char *script_span(struct arena *a, int64_t span_s)
{
	char text[128] = "";
	size_t n = 0;

	if (span_s < 0)
		text[n++] = '-';
	for (size_t i = 0; i < UNITS; i++) {
		int64_t count = llabs(span_s) / units[i].s;
		span_s -= span_s < 0 ? -count * units[i].s : count * units[i].s;
		if (count)
			n += (size_t)snprintf(text + n, sizeof text - n, "%lld%c", (long long)count, units[i].letter);
	}
	return n ? arena_str(a, bytes_str(text)) : "0";
}

/* --- playing --- */

const char *script_line(const struct script_player *p)
{
	return p->at < p->script->n ? p->script->v[p->at].text : "the end of the file";
}

const char *script_next(const struct script_player *p, const char *keyword)
{
	return p->at < p->script->n ? script_after(script_line(p), keyword) : NULL;
}

static PRINTF(2, 0) void differs(struct script_player *p, const char *fmt, va_list ap)
{
	const struct script_line *l = &p->script->v[p->at < p->script->n ? p->at : p->script->n - 1];
	char what[700];

	(void)vsnprintf(what, sizeof what, fmt, ap);
	if (!p->fault[0])
		(void)snprintf(p->fault, sizeof p->fault, "%s:%u: %s; the scenario has: %.150s", l->file, l->number, what, script_line(p));
}

void script_differs(struct script_player *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	differs(p, fmt, ap);
	va_end(ap);
}

void script_expect(struct script_player *p, const char *fmt, ...)
{
	char words[700];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(words, sizeof words, fmt, ap);
	va_end(ap);
	if (strcmp(script_line(p), words) != 0)
		script_differs(p, "%s", words);
	p->at++;
}

struct tally {
	const struct script_game *game;
	size_t done, faults; /* all are told, and then the test has failed */
};

static size_t each(struct tally *t, void (*f)(struct tally *t, const char *file))
{
	struct dirent **names = NULL;
	size_t found = 0;
	int n = scandir(t->game->folder, &names, NULL, alphasort);

	assert_in_range(n, 1, 10000);
	for (int i = 0; i < n; i++) {
		const char *end = strrchr(names[i]->d_name, '.');
		if (end && strcmp(end, ".txt") == 0) {
			f(t, names[i]->d_name);
			found++;
		}
		free(names[i]);
	}
	free(names);
	return found;
}

static void play_file(struct tally *t, const char *file)
{
	struct arena *a = arena_new(65536, 64u << 20);
	struct script s = { .n = 0 };

	assert_non_null(a);
	read_file(a, t->game->folder, file, &s);
	const char *fault = t->game->play(a, &s);
	if (fault) {
		print_error("%s: %s\n", file, fault);
		t->faults++;
	}
	arena_free(a);
}

size_t script_play_each(const struct script_game *g)
{
	struct tally t = { .game = g };
	size_t found = each(&t, play_file);

	assert_int_equal(t.faults, 0);
	return found;
}

/* --- whether a scenario says anything --- */

static bool expects(const struct script_game *g, const char *text)
{
	for (size_t i = 0; g->expects[i]; i++)
		if (script_after(text, g->expects[i]))
			return true;
	return false;
}

static const char *another_end(struct arena *a, const char *text)
{
	char *other = arena_str(a, bytes_str(text)), *last = other + strlen(other) - 1;

	*last = *last == '9' ? '8' : (char)(*last + 1);
	return other;
}

static const char *spoilt(const struct script_game *g, struct arena *a, const char *text)
{
	const char *other = g->spoil ? g->spoil(a, text) : NULL;

	return other ? other : another_end(a, text);
}

static void spoil_line(struct tally *t, const struct script *whole, size_t i, bool away)
{
	struct arena *a = arena_new(65536, 64u << 20);
	struct script s = *whole;
	const struct script_line l = whole->v[i];

	assert_non_null(a);
	s.v[i].text = spoilt(t->game, a, l.text);
	if (away) {
		memmove(&s.v[i], &s.v[i + 1], (s.n - i - 1) * sizeof *s.v);
		s.n--;
	}
	if (!t->game->play(a, &s)) {
		print_error("%s:%u: \"%s\" may as well be %s\n", l.file, l.number, l.text, away ? "left out" : s.v[i].text);
		t->faults++;
	}
	t->done++;
	arena_free(a);
}

static void spoil_file(struct tally *t, const char *file)
{
	struct arena *a = arena_new(65536, 8u << 20);
	struct script whole = { .n = 0 };

	assert_non_null(a);
	read_file(a, t->game->folder, file, &whole);
	for (size_t i = 0; i < whole.n; i++) {
		/* Of an included line one scenario is enough. */
		if (!expects(t->game, whole.v[i].text) || strcmp(whole.v[i].file, file) != 0)
			continue;
		spoil_line(t, &whole, i, false);
		if (!t->game->says_alone || t->game->says_alone(whole.v[i].text))
			spoil_line(t, &whole, i, true);
	}
	arena_free(a);
}

size_t script_spoil_each(const struct script_game *g)
{
	struct tally t = { .game = g };

	(void)each(&t, spoil_file);
	assert_int_equal(t.faults, 0);
	return t.done;
}
