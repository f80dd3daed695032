#include "client/webroot.h"

#include "base/codec.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct webroot {
	char *folder;
	int fd; /* FOLDER/.well-known/acme-challenge */
	char reason[512];
};

static enum err_code enter(int dir, const char *name, const char *folder, int *ret, struct err *e)
{
	/* Readable by the web server, whatever the umask: it is public by its nature. */
	if (mkdirat(dir, name, 0755) == 0 ? fchmodat(dir, name, 0755, 0) != 0 : errno != EEXIST)
		FAIL(e, CONFIG, "%.200s/%s: %s", folder, name, strerror(errno));
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		FAIL(e, CONFIG, "%.200s/%s: %s", folder, name, strerror(errno));
	*ret = fd;
	return ERR_OK;
}

enum err_code webroot_new(const char *folder, struct webroot **ret, struct err *e)
{
	CLEANUP(close_p) int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(close_p) int well_known = -1;

	if (root < 0)
		FAIL(e, CONFIG, "the web root %.200s: %s", folder, strerror(errno));
	TRY(enter(root, ".well-known", folder, &well_known, e));
	CLEANUP(webroot_free_p) struct webroot *w = calloc(1, sizeof *w);
	if (!w)
		FAIL(e, NOMEM, "no memory for a web root");
	w->fd = -1;
	w->folder = strdup(folder);
	if (!w->folder)
		FAIL(e, NOMEM, "no memory for a web root");
	TRY(enter(well_known, "acme-challenge", folder, &w->fd, e));
	*ret = TAKE(w);
	return ERR_OK;
}

void webroot_free(struct webroot *w)
{
	if (!w)
		return;
	close_p(&w->fd);
	free(w->folder);
	free(w);
}

int webroot_deploy(void *context, const struct chancery_challenge *challenge)
{
	struct webroot *w = context;
	struct err e = { 0 };

	w->reason[0] = 0;
	/* The engine has looked at it already; this is where it would hurt. */
	if (!base64url_is(bytes_str(challenge->token)))
		return -1;
	if (file_write(w->fd, challenge->token, 0644, bytes_str(challenge->key_authorization), &e) == ERR_OK &&
	    fchmodat(w->fd, challenge->token, 0644, 0) == 0)
		return 0;
	(void)snprintf(
	    w->reason, sizeof w->reason, "in %.150s/.well-known/acme-challenge: %.250s", w->folder, e.code ? e.detail : strerror(errno));
	return -1;
}

void webroot_clean_up(void *context, const struct chancery_challenge *challenge)
{
	struct webroot *w = context;

	(void)unlinkat(w->fd, challenge->token, 0);
}

const char *webroot_tell(void *context)
{
	struct webroot *w = context;

	return w->reason;
}
