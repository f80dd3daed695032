#include "agent/place.h"

#include "base/attrs.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err_code refuse(const char *what, const char *path, struct err *e)
{
	int sys = errno;
	const struct passwd *user = getpwuid(geteuid());
	char number[16];

	(void)snprintf(number, sizeof number, "%u", (unsigned)geteuid());
	errno = 0;
	FAIL(e, CONFIG, "%s %.250s: the user %.60s cannot: %s", what, path, user ? user->pw_name : number, strerror(sys));
}

static enum err_code write_test(const char *folder, struct err *e)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/.chancery-test-%ld", folder, (long)getpid()) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return refuse("writing into", folder, e);
	}
	CLEANUP(close_p) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return refuse("writing into", folder, e);
	enum err_code rc = file_write_all(fd, BYTES_LIT("chancery looks whether it can write here\n"), NULL);
	int sys = errno;
	(void)unlink(path);
	errno = sys;
	return rc == ERR_OK ? ERR_OK : refuse("writing into", folder, e);
}

/* Folders that were made for the test. */
struct made {
	const char *folder;
	size_t ends[64], n; /* where the name of each ends */
};

static void unmake(const struct made *m)
{
	char path[PATH_MAX];

	for (size_t i = m->n; i-- > 0;) {
		(void)snprintf(path, sizeof path, "%.*s", (int)m->ends[i], m->folder);
		(void)rmdir(path);
	}
}

static enum err_code make_missing(struct made *m, struct err *e)
{
	size_t len = strlen(m->folder);
	char path[PATH_MAX];
	struct stat s;

	for (size_t i = 1; i <= len; i++) {
		if ((m->folder[i] != '/' && m->folder[i] != 0) || m->folder[i - 1] == '/')
			continue;
		(void)snprintf(path, sizeof path, "%.*s", (int)i, m->folder);
		if (stat(path, &s) == 0)
			continue;
		if (m->n == sizeof m->ends / sizeof *m->ends || mkdir(path, 0700) != 0)
			return refuse("making the folder", path, e);
		m->ends[m->n++] = i;
	}
	return ERR_OK;
}

enum err_code place_try(const char *folder, struct err *e)
{
	struct made m = { .folder = folder };

	if (strlen(folder) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return refuse("making the folder", folder, e);
	}
	enum err_code rc = make_missing(&m, e);
	if (rc == ERR_OK)
		rc = write_test(folder, e);
	unmake(&m);
	return rc;
}

enum err_code place_try_of(const char *file, struct err *e)
{
	const char *slash = strrchr(file, '/');
	char folder[PATH_MAX];

	if (!slash)
		return place_try(".", e);
	(void)snprintf(folder, sizeof folder, "%.*s", slash == file ? 1 : (int)(slash - file), file);
	return place_try(folder, e);
}
