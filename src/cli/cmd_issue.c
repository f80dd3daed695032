#include "cli/cmd_issue.h"

#include "agent/flow.h"
#include "agent/frame.h"
#include "cli/client_config.h"
#include "cli/deployment.h"
#include "cli/issue_report.h"

#include <stdio.h>
#include <string.h>

const struct given_option issue_options[] = {
#define X(name, value, repeats, doc) { name, value, repeats, doc },
#include "agent/wish.def"
#undef X
	CONFIG_OPTION,
	FOLDER_OPTION,
	{ "force", NULL, false, "Gets a new certificate even when the present one is not due yet." },
	{ "dry-run", NULL, false,
	    "Gets a certificate as it would, and throws it away: nothing is stored, switched or deployed. Of a CA that has one for tests, that one is asked." },
	{ "json", NULL, false, "Prints one JSON object instead of progress." },
};
const size_t n_issue_options = sizeof issue_options / sizeof *issue_options;

enum err_code issue_inventory(
    const struct config *config, struct arena *a, const char *const *only, size_t n_only, struct inventory *ret, struct err *e)
{
	const struct given table = { .options = issue_options, .n_options = n_issue_options };

	return inventory_read(config, a, only, n_only, &table, ret, e);
}

int issue_with_inventory(struct cli *c, int (*run)(struct cli *c, const struct config *config, const struct inventory *all))
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 256u << 20);
	struct config config;
	struct inventory all;
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	if (client_config(&c->given, a, &config, &e) != ERR_OK ||
	    issue_inventory(&config, a, c->arguments, c->n_arguments, &all, &e) != ERR_OK)
		return cli_fail(c, &e);
	return run(c, &config, &all);
}

static int tell(struct issue_report *r, const struct flow_report *f)
{
	r->live = f->live;
	r->not_before_s = f->not_before_s;
	r->not_after_s = f->not_after_s;
	r->deploy = f->deploy;
	r->server = f->server;
	r->ca = f->ca;
	r->due = &f->due;
	switch (f->end) {
	case FLOW_FAILED:
		return report_failed(r, &f->outcome);
	case FLOW_NOTHING:
		report_nothing_to_do(r);
		return EXIT_NOTHING_TO_DO;
	case FLOW_WAITING:
		report_waiting(r, f->waits_until_s, &f->outcome);
		return EXIT_NOTHING_TO_DO;
	case FLOW_REHEARSED:
		report_rehearsed(r);
		return EXIT_DONE;
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

enum err_code issue_other_ca(const struct given *from, const char *old, const char *other, struct given *ret, struct err *e)
{
	const struct given_option *ca = given_option(from, BYTES_LIT("ca"));
	bool placed = false;

	*ret = (struct given){ .options = from->options, .n_options = from->n_options };
	for (size_t i = 0; i < from->n; i++) {
		const struct given_one *v = &from->v[i];
		bool is_ca = strcmp(v->option->name, "ca") == 0 || strcmp(v->option->name, "server") == 0;
		bool is_old = is_ca && strcmp(v->value, old) == 0, is_new = is_ca && strcmp(v->value, other) == 0;
		if (is_old && !placed) {
			TRY(given_add(ret, &(struct given_one){ .option = ca, .value = other }, e));
			placed = true;
		}
		if (!is_old && !is_new)
			TRY(given_add(ret, v, e));
	}
	return ERR_OK;
}

/* Each CA that has an entry for tests, by that one. */
static enum err_code with_tests(const struct config *config, const struct given *from, struct given *ret, struct err *e)
{
	const char *name;

	*ret = *from;
	for (size_t i = 0; (name = given_nth(from, "ca", i)) != NULL; i++) {
		const struct ca *c = ca_list_find(&config->cas, name);
		struct given before = *ret;
		if (c && c->staging && ca_list_find(&config->cas, c->staging))
			TRY(issue_other_ca(&before, name, c->staging, ret, e));
	}
	return ERR_OK;
}

int issue_run(struct crew *crew, const struct config *config, const struct issue_run *what)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 16u << 20);
	struct issue_report r = { .json = what->json };
	const struct flow_wish how = { .force = what->force,
		.again = what->again,
		.rehearsal = what->rehearsal,
		.ca = what->ca,
		.configured = what->name && config_cert_find(config, what->name) };
	const struct flow_watch watch = { .progress = report_progress, .context = &r, .deployed = what->json ? NULL : deployment_tell };
	struct flow_report report;
	struct given given = *what->given;
	struct wish w = { .n_names = 0 };
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	enum err_code rc = what->tests ? with_tests(config, what->given, &given, &e) : ERR_OK;
	if (rc == ERR_OK)
		rc = wish_read(a, config, &given, what->name, what->names, what->n_names, &w, &e);
	r.names = w.names;
	r.n_names = w.n_names;
	r.server = w.n_cas ? w.cas[0].directory : NULL;
	if (rc != ERR_OK)
		return report_failed_here(&r, &e);
	report_catch_signals();
	flow_run(crew, &w, &how, &watch, &report);
	return tell(&r, &report);
}

/* One name that is a section of the configuration is what the section says. */
static enum err_code read_what(struct cli *c, const struct config *config, struct issue_run *what, struct err *e)
{
	const struct config_cert *cert = c->n_arguments == 1 ? config_cert_find(config, c->arguments[0]) : NULL;

	what->names = cert ? cert->names : c->arguments;
	what->n_names = cert ? cert->n_names : c->n_arguments;
	what->name = cert ? cert->name : NULL;
	/* A CA on the command line is instead of those that are configured, not beside them. */
	return config_merge(config, cert, &c->given, e);
}

static int cmd_issue(struct cli *c)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(65536, 64u << 20);
	CLEANUP(crew_close) struct crew crew = { .net = NULL };
	struct issue_report r = { .json = cli_flag(c, "json"), .names = c->arguments, .n_names = c->n_arguments };
	struct issue_run what = { .given = &c->given,
		.force = cli_flag(c, "force"),
		.rehearsal = cli_flag(c, "dry-run"),
		.tests = cli_flag(c, "dry-run"),
		.json = r.json };
	struct config config;
	struct err e = { 0 };

	if (!a)
		return EXIT_FAILED;
	if (client_config(&c->given, a, &config, &e) != ERR_OK || read_what(c, &config, &what, &e) != ERR_OK)
		return report_failed_here(&r, &e);
	crew.users = config.users;
	return issue_run(&crew, &config, &what);
}

const struct cli_command issue_command = { "issue", "[NAME...]",
	"Gets one certificate for these names, wildcards and addresses, and puts it where servers read it.", CLI_OPTIONS(issue_options), 0,
	100, cmd_issue };
