/* chancery delete: puts certificates away. */
#ifndef CHANCERY_CLI_CMD_DELETE_H
#define CHANCERY_CLI_CMD_DELETE_H

#include "cli/options.h"

extern const struct given_option delete_options[];
extern const size_t n_delete_options;
int cmd_delete(struct cli *c);

#endif
