/* chancery-ca revoke: certificates by their serial numbers, or all that something is known of. */
#ifndef CHANCERY_CLI_CMD_REVOKE_H
#define CHANCERY_CLI_CMD_REVOKE_H

#include "cli/options.h"

#define REVOKE_OPTIONS 16
extern const struct given_option revoke_options[REVOKE_OPTIONS];
int cmd_revoke(struct cli *c);

#endif
