#include "cli/cmd_issue.h"

#include "agent/flow.h"
#include "cli/deployment.h"
#include "cli/issue_report.h"

#include <stdio.h>

const struct given_option issue_options[] = {
#define X(name, value, repeats, doc) { name, value, repeats, doc },
#include "agent/wish.def"
#undef X
	FOLDER_OPTION,
	{ "force", NULL, false, "Gets a new certificate even when more than a third of the present one's life is left." },
	{ "json", NULL, false, "Prints one JSON object instead of progress." },
};
const size_t n_issue_options = sizeof issue_options / sizeof *issue_options;

static int tell(struct issue_report *r, const struct flow_report *f)
{
	r->live = f->live;
	r->not_before_s = f->not_before_s;
	r->not_after_s = f->not_after_s;
	r->deploy = f->deploy;
	switch (f->end) {
	case FLOW_FAILED:
		return report_failed(r, &f->outcome);
	case FLOW_NOTHING:
		report_nothing_to_do(r);
		return EXIT_NOTHING_TO_DO;
	case FLOW_DEPLOYED:
		report_deployed(r);
		return EXIT_DONE;
	case FLOW_UNDEPLOYED:
		return report_undeployed(r, &f->outcome);
	case FLOW_ISSUED:
		break;
	}
	r->account_url = f->issued.account_url;
	r->order_url = f->issued.order_url;
	r->certificate_url = f->issued.certificate_url;
	report_issued(r);
	return EXIT_DONE;
}

int issue_run(struct crew *crew, const struct issue_run *what)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 16u << 20);
	struct issue_report r = { .json = what->json };
	const struct flow_wish how = { .force = what->force, .again = what->again };
	const struct flow_watch watch = { .progress = report_progress, .context = &r, .deployed = what->json ? NULL : deployment_tell };
	struct flow_report report;
	struct wish w;
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	enum err_code rc = wish_read(a, what->given, what->names, what->n_names, &w, &e);
	r.names = w.names;
	r.n_names = w.n_names;
	r.server = w.frame.server;
	if (rc != ERR_OK)
		return report_failed_here(&r, &e);
	report_catch_signals();
	flow_run(crew, &w, &how, &watch, &report);
	return tell(&r, &report);
}

int cmd_issue(struct cli *c)
{
	CLEANUP(crew_close) struct crew crew = { .net = NULL };
	const struct issue_run what = { .given = &c->given,
		.names = c->arguments,
		.n_names = c->n_arguments,
		.force = cli_flag(c, "force"),
		.json = cli_flag(c, "json") };

	return issue_run(&crew, &what);
}
