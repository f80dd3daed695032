/* chancery daemon: renews when it is time. */
#ifndef CHANCERY_CLI_CMD_DAEMON_H
#define CHANCERY_CLI_CMD_DAEMON_H

#include "cli/options.h"

extern const struct given_option daemon_options[];
extern const size_t n_daemon_options;
int cmd_daemon(struct cli *c);

#endif
