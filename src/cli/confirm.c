#include "cli/confirm.h"

#include <stdio.h>
#include <unistd.h>

enum err_code confirm(const struct cli *c, const char *question, struct err *e)
{
	char line[64];

	if (cli_flag(c, "yes"))
		return ERR_OK;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		FAIL(e, CONFIG, "nothing was done: this must be confirmed, at a terminal or by --yes");
	fprintf(stderr, "%s [y/N] ", question);
	if (!fgets(line, sizeof line, stdin) || (line[0] != 'y' && line[0] != 'Y'))
		FAIL(e, CONFIG, "nothing was done");
	return ERR_OK;
}
