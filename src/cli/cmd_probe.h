/* chancery probe: holds a server against the standards. */
#ifndef CHANCERY_CLI_CMD_PROBE_H
#define CHANCERY_CLI_CMD_PROBE_H

#include "cli/options.h"

extern const struct given_option probe_options_table[];
extern const size_t n_probe_options;
int cmd_probe(struct cli *c);

#endif
