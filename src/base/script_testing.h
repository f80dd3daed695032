/* Scenarios: what something does and what is done to it, line by line, in files that are read (tests/replay/README). Read here, played by whoever has the thing
 * that they are about (a struct script_game), and each of their lines tried: whether it says anything. */
#ifndef CHANCERY_BASE_SCRIPT_TESTING_H
#define CHANCERY_BASE_SCRIPT_TESTING_H

#include "base/arena.h"

#define SCRIPT_LINES_MAX 512
#define SCRIPT_FAULT_MAX 1024

/* Lines without comments and empty ones; those of included files in their place. */
struct script_line {
	const char *text, *file;
	unsigned number;
};
struct script {
	struct script_line v[SCRIPT_LINES_MAX];
	size_t n;
};

/* A script while it is played, and how what happens differs from it first; fault "": it does not. */
struct script_player {
	const struct script *script;
	size_t at;
	char fault[SCRIPT_FAULT_MAX];
};
/* The line that is next; words for the end behind the last. */
const char *script_line(const struct script_player *p);
/* What is behind the keyword of the line that is next, when it is that; else NULL. */
const char *script_next(const struct script_player *p, const char *keyword);
/* Notes that something else has happened than the line that is next says; only the first counts. */
PRINTF(2, 3) void script_differs(struct script_player *p, const char *fmt, ...);
/* The line that is next has to be this; it is passed. */
PRINTF(2, 3) void script_expect(struct script_player *p, const char *fmt, ...);

struct script_game {
	const char *folder;
	const char *const *expects; /* keywords of the lines that say what has to happen or come out; NULL at the end */
	const char *(*spoil)(struct arena *a, const char *line); /* says something else; NULL: the line's last character is another */
	bool (*says_alone)(const char *line);                    /* whether it may not be left out */
	/* Plays one; how it differs, in the arena; NULL: it does not. */
	const char *(*play)(struct arena *a, const struct script *s);
};
/* Plays all *.txt of the folder; fails the test when one differs. How many there were. */
size_t script_play_each(const struct script_game *g);
/* Plays each with one line after the other spoilt or left out; fails the test when that makes no difference. How many lines there were. */
size_t script_spoil_each(const struct script_game *g);

/* What is behind the keyword, when the line begins with it; else NULL. */
const char *script_after(const char *line, const char *keyword);
/* Whether text is what the pattern says, where each * stands for characters of base64url. */
bool script_matches(const char *pattern, struct bytes text);
/* "0.2", "30": seconds in milliseconds; -1: it is no time. */
int64_t script_ms(const char *text);
/* "90d", "6h", "-30m", "5s", "1d12h", "0": a time in seconds. Fails the test when it is none. */
int64_t script_span_s(const char *text);
/* The same the other way: "1d12h", "0". */
const char *script_span(struct arena *a, int64_t span_s);

#endif
