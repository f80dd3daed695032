/* chancery-ca revoke: certificates by their serial numbers, or all that something is known of. */
#ifndef CHANCERY_CLI_CMD_REVOKE_H
#define CHANCERY_CLI_CMD_REVOKE_H

#include "cli/options.h"

extern const struct cli_command revoke_command;

#endif
