/* chancery issue: gets a certificate and puts it where servers read it. */
#ifndef CHANCERY_CLI_CMD_ISSUE_H
#define CHANCERY_CLI_CMD_ISSUE_H

#include "agent/crew.h"
#include "cli/options.h"

extern const struct given_option issue_options[];
extern const size_t n_issue_options;
int cmd_issue(struct cli *c);

struct issue_run {
	const struct given *given;
	const char *const *names;
	size_t n_names;
	bool force, again; /* again: a renewal, which is due by the certificate's life, or as the CA says */
	bool json;
};
/* One certificate, told as issue does; its exit code. */
int issue_run(struct crew *crew, const struct issue_run *what);

#endif
