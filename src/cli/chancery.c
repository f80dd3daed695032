/* chancery: the program of who needs certificates. */
#include "cli/cmd_issue.h"
#include "cli/cmd_probe.h"
#include "crypto/digest.h"

int main(int argc, char **argv)
{
	const struct cli_command commands[] = {
		{ "issue", "NAME...", "Gets one certificate for these DNS names and puts it where servers read it.", issue_options,
		    n_issue_options, 1, 100, cmd_issue },
		{ "probe", "[URL]", "Holds an ACME server, by its directory's URL, against the standards: one case for each requirement.",
		    probe_options_table, n_probe_options, 0, 1, cmd_probe },
	};
	const struct cli_program program = { "chancery", "an ACME (RFC 8555) client", commands, sizeof commands / sizeof *commands };

	crypto_init();
	return cli_main(&program, argc, argv);
}
