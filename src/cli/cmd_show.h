#ifndef CHANCERY_CLI_CMD_SHOW_H
#define CHANCERY_CLI_CMD_SHOW_H

#include "cli/options.h"

/* `chancery-ca show`: a certificate, and all that it rests on. EXIT_FAILED when something of it does not hold. */
extern const struct cli_command show_command;

#endif
