/* chancery.conf, for commands: what is wrong with it is one error. */
#ifndef CHANCERY_CLI_CLIENT_CONFIG_H
#define CHANCERY_CLI_CLIENT_CONFIG_H

#include "agent/config.h"
#include "cli/options.h"

/* CONFIG with the first thing that is wrong, its file and line, and how to see all. */
enum err_code client_config(const struct given *g, struct arena *a, struct config *ret, struct err *e) MUST_USE;

#endif
