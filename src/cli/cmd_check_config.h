/* chancery check-config: all that is wrong with the configuration. */
#ifndef CHANCERY_CLI_CMD_CHECK_CONFIG_H
#define CHANCERY_CLI_CMD_CHECK_CONFIG_H

#include "cli/options.h"

extern const struct given_option check_config_options[];
extern const size_t n_check_config_options;
int cmd_check_config(struct cli *c);

#endif
