/* chancery-ca status */
#ifndef CHANCERY_CLI_CMD_STATUS_H
#define CHANCERY_CLI_CMD_STATUS_H

#include "cli/options.h"

#define STATUS_OPTIONS 3
extern const struct given_option status_options[STATUS_OPTIONS];
int cmd_status(struct cli *c);

#endif
