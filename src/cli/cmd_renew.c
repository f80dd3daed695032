#include "cli/cmd_renew.h"

#include "agent/frame.h"
#include "cli/afterwards.h"
#include "cli/client_config.h"
#include "cli/cmd_issue.h"
#include "cli/issue_report.h"

#include <stdio.h>

static const struct given_option renew_options[] = {
	CONFIG_OPTION,
	FOLDER_OPTION,
	{ "force", NULL, false, "Renews also what is not due." },
	{ "dry-run", NULL, false, "Gets each as it would, and throws it away: nothing is stored, switched or deployed." },
	{ "json", NULL, false, "Prints one JSON object." },
};
static const struct given_option reissue_options[] = {
	CONFIG_OPTION,
	FOLDER_OPTION,
	{ "dry-run", NULL, false, "Gets each as it would, and throws it away: nothing is stored, switched or deployed." },
	{ "json", NULL, false, "Prints one JSON object." },
};

/* The same, due or not. */
static bool is_reissue(const struct cli *c)
{
	return c->command == &reissue_command;
}

static int renew_one(struct cli *c, struct crew *crew, const struct config *config, const struct inventory_item *item)
{
	struct issue_run what = { .given = item->given,
		.name = item->name,
		.names = item->names,
		.n_names = item->n_names,
		.force = cli_flag(c, "force") || is_reissue(c),
		.again = true,
		.rehearsal = cli_flag(c, "dry-run"),
		.tests = cli_flag(c, "dry-run"),
		.json = cli_flag(c, "json") };
	struct issue_report r = { .json = what.json };
	struct err e = { 0 };

	if (!item->wrong)
		return issue_run(crew, config, &what);
	(void)err_set(&e, ERR_CONFIG, __FILE__, __LINE__, "%s", item->wrong);
	if (what.json)
		fprintf(stderr, "chancery: %s\n", item->wrong);
	return report_failed_here(&r, &e);
}

static int renew_all(struct cli *c, const struct config *config, const struct inventory *all)
{
	CLEANUP(crew_close) struct crew crew = { .users = config->users };
	int worst = EXIT_NOTHING_TO_DO;
	bool json = cli_flag(c, "json"), failed = false;

	if (json)
		printf("{\"certificates\":[\n");
	for (size_t i = 0, told = 0; i < all->n; i++) {
		if (all->v[i].unmanaged)
			continue;
		if (json)
			printf("%s", told++ ? "," : "");
		else
			printf("%s\n", all->v[i].name);
		fflush(stdout);
		int code = renew_one(c, &crew, config, &all->v[i]);
		failed = failed || code == EXIT_FAILED;
		worst = code == EXIT_DONE ? EXIT_DONE : worst;
	}
	if (!cli_flag(c, "dry-run"))
		failed = !afterwards(config, &crew, json, NULL) || failed;
	if (json)
		printf("]}\n");
	else if (all->n == 0)
		printf("There are no certificates in %s.\n", config->folder);
	return failed ? EXIT_FAILED : worst;
}

static int cmd_renew(struct cli *c)
{
	return issue_with_inventory(c, renew_all);
}

const struct cli_command renew_command = { "renew", "[NAME...]",
	"Renews the certificates of the folder that are due, or those that are named, each the way that it was issued: for a timer, some times a day. Exit "
	"code 1: none was due.",
	CLI_OPTIONS(renew_options), 0, 100, cmd_renew };

const struct cli_command reissue_command = { "reissue", "NAME...",
	"Gets these certificates anew now, with new keys, due or not; the old ones stay valid (revoke ends them).",
	CLI_OPTIONS(reissue_options), 1, 100, cmd_renew };
