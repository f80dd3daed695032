/* chancery: the program of who needs certificates. */
#include "cli/cmd_account.h"
#include "cli/cmd_ca.h"
#include "cli/cmd_check_config.h"
#include "cli/cmd_client_revoke.h"
#include "cli/cmd_deploy.h"
#include "cli/cmd_daemon.h"
#include "cli/cmd_delete.h"
#include "cli/cmd_issue.h"
#include "cli/cmd_list.h"
#include "cli/cmd_probe.h"
#include "cli/cmd_renew.h"
#include "cli/cmd_setup.h"
#include "cli/terminal.h"

int main(int argc, char **argv)
{
	const struct cli_command commands[] = {
		{ "setup", "[NAME...]",
		    "Asks for all that a certificate needs, in five steps, tries it before anything is ordered, gets it, and writes it to chancery.conf. What chancery without any word does at a terminal.",
		    setup_options, n_setup_options, 0, 100, cmd_setup },
		{ "issue", "[NAME...]", "Gets one certificate for these names, wildcards and addresses, and puts it where servers read it.",
		    issue_options, n_issue_options, 0, 100, cmd_issue },
		{ "renew", "[NAME...]",
		    "Renews the certificates of the folder that are due, or those that are named, each the way that it was issued: for a timer, some times a day. Exit "
		    "code 1: none was due.",
		    renew_options, n_renew_options, 0, 100, cmd_renew },
		{ "deploy", "[NAME...]",
		    "Puts the certificates of the folder, or those that are named, to use again, the way that they were issued (--deploy): tested, reloaded, looked at "
		    "from outside. A newer one that an earlier deployment had put back is tried again. Exit code 1: none is to be deployed.",
		    deploy_options, n_deploy_options, 0, 100, cmd_deploy },
		{ "reissue", "NAME...",
		    "Gets these certificates anew now, with new keys, due or not; the old ones stay valid (revoke ends them).",
		    reissue_options, n_reissue_options, 1, 100, cmd_renew },
		{ "delete", "NAME...",
		    "Puts these certificates away: nobody renews them any more. Their files are kept below _deleted; the CA is told nothing.",
		    delete_options, n_delete_options, 1, 100, cmd_delete },
		{ "status", "[NAME...]",
		    "Lists the certificates, those of the folder and those of chancery.conf: until when they hold, when they are due and why, what failed last and what to do, what is served. Exit code "
		    "2: something needs a look.",
		    list_options, n_list_options, 0, 100, cmd_list },
		{ "daemon", "",
		    "Stays, and renews each certificate when it is time; alerts and metrics as chancery.conf says. SIGHUP: looks at once, with the configuration read anew.",
		    daemon_options, n_daemon_options, 0, 0, cmd_daemon },
		{ "account", "list | show | recover | update | rollover | deactivate | snippet WEB-SERVER",
		    "The account at a CA: lists those that there are, shows its URL, finds that of a key from elsewhere (recover: --account-key), tells the CA the contacts that are given (none: forgets them), gives it a new key, or ends it; prints what a web server (nginx, apache, haproxy) needs "
		    "to answer http-01 by itself (issue --stateless).",
		    account_options, n_account_options, 1, 2, cmd_account },
		{ "revoke", "NAME|FILE", "Has the CA revoke a certificate: one of the folder by its name, or the one in FILE (PEM).",
		    client_revoke_options, n_client_revoke_options, 1, 1, cmd_client_revoke },
		{ "ca", "list | add NAME | remove NAME | test NAME | switch | drill",
		    "The CAs that are known, and those of one's own (add, remove); whether one answers, with an account that stands by (test); moves certificates from one to another, each kept "
		    "until the new one serves (switch); proves that those which stand by would give certificates (drill).",
		    ca_options, n_ca_options, 1, 2, cmd_ca },
		{ "check-config", "", "Says all that is wrong with the configuration, each with its file and line.", check_config_options,
		    n_check_config_options, 0, 0, cmd_check_config },
		PROBE_COMMAND(probe_start),
	};
	const struct cli_program program = { "chancery", "an ACME (RFC 8555) client", commands, sizeof commands / sizeof *commands };

	char setup[] = "setup", *words[] = { argv[0], setup, NULL };

	if (argc == 1 && terminal_is_there())
		return cli_main(&program, 2, words);
	return cli_main(&program, argc, argv);
}
