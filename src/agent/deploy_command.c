/* Whatever the user's own commands do. They are run again with the previous certificate when something failed. */
#include "agent/deploy_target.h"

static enum err_code reload(struct deploy_run *r, struct err *e)
{
	const struct deploy_commands *c = &r->job->wish->command;

	for (size_t i = 0; i < c->n; i++)
		TRY(deploy_run_words(r->job, c->v[i], e));
	return ERR_OK;
}

const struct deploy_target deploy_by_command = { .name = "command", .reload = reload };
