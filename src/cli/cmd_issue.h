/* chancery issue: gets a certificate and puts it where servers read it. */
#ifndef CHANCERY_CLI_CMD_ISSUE_H
#define CHANCERY_CLI_CMD_ISSUE_H

#include "cli/options.h"

extern const struct cli_option issue_options[];
extern const size_t n_issue_options;
int cmd_issue(struct cli *c);

#endif
