/* chancery renew: every certificate of the folder that is due, the way that it was asked for. chancery status: how they are. */
#ifndef CHANCERY_CLI_CMD_RENEW_H
#define CHANCERY_CLI_CMD_RENEW_H

#include "cli/options.h"

extern const struct given_option renew_options[], list_options[];
extern const size_t n_renew_options, n_list_options;
int cmd_renew(struct cli *c);
int cmd_list(struct cli *c);

#endif
