#ifndef CHANCERY_CLI_CMD_SHOW_H
#define CHANCERY_CLI_CMD_SHOW_H

#include "cli/options.h"

#define SHOW_OPTIONS 3
extern const struct given_option show_options[SHOW_OPTIONS];
/* `chancery-ca show`: a certificate, and all that it rests on. EXIT_FAILED when something of it does not hold. */
int cmd_show(struct cli *c);

#endif
