/* chancery ca: the CAs that are known, those of one's own, and moving from one to another. */
#ifndef CHANCERY_CLI_CMD_CA_H
#define CHANCERY_CLI_CMD_CA_H

#include "cli/options.h"

extern const struct cli_command ca_command;

#endif
