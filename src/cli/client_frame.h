/* What chancery's commands that talk to a CA have in common: which CA, where files are, which account. */
#ifndef CHANCERY_CLI_CLIENT_FRAME_H
#define CHANCERY_CLI_CLIENT_FRAME_H

#include "cli/options.h"

#include <chancery/chancery.h>

#define CLIENT_ROOT_FOLDER CHANCERY_SYSCONF "/chancery/client"

#define FOLDER_OPTION                                                                      \
	{                                                                                  \
		"folder", "DIR", false,                                                    \
		    "Where certificates and accounts live (default: " CLIENT_ROOT_FOLDER   \
		    " for root, else $XDG_DATA_HOME/chancery or ~/.local/share/chancery)." \
	}
#define FRAME_OPTIONS                                                                                                     \
	{ "server", "URL", false, "The CA's ACME directory, an https URL." }, FOLDER_OPTION,                              \
	    { "account-key", "FILE", false,                                                                               \
		    "The account's private key in PEM; made on first use (default: in the folder, one for each CA)." },   \
	    { "ca-file", "PEM", false, "Those who may vouch for the server's TLS certificate (default: the system's)." }, \
	{                                                                                                                 \
		"timeout", "SECONDS", false, "For all of it, waiting included (default: 600)."                            \
	}
/* Of commands that may make an account. */
#define FRAME_ACCOUNT_OPTIONS                                                                                                           \
	{ "contact", "URI", true,                                                                                                       \
		"Where the CA may reach the account's owner, like mailto:ops@example.org; told to the CA when the account is made." },  \
	    { "agree-tos", NULL, false, "Agrees to the CA's terms of service." },                                                       \
	    { "eab-kid", "KID", false, "The key identifier that the CA gave for external account binding, when the account is made." }, \
	{                                                                                                                               \
		"eab-key-file", "FILE", false, "Its key in base64url, in the first line of FILE, so that no other user sees it."        \
	}

struct client_frame {
	struct arena *arena;
	const char *server, *folder, *account_key;
	uint32_t timeout_s;
};
/* CONFIG with what is missing or wrong. Strings are in the arena, or argv's. */
enum err_code client_frame_read(const struct cli *c, struct arena *a, struct client_frame *ret, struct err *e) MUST_USE;
/* Where certificates and accounts live without --folder. */
enum err_code client_default_folder(struct arena *a, const char **ret, struct err *e) MUST_USE;
/* make: it is made where there is none; else NOT_FOUND says so. */
enum err_code client_frame_account_key(const struct client_frame *f, bool make, struct chancery_key **ret, struct err *e) MUST_USE;
/* A private key in a file. NOT_FOUND; CONFIG: it is none. */
enum err_code client_frame_key(const char *path, struct chancery_key **ret, struct err *e) MUST_USE;
/* A client for the CA with the account and all that the command line says of it. */
enum err_code client_frame_client(
    const struct cli *c, const struct client_frame *f, struct chancery_key *account, struct chancery_client **ret, struct err *e) MUST_USE;
/* An option's number, from 1 to `most`. */
enum err_code cli_number(
    const struct cli *c, const char *option, const char *fallback, unsigned long most, unsigned long *ret, struct err *e) MUST_USE;

/* Handles that the library gives, for CLEANUP. */
DEFINE_CLEANUP(struct chancery_client *, chancery_client_free);
DEFINE_CLEANUP(struct chancery_key *, chancery_key_free);

#endif
