/* chancery issue: gets a certificate and puts it where servers read it. */
#ifndef CHANCERY_CLI_CMD_ISSUE_H
#define CHANCERY_CLI_CMD_ISSUE_H

#include "cli/options.h"

extern const struct given_option issue_options[];
extern const size_t n_issue_options;
int cmd_issue(struct cli *c);
/* Renews what `as` asks for, a command line of issue, when it is due: by its life, or as the CA says. Tells as issue does; its exit code. */
int issue_again(struct cli *as, struct arena *a, bool force, bool json);

#endif
