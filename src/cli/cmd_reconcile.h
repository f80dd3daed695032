#ifndef CHANCERY_CLI_CMD_RECONCILE_H
#define CHANCERY_CLI_CMD_RECONCILE_H

#include "cli/options.h"

/* `chancery-ca reconcile`: the signer's log against the front's database. EXIT_FAILED also when they differ in the end. */
extern const struct cli_command reconcile_command;

#endif
