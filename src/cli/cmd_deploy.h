/* chancery deploy: what is on disk is deployed again. */
#ifndef CHANCERY_CLI_CMD_DEPLOY_H
#define CHANCERY_CLI_CMD_DEPLOY_H

#include "cli/options.h"

extern const struct cli_command deploy_command;

#endif
