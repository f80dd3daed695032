/* chancery account: what becomes of the account at a CA. */
#ifndef CHANCERY_CLI_CMD_ACCOUNT_H
#define CHANCERY_CLI_CMD_ACCOUNT_H

#include "cli/options.h"

extern const struct cli_command account_command;

#endif
