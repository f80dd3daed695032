/* chancery probe: holds a server against the standards. */
#ifndef CHANCERY_CLI_CMD_PROBE_H
#define CHANCERY_CLI_CMD_PROBE_H

#include "cli/options.h"

extern const struct cli_command probe_command;
/* There are two: chancery itself speaks to no network, and becomes the program that does (probe_start.c); that one's is cmd_probe.c. */
int cmd_probe(struct cli *c);

#endif
