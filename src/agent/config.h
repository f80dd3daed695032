/* chancery.conf: defaults for all certificates, CAs, certificates by name, alerts. Its settings of certificates are the options of `chancery issue` (wish.def). */
#ifndef CHANCERY_AGENT_CONFIG_H
#define CHANCERY_AGENT_CONFIG_H

#include "agent/ca_list.h"
#include "agent/crew.h"
#include "base/given.h"

#define CONFIG_ROOT_FILE CHANCERY_SYSCONF "/chancery/chancery.conf"
#define CONFIG_CERTS_MAX 4096

/* A row of options tables. */
#define CONFIG_OPTION                                                                                                                   \
	{                                                                                                                               \
		"config", "FILE", false,                                                                                                \
		    "The configuration (default: " CONFIG_ROOT_FILE                                                                     \
		    " for root, else $XDG_CONFIG_HOME/chancery/chancery.conf or ~/.config/chancery/chancery.conf, where there is one)." \
	}

/* A section `certificate "NAME"`. */
struct config_cert {
	const char *name; /* of its folder */
	const char **names;
	size_t n_names;
	struct given given; /* its own values, then the defaults that it says nothing of */
};

/* Who is told when a certificate comes to its end; what is not set is NULL or empty. */
struct config_alert {
	const char *mail, *sendmail, *webhook, *webhook_ca_file, *command;
	unsigned days[16];
	size_t n_days;
};

struct config {
	const char *path;   /* NULL: there is no configuration */
	const char *folder; /* --folder, the configuration's, or the default */
	struct given defaults;
	struct ca_list cas;
	struct config_cert *certs;
	size_t n_certs;
	struct crew_users users;
	struct config_alert alert;
	const char *metrics_file; /* NULL: none */
};

/* Reads what --config and --folder say, or is at the default places. messages: all that is wrong, "FILE:LINE: what", a line each; the failure says that there
 * are some. Everything lives in the arena. */
enum err_code config_load(const struct given *g, struct arena *a, struct config *ret, struct buf *messages, struct err *e) MUST_USE;
/* The section that says what was given of a certificate. */
void config_write_section(const char *name, const char *const *names, size_t n_names, const struct given *g, struct buf *out);
/* Adds it to the file (made where it is missing, with its folder, and then says which folder certificates are in; NULL: the default one), after what is there; the file is replaced as a whole when it is good with it. CONFLICT: there is a
 * certificate of this name; CONFIG: what is there is wrong. */
enum err_code config_add_section(const char *path, const char *folder, const char *name, struct bytes section, struct err *e) MUST_USE;
/* Where the configuration is, or would be: --config, or the default place. NULL: nowhere. In the arena. */
const char *config_path(const struct given *g, struct arena *a);
/* NULL: there is none of this name. */
const struct config_cert *config_cert_find(const struct config *c, const char *name);
/* What a command line says, over the section's values (NULL: none) and the defaults. */
enum err_code config_merge(const struct config *c, const struct config_cert *cert, struct given *g, struct err *e) MUST_USE;

#endif
