/* chancery-ca block, unblock and limits: what operators close, open and count anew, asked of the running signer. */
#ifndef CHANCERY_CLI_CMD_BLOCK_H
#define CHANCERY_CLI_CMD_BLOCK_H

#include "cli/options.h"

extern const struct cli_command block_command;
extern const struct cli_command unblock_command;
extern const struct cli_command limits_command;

#endif
