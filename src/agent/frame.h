/* Where the client keeps what it has. */
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

/* --folder, or where certificates and accounts live without it. */
enum err_code frame_folder(const struct given *g, struct arena *a, const char **ret, struct err *e) MUST_USE;
#endif
