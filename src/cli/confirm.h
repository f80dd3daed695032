/* Asks before something that cannot be taken back. */
#ifndef CHANCERY_CLI_CONFIRM_H
#define CHANCERY_CLI_CONFIRM_H

#include "cli/options.h"

/* A row of an options table. */
#define YES_OPTION                                                                       \
	{                                                                                \
		"yes", NULL, false, "Does it without asking; needed without a terminal." \
	}

/* OK when --yes is given, or whoever sits at the terminal says y. CONFIG otherwise. */
enum err_code confirm(const struct cli *c, const char *question, struct err *e) MUST_USE;

#endif
