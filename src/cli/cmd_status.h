/* chancery-ca status */
#ifndef CHANCERY_CLI_CMD_STATUS_H
#define CHANCERY_CLI_CMD_STATUS_H

#include "cli/options.h"

extern const struct cli_command status_command;

#endif
