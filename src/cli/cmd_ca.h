/* chancery ca: the CAs that are known, those of one's own, and moving from one to another. */
#ifndef CHANCERY_CLI_CMD_CA_H
#define CHANCERY_CLI_CMD_CA_H

#include "cli/options.h"

extern const struct given_option ca_options[];
extern const size_t n_ca_options;
int cmd_ca(struct cli *c);

#endif
