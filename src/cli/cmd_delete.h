/* chancery delete: puts certificates away. */
#ifndef CHANCERY_CLI_CMD_DELETE_H
#define CHANCERY_CLI_CMD_DELETE_H

#include "cli/options.h"

extern const struct cli_command delete_command;

#endif
