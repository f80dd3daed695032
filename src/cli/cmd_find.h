/* chancery-ca certificates, orders, accounts: what the database has, asked of the running front. */
#ifndef CHANCERY_CLI_CMD_FIND_H
#define CHANCERY_CLI_CMD_FIND_H

#include "cli/options.h"

extern const struct cli_command certificates_command;
extern const struct cli_command orders_command;
extern const struct cli_command accounts_command;

#endif
