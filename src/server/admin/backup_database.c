/* The database is copied by SQLite, which sees one moment of it, into a folder that belongs to the front's user: what the front may have made of its
 * database is read with no more rights than the front has. */
#include "server/admin/backup_inside.h"

#include "db/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COPY "store.db"

struct staging {
	char folder[4096], copy[4200], why[256];
	int pipe[2];
};

static enum err_code copy_as_front(const struct place *front, const struct staging *g, struct err *e)
{
	CLEANUP(db_close_p) struct db *db = NULL;
	char path[4200];

	TRY(place_become(front, e));
	(void)snprintf(path, sizeof path, "%s/store.db", front->path);
	TRY(db_open(path, DB_READ_ONLY, &db, e));
	return db_snapshot(db, g->copy, e);
}

/* The child's whole life. */
static _Noreturn void run_child(const struct place *front, const struct staging *g)
{
	struct err e = { 0 };

	enum err_code rc = copy_as_front(front, g, &e);
	if (rc != ERR_OK)
		(void)!write(g->pipe[1], e.detail, strlen(e.detail));
	_exit(rc == ERR_OK ? 0 : 1);
}

static enum err_code wait_for(pid_t child, struct staging *g, struct err *e)
{
	size_t n = 0;
	int status;

	for (ssize_t got; (got = read(g->pipe[0], g->why + n, sizeof g->why - 1 - n)) > 0;)
		n += (size_t)got;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			FAIL(e, IO, "waiting for the database's copy: %s", strerror(errno));
	errno = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		FAIL(e, IO, "the database cannot be copied: %s", n > 0 ? g->why : "the process that does it has died");
	return ERR_OK;
}

static enum err_code run(const struct place *front, struct staging *g, struct err *e)
{
	if (pipe2(g->pipe, O_CLOEXEC) != 0)
		FAIL(e, IO, "pipe: %s", strerror(errno));
	pid_t child = fork();
	if (child == 0)
		run_child(front, g);
	close(g->pipe[1]);
	enum err_code rc = child < 0 ? err_set(e, ERR_IO, __FILE__, __LINE__, "fork: %s", strerror(errno)) : wait_for(child, g, e);
	close(g->pipe[0]);
	return rc;
}

/* What is there now is the front's word, but it must be a plain file of the front's alone. */
static enum err_code take_copy(const struct place *front, const struct staging *g, int *ret, struct err *e)
{
	CLEANUP(close_p) int fd = open(g->copy, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat s;

	if (fd < 0 || fstat(fd, &s) != 0)
		FAIL(e, IO, "%s: %s", g->copy, strerror(errno));
	errno = 0;
	if (!S_ISREG(s.st_mode) || s.st_uid != front->uid || s.st_nlink != 1)
		FAIL(e, IO, "%s is not the file that was made there", g->copy);
	*ret = fd;
	fd = -1;
	return ERR_OK;
}

enum err_code backup_database(const struct place *front, const char *dest, int *ret, struct err *e)
{
	struct staging g = { .pipe = { -1, -1 } };

	*ret = -1;
	if (faccessat(front->fd, COPY, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return ERR_OK;
	if ((size_t)snprintf(g.folder, sizeof g.folder, "%s/.chancery-backup-XXXXXX", dest) >= sizeof g.folder || !mkdtemp(g.folder))
		FAIL(e, IO, "%s: no folder for the database's copy can be made there: %s", dest, strerror(errno));
	(void)snprintf(g.copy, sizeof g.copy, "%s/" COPY, g.folder);
	enum err_code rc = ERR_OK;
	if (getuid() == 0 && chown(g.folder, front->uid, front->gid) != 0)
		rc = err_set(e, ERR_IO, __FILE__, __LINE__, "%s: %s", g.folder, strerror(errno));
	if (rc == ERR_OK)
		rc = run(front, &g, e);
	if (rc == ERR_OK)
		rc = take_copy(front, &g, ret, e);
	(void)unlink(g.copy);
	if (rmdir(g.folder) != 0 && rc == ERR_OK) { /* whatever else the front's user has put there */
		close_p(ret);
		*ret = -1;
		FAIL(e, IO, "%s: %s", g.folder, strerror(errno));
	}
	return rc;
}
