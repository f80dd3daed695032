#include "agent/words.h"

#include <errno.h>
#include <string.h>

static const char blanks[] = " \t\r\n", shells[] = "|&;<>()$`*";

/* One word from *at on, which is no blank; its end is put into *at. out has room for the whole text. */
static enum err_code take_word(const char **at, char *out, struct err *e)
{
	const char *p = *at;
	char quote = 0;

	for (; *p && (quote || !strchr(blanks, *p)); p++) {
		if (quote && *p == quote)
			quote = 0;
		else if (!quote && (*p == '\'' || *p == '"'))
			quote = *p;
		else if (*p == '\\' && p[1] && (!quote || (quote == '"' && (p[1] == '"' || p[1] == '\\'))))
			*out++ = *++p;
		else if (!quote && strchr(shells, *p))
			FAIL(e, CONFIG, "it has a %c outside quotes, and no shell reads it: quote it, or write sh -c '...'", *p);
		else
			*out++ = *p;
	}
	if (quote)
		FAIL(e, CONFIG, "a %c in it is not closed", quote);
	*out = 0;
	*at = p;
	return ERR_OK;
}

enum err_code words_split(struct arena *a, const char *text, const char ***ret_argv, struct err *e)
{
	const char **argv = arena_array(a, WORDS_MAX + 1, sizeof *argv), *p = text + strspn(text, blanks);
	size_t n = 0;

	errno = 0;
	if (!argv)
		FAIL(e, NOMEM, "no memory for a command");
	for (; *p; p += strspn(p, blanks)) {
		if (n == WORDS_MAX)
			FAIL(e, CONFIG, "it has more than %d words", WORDS_MAX);
		char *word = arena_alloc(a, strlen(p) + 1);
		if (!word)
			FAIL(e, NOMEM, "no memory for a command");
		TRY(take_word(&p, word, e));
		argv[n++] = word;
	}
	if (n == 0 || !*argv[0])
		FAIL(e, CONFIG, "it names no program");
	*ret_argv = argv;
	return ERR_OK;
}
