/* chancery daemon: renews when it is time. */
#ifndef CHANCERY_CLI_CMD_DAEMON_H
#define CHANCERY_CLI_CMD_DAEMON_H

#include "cli/options.h"

extern const struct cli_command daemon_command;

#endif
