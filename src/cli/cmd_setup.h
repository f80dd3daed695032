/* chancery setup: the wizard, in five steps; also without a terminal. */
#ifndef CHANCERY_CLI_CMD_SETUP_H
#define CHANCERY_CLI_CMD_SETUP_H

#include "cli/options.h"

extern const struct given_option setup_options[];
extern const size_t n_setup_options;
int cmd_setup(struct cli *c);

#endif
