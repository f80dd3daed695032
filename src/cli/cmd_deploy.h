/* chancery deploy: what is on disk is deployed again. */
#ifndef CHANCERY_CLI_CMD_DEPLOY_H
#define CHANCERY_CLI_CMD_DEPLOY_H

#include "cli/options.h"

extern const struct given_option deploy_options[];
extern const size_t n_deploy_options;
int cmd_deploy(struct cli *c);

#endif
