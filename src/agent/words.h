/* A command as a person writes it in one value, taken apart into the words of a program's command line. There is no shell:
 *
 *	words are separated by blanks and newlines
 *	'...'     what stands in it, as it is
 *	"..."     the same, but for \" and \\
 *	\c        outside quotes: the character c, a blank too
 *
 * Nothing is replaced: no variables, no patterns, no ~. What would ask a shell for more, | & ; < > ( ) $ ` * outside quotes, is refused rather than given
 * to the program, so that nobody believes that it was understood: whoever wants a shell writes sh -c '...'. */
#ifndef CHANCERY_AGENT_WORDS_H
#define CHANCERY_AGENT_WORDS_H

#include "base/arena.h"
#include "base/err.h"

#define WORDS_MAX 64

/* ret_argv ends with NULL and is the arena's. CONFIG, with what is wrong: no word, a quote that does not end, a shell's character, too many words. */
enum err_code words_split(struct arena *a, const char *text, const char ***ret_argv, struct err *e) MUST_USE;

#endif
