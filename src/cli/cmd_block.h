/* chancery-ca block, unblock and limits: what operators close, open and count anew, asked of the running signer. */
#ifndef CHANCERY_CLI_CMD_BLOCK_H
#define CHANCERY_CLI_CMD_BLOCK_H

#include "cli/options.h"

#define BLOCK_OPTIONS  3
#define LIMITS_OPTIONS 2
extern const struct given_option block_options[BLOCK_OPTIONS];
extern const struct given_option limits_options[LIMITS_OPTIONS];
int cmd_block(struct cli *c);
int cmd_unblock(struct cli *c);
int cmd_limits(struct cli *c);

#endif
