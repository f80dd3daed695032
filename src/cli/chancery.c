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

static const struct cli_choice dialects[] = {
#define X(code, name, say, http, dns, tls, doc) { name, doc },
#include "agent/dialect.def"
#undef X
};
static const struct cli_choices choices[] = { { "DIALECT", dialects, sizeof dialects / sizeof *dialects } };

static const struct cli_command *const commands[] = { &setup_command, &issue_command, &renew_command, &deploy_command, &reissue_command,
	&delete_command, &list_command, &daemon_command, &account_command, &client_revoke_command, &ca_command, &check_config_command,
	&probe_command };
static const struct cli_program program = { "chancery", "an ACME (RFC 8555) client", commands, sizeof commands / sizeof *commands, choices,
	sizeof choices / sizeof *choices };

int main(int argc, char **argv)
{
	char setup[] = "setup", *words[] = { argv[0], setup, NULL };

	if (argc == 1 && terminal_is_there())
		return cli_main(&program, 2, words);
	return cli_main(&program, argc, argv);
}
