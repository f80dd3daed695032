#include "os/jail_testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct jail_world world;

static int fail_at(const char *what)
{
	perror(what);
	return -1;
}

static int put_file(int dir, const char *name, mode_t mode)
{
	CLEANUP(close_p) int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	return fd >= 0 && write(fd, "text", 4) == 4 && fchmod(fd, mode) == 0 ? 0 : fail_at(name);
}

static int listen_tcp(struct jail_world *w)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;

	w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(w->listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(w->listener, 8) != 0 ||
	    getsockname(w->listener, (struct sockaddr *)&at, &len) != 0)
		return fail_at("listen on 127.0.0.1");
	w->port = ntohs(at.sin_port);
	return 0;
}

static int listen_abstract(struct jail_world *w)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int n = snprintf(w->abstract_name, sizeof w->abstract_name, "chancery-test-%d", (int)getpid());

	memcpy(at.sun_path + 1, w->abstract_name, (size_t)n);
	w->abstract = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(w->abstract, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) != 0 ||
	    listen(w->abstract, 8) != 0)
		return fail_at("listen on an abstract socket");
	return 0;
}

int jail_world_make(void **state)
{
	struct jail_world *w = &world;
	char parent[] = "/tmp/chancery-jail-XXXXXX";

	if (!mkdtemp(parent) || chmod(parent, 0755) != 0)
		return fail_at(parent);
	snprintf(w->inside, sizeof w->inside, "%s/inside", parent);
	snprintf(w->outside, sizeof w->outside, "%s/outside", parent);
	if (mkdir(w->inside, 0700) != 0 || put_file(AT_FDCWD, w->outside, 0666) != 0)
		return fail_at(w->inside);
	w->folder = open(w->inside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->folder < 0 || put_file(w->folder, "file", 0644) != 0)
		return -1;
	if (geteuid() == 0 &&
	    (fchown(w->folder, ORDINARY_ID, ORDINARY_ID) != 0 || fchownat(w->folder, "file", ORDINARY_ID, ORDINARY_ID, 0) != 0))
		return fail_at("chown");
	*state = w;
	return listen_tcp(w) == 0 ? listen_abstract(w) : -1;
}

int jail_world_clear(void **state)
{
	struct jail_world *w = *state;
	char command[128];

	close(w->folder);
	close(w->listener);
	close(w->abstract);
	*strrchr(w->outside, '/') = 0;
	snprintf(command, sizeof command, "rm -rf '%s'", w->outside);
	return system(command);
}

int jail_child(void (*look)(const struct jail_world *w), const struct jail_world *w)
{
	int status = -1;

	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		look(w);
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

void jail_become_ordinary(void)
{
	if (geteuid() != 0)
		return;
	CHECK(setgroups(0, NULL) == 0 && setresgid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID) == 0 &&
	      setresuid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID) == 0);
	/* one that was started as an ordinary user has its own files in /proc; a change of user took them from us */
	CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
}

struct jail jail_of(const struct jail_world *w)
{
	return (struct jail){ .root_dir = w->folder, .uid = ORDINARY_ID, .gid = ORDINARY_ID, .writable = true };
}
