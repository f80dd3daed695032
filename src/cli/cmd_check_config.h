/* chancery check-config: all that is wrong with the configuration. */
#ifndef CHANCERY_CLI_CMD_CHECK_CONFIG_H
#define CHANCERY_CLI_CMD_CHECK_CONFIG_H

#include "cli/options.h"

extern const struct cli_command check_config_command;

#endif
