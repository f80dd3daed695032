#ifndef CHANCERY_CLI_CMD_LOG_H
#define CHANCERY_CLI_CMD_LOG_H

#include "cli/options.h"

#define LOG_OPTIONS 7
extern const struct given_option log_options[LOG_OPTIONS];
/* `chancery-ca log verify | list`: the signer's log, checked; and what its records say. */
int cmd_log(struct cli *c);

#endif
