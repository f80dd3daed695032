/* chancery-probe: what `chancery probe` becomes. */
#include "cli/cmd_probe.h"
#include "crypto/digest.h"

int main(int argc, char **argv)
{
	static const struct cli_command *const commands[] = { &probe_command };
	const struct cli_program program = { "chancery", "an ACME (RFC 8555) client", commands, 1, NULL, 0 };

	crypto_init();
	return cli_main(&program, argc, argv);
}
