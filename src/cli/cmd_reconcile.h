#ifndef CHANCERY_CLI_CMD_RECONCILE_H
#define CHANCERY_CLI_CMD_RECONCILE_H

#include "cli/options.h"

#define RECONCILE_OPTIONS 3
extern const struct given_option reconcile_options[RECONCILE_OPTIONS];
/* `chancery-ca reconcile`: the signer's log against the front's database. EXIT_FAILED also when they differ in the end. */
int cmd_reconcile(struct cli *c);

#endif
