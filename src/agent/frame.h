/* Where the client keeps what it has, and which CA it talks to by which account. */
#ifndef CHANCERY_AGENT_FRAME_H
#define CHANCERY_AGENT_FRAME_H

#include "base/arena.h"
#include "base/given.h"

#define CLIENT_ROOT_FOLDER CHANCERY_SYSCONF "/chancery/client"

/* A row of options tables. */
#define FOLDER_OPTION                                                                      \
	{                                                                                  \
		"folder", "DIR", false,                                                    \
		    "Where certificates and accounts live (default: " CLIENT_ROOT_FOLDER   \
		    " for root, else $XDG_DATA_HOME/chancery or ~/.local/share/chancery)." \
	}

struct frame {
	struct arena *arena;
	const char *server, *folder, *account_key; /* account_key: a file's path */
	uint32_t timeout_s;
};
/* CONFIG with what is missing or wrong. Strings are in the arena, or whose values were given. */
enum err_code frame_read(const struct given *g, struct arena *a, struct frame *ret, struct err *e) MUST_USE;
/* --folder, or where certificates and accounts live without it. */
enum err_code frame_folder(const struct given *g, struct arena *a, const char **ret, struct err *e) MUST_USE;
/* Makes the folder of the account key where it is the default one; that of a file which the user names has to be there. */
void frame_make_account_folder(const struct frame *f);

#endif
