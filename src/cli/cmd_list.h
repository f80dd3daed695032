/* chancery status: how the certificates stand. */
#ifndef CHANCERY_CLI_CMD_LIST_H
#define CHANCERY_CLI_CMD_LIST_H

#include "cli/options.h"

extern const struct given_option list_options[];
extern const size_t n_list_options;
int cmd_list(struct cli *c);

#endif
