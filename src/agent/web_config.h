/* What the web servers of this host are configured to serve: which names, where they listen, from which folder, with which certificate files. For the
 * wizard's list of names, and to see whether a server uses our files.
 *
 * Configurations are read as their owners wrote them and never written. What is not known is passed over: then `whole` tells that something may be missing. */
#ifndef CHANCERY_AGENT_WEB_CONFIG_H
#define CHANCERY_AGENT_WEB_CONFIG_H

#include "base/arena.h"
#include "base/err.h"

#define WEB_SITES_MAX 4096
#define WEB_WORDS_MAX 1000 /* names, listeners or files of a site */
#define WEB_FILES_MAX 2000
#define WEB_TEXT_MAX  (16u << 20) /* bytes of all files */
#define WEB_DEPTH_MAX 32          /* of blocks, and of files that include files */

enum web_server { WEB_NGINX, WEB_APACHE, WEB_HAPROXY };
#define WEB_SERVERS 3

struct web_strings {
	const char **v;
	size_t n, room;
};
struct web_listen {
	const char *address; /* without brackets; "" for all; a name is as it was written */
	uint16_t port;
	bool tls;
};
/* A server block of nginx, a virtual host of Apache (or what stands outside of them), a frontend of HAProxy. */
struct web_site {
	struct web_strings names;        /* lower case; "*.example.org" too; no pattern */
	struct web_strings certificates; /* absolute paths; of HAProxy also folders */
	struct web_strings keys;
	struct web_listen *listens;
	size_t n_listens, listens_room;
	const char *root; /* NULL: none */
	const char *file; /* where it stands */
	unsigned line;
	bool tls; /* of Apache: SSLEngine on; of nginx: ssl on */
};
struct web_config {
	enum web_server server;
	const char *main_file;
	struct web_site *sites;
	size_t n, room;
	const char *pid_file; /* NULL: it does not say */
	bool master_worker;   /* of HAProxy */
	bool whole;           /* nothing was cut, missing or depends on variables */
};

/* Where the texts come from. */
struct web_files {
	/* Paths that a pattern of glob(7) names, in their order, at most max; they are the arena's. */
	size_t (*find)(void *ctx, struct arena *a, const char *pattern, const char **paths, size_t max);
	bool (*load)(void *ctx, struct arena *a, const char *path, size_t max, struct bytes *ret);
	void *ctx;
};
extern const struct web_files web_files_disk;
/* What `nginx -T` printed, which names each file; *ret_main is the first. False: it is not that. ret->ctx is the arena's. */
bool web_files_dump(struct arena *a, struct bytes text, struct web_files *ret, const char **ret_main);

/* NOT_FOUND: the main file is not there; NOMEM. All else is read as far as it goes. */
enum err_code web_config_read(struct arena *a, enum web_server server, const char *main_file, const struct web_files *files,
    struct web_config *ret, struct err *e) MUST_USE;
/* The file where the server's configuration begins on Debian, Red Hat or by its own default; NULL: none is there. */
const char *web_main_file(enum web_server server);

#endif
