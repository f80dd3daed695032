/* `chancery-ca init`: root and intermediate, folders, secrets, configuration, and the CA's own TLS certificate. Offline, and it never
 * overwrites anything. */
#ifndef CHANCERY_SERVER_PARENT_INIT_H
#define CHANCERY_SERVER_PARENT_INIT_H

#include "crypto/key.h"
#include "server/settings.h"

struct init {
	const char *config; /* the file to write */
	const char *state_folder, *run_folder;
	const char *name;       /* of the CA: "Example Corp" gives "Example Corp Root CA", "... Issuing CA 1" */
	struct bytes country;   /* two letters; may be empty */
	enum key_type key_type; /* of root and intermediate */
	struct bytes text;      /* the whole configuration file */
};

struct init_result {
	char root_path[512]; /* the root's certificate, for whoever is to trust it */
	char root_key_path[512];
	char fingerprint[96]; /* SHA-256 of the root, AA:BB:... */
};

enum err_code ca_init(const struct init *i, struct init_result *ret, struct err *e) MUST_USE;

#endif
