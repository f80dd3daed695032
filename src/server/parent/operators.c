#include "server/parent/operators.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_S 5

static enum err_code socket_path(const struct settings *s, const char *name, struct sockaddr_un *ret, struct err *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int n = snprintf(at.sun_path, sizeof at.sun_path, "%.*s/%s", BYTES_FMT(s->run_folder), name);

	if (n < 0 || (size_t)n >= sizeof at.sun_path)
		FAIL(e, CONFIG, "run-folder is too long for a socket in it: %zu characters at most",
		    sizeof at.sun_path - sizeof "/" SOCKET_CONTROL);
	*ret = at;
	return ERR_OK;
}

/* The group that may ask; our own where there is none of this name. */
static gid_t operators_of(const struct settings *s)
{
	char name[64];

	(void)snprintf(name, sizeof name, "%.*s", BYTES_FMT(s->operators_group));
	struct group *g = getgrnam(name);
	return g ? g->gr_gid : getgid();
}

static enum err_code check_nobody_answers(const struct sockaddr_un *at, struct err *e)
{
	CLEANUP(close_p) int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (probe >= 0 && connect(probe, (const struct sockaddr *)at, sizeof *at) == 0)
		FAIL(e, CONFIG, "a server of this configuration runs already: it answers at %s", at->sun_path);
	return ERR_OK;
}

/* Nobody but us can connect before the mode is what it should be. */
static enum err_code bind_closed(int fd, const struct sockaddr_un *at, struct err *e)
{
	mode_t before = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)at, sizeof *at);

	umask(before);
	if (rc != 0)
		FAIL(e, CONFIG, "%s: %s", at->sun_path, strerror(errno));
	return ERR_OK;
}

enum err_code operators_listen(const struct settings *s, const char *name, struct operators_socket *ret, struct err *e)
{
	struct sockaddr_un at;
	char folder[sizeof at.sun_path];

	TRY(socket_path(s, name, &at, e));
	(void)snprintf(folder, sizeof folder, "%.*s", BYTES_FMT(s->run_folder));
	if (mkdir(folder, 0755) != 0 && errno != EEXIST)
		FAIL(e, CONFIG, "%s: %s", folder, strerror(errno));
	TRY(check_nobody_answers(&at, e));
	(void)unlink(at.sun_path);
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		FAIL(e, IO, "%s: %s", at.sun_path, strerror(errno));
	TRY(bind_closed(fd, &at, e));
	if ((getuid() == 0 && chown(at.sun_path, 0, operators_of(s)) != 0) || chmod(at.sun_path, 0660) != 0)
		FAIL(e, IO, "%s: %s", at.sun_path, strerror(errno));
	if (listen(fd, 8) != 0)
		FAIL(e, IO, "%s: %s", at.sun_path, strerror(errno));
	memcpy(ret->path, at.sun_path, sizeof ret->path);
	ret->fd = fd;
	fd = -1;
	return ERR_OK;
}

void operators_close(struct operators_socket *o)
{
	if (o->fd >= 0)
		close(o->fd);
	if (o->path[0])
		(void)unlink(o->path);
	*o = (struct operators_socket){ .fd = -1 };
}

/* --- the asking side --- */

static enum err_code reach(const struct settings *s, const char *name, int *ret, struct err *e)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un at;

	TRY(socket_path(s, name, &at, e));
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		FAIL(e, IO, "socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
		if (errno == EACCES || errno == EPERM)
			FAIL(e, CONFIG, "%s: %s; root and members of the operators' group may ask", at.sun_path, strerror(errno));
		FAIL(e, NOT_FOUND, "no server answers at %s: start it with `chancery-ca serve`", at.sun_path);
	}
	*ret = fd;
	fd = -1;
	return ERR_OK;
}

enum err_code operators_ask(const struct settings *s, const char *name, struct bytes line, struct buf *out, struct err *e)
{
	CLEANUP(close_p) int fd = -1;
	uint8_t part[4096];
	ssize_t n;

	TRY(reach(s, name, &fd, e));
	for (size_t sent = 0; sent < line.len; sent += (size_t)n) {
		n = send(fd, line.ptr + sent, line.len - sent, MSG_NOSIGNAL);
		if (n <= 0)
			FAIL(e, IO, "the server does not listen: %s", strerror(errno));
	}
	while ((n = recv(fd, part, sizeof part, 0)) > 0)
		buf_add(out, (struct bytes){ part, (size_t)n });
	int why = errno;
	if (out->secret)
		explicit_bzero(part, sizeof part);
	errno = why;
	if (n < 0)
		FAIL(e, TIMEOUT, "the server does not answer: %s", strerror(errno));
	errno = 0;
	if (!buf_ok(out))
		FAIL(e, TOO_LARGE, "the server's answer is larger than %zu bytes", out->max);
	return ERR_OK;
}
