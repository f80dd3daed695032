/* chancery probe: holds a server against the standards. */
#ifndef CHANCERY_CLI_CMD_PROBE_H
#define CHANCERY_CLI_CMD_PROBE_H

#include "cli/options.h"

extern const struct given_option probe_options_table[];
extern const size_t n_probe_options;
/* The row of a program's table. */
#define PROBE_COMMAND(run)                                                                                                               \
	{                                                                                                                                \
		"probe", "[URL]", "Holds an ACME server, by its directory's URL, against the standards: one case for each requirement.", \
		    probe_options_table, n_probe_options, 0, 1, run                                                                      \
	}
int cmd_probe(struct cli *c);
/* chancery itself speaks to no network: it becomes the program that does. */
int probe_start(struct cli *c);

#endif
