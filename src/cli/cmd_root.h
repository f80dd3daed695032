/* chancery-ca root create | sign | crl: a root's ceremonies, on a machine of its own. */
#ifndef CHANCERY_CLI_CMD_ROOT_H
#define CHANCERY_CLI_CMD_ROOT_H

#include "cli/options.h"

extern const struct cli_command root_command;

#endif
