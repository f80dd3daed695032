/* chancery-ca root create | sign | crl: a root's ceremonies, on a machine of its own. */
#ifndef CHANCERY_CLI_CMD_ROOT_H
#define CHANCERY_CLI_CMD_ROOT_H

#include "cli/options.h"

#define ROOT_OPTIONS 19
extern const struct given_option root_options[ROOT_OPTIONS];
int cmd_root(struct cli *c);

#endif
