/* chancery account: what becomes of the account at a CA. */
#ifndef CHANCERY_CLI_CMD_ACCOUNT_H
#define CHANCERY_CLI_CMD_ACCOUNT_H

#include "cli/options.h"

extern const struct given_option account_options[];
extern const size_t n_account_options;
int cmd_account(struct cli *c);

#endif
