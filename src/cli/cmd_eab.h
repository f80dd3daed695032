/* chancery-ca eab: the keys for external account binding, asked of the running signer. */
#ifndef CHANCERY_CLI_CMD_EAB_H
#define CHANCERY_CLI_CMD_EAB_H

#include "cli/options.h"

extern const struct cli_command eab_command;

#endif
