/* chancery revoke: has the CA revoke a certificate. */
#ifndef CHANCERY_CLI_CMD_CLIENT_REVOKE_H
#define CHANCERY_CLI_CMD_CLIENT_REVOKE_H

#include "cli/options.h"

extern const struct cli_command client_revoke_command;

#endif
