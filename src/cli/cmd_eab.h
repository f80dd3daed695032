/* chancery-ca eab: the keys for external account binding, asked of the running signer. */
#ifndef CHANCERY_CLI_CMD_EAB_H
#define CHANCERY_CLI_CMD_EAB_H

#include "cli/options.h"

#define EAB_OPTIONS 8
extern const struct given_option eab_options[EAB_OPTIONS];
int cmd_eab(struct cli *c);

#endif
