/* chancery renew: every certificate of the folder that is due, the way that it was asked for. */
#ifndef CHANCERY_CLI_CMD_RENEW_H
#define CHANCERY_CLI_CMD_RENEW_H

#include "cli/options.h"

extern const struct cli_command renew_command;
extern const struct cli_command reissue_command;

#endif
