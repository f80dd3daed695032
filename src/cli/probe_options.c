#include "cli/cmd_probe.h"

static const struct given_option probe_options_table[] = {
	{ "ca-file", "PEM", false, "Those who may vouch for the server's TLS certificate (default: the system's)." },
	{ "list", NULL, false, "Prints the cases instead of running them; needs no URL." },
	{ "only", "GLOB", true, "Runs the cases whose id matches, like 'order/*'. May be repeated." },
	{ "http-port", "PORT", false, "Where http-01 is answered by a listener of its own (default: 80, where a CA looks)." },
	{ "name", "NAME", true,
	    "A DNS name that leads the server to this machine, for the orders (default: localhost). Give two for the cases that need more than one." },
	{ "contact", "URI", false,
	    "Where the owner of the accounts may be reached, for a server that asks for it, like mailto:ops@example.org." },
	{ "eab-kid", "ID", false, "The id of an external account key, for a server that asks for one." },
	{ "eab-key-file", "FILE", false, "That key, in base64url." },
	{ "json", NULL, false, "Prints one JSON object instead of a table." },
	{ "verbose", NULL, false, "Tells each request and its answer on standard error." },
};

const struct cli_command probe_command = { "probe", "[URL]",
	"Holds an ACME server, by its directory's URL, against the standards: one case for each requirement.",
	CLI_OPTIONS(probe_options_table), 0, 1, cmd_probe };
