/* chancery setup: the wizard, in five steps; also without a terminal. */
#ifndef CHANCERY_CLI_CMD_SETUP_H
#define CHANCERY_CLI_CMD_SETUP_H

#include "cli/options.h"

extern const struct cli_command setup_command;

#endif
