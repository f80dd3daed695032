/* All names that the web servers of this host are configured for, to be offered to a person. */
#ifndef CHANCERY_AGENT_WEB_HOST_H
#define CHANCERY_AGENT_WEB_HOST_H

#include "agent/web_config.h"

#define WEB_NAMES_MAX 4096

struct web_name {
	const char *name; /* lower case; may be "*.example.org" */
	enum web_server server;
	bool plain, tls;         /* served without and with TLS */
	const char *root;        /* the folder that is served without TLS, else with; NULL: none */
	const char *certificate; /* the first file of its certificate; NULL: none */
	const char *file;        /* where it stands */
	unsigned line;
};
/* One row for each name and server, by name. main_files: where each server's configuration begins; NULL, or NULL of a server: where it usually is, and a server
 * that has none there is passed over. *ret_whole: nothing was passed over in what is there. */
enum err_code web_host_names(struct arena *a, const char *const main_files[WEB_SERVERS], struct web_name **ret, size_t *ret_n,
    bool *ret_whole, struct err *e) MUST_USE;

#endif
