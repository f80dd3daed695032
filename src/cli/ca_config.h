/* What every command of chancery-ca that reads the configuration has in common. */
#ifndef CHANCERY_CLI_CA_CONFIG_H
#define CHANCERY_CLI_CA_CONFIG_H

#include "cli/options.h"
#include "server/settings.h"

#define CONFIG_PATH CHANCERY_SYSCONF "/chancery/chancery-ca.conf"
/* A row of an options table. */
#define CONFIG_OPTION                                                                    \
	{                                                                                \
		"config", "FILE", false, "The configuration (default: " CONFIG_PATH ")." \
	}

/* The configuration that --config names; what is wrong with its lines goes to stderr. a: NULL is NOMEM. */
enum err_code ca_config_read(const struct cli *c, struct arena *a, struct settings *ret, struct err *e) MUST_USE;

#endif
