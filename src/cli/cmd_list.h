/* chancery status: how the certificates stand. */
#ifndef CHANCERY_CLI_CMD_LIST_H
#define CHANCERY_CLI_CMD_LIST_H

#include "cli/options.h"

extern const struct cli_command list_command;

#endif
