#ifndef CHANCERY_CLI_CMD_LOG_H
#define CHANCERY_CLI_CMD_LOG_H

#include "cli/options.h"

/* `chancery-ca log verify | list`: the signer's log, checked; and what its records say. */
extern const struct cli_command log_command;

#endif
