/* Stands in the place of a child (PROBE_AS says which), enters its jail like it, and then tries what the jail is there to refuse. Each
 * try is a line on standard error: probe.result name=... allowed=yes|no. What the tries are aimed at is in the file "probe" of its
 * data folder, which the test has written: "tcp 1234", "udp 1235", "abstract NAME", "state /absolute/path", "run /absolute/path". */
#include "base/event.h"
#include "os/file.h"
#include "server/child.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <grp.h>
#include <unistd.h>

#define FDS_LOOKED_AT 64

struct probe {
	struct child child;
	char text[2048];
	struct bytes tcp, udp, abstract, state, run;
	int listener;
	bool stop, asked;
};

static void told(const char *name, bool allowed)
{
	event(EVENT_NOTICE, "probe.result", EVENT_STR("name", name), EVENT_STR("allowed", allowed ? "yes" : "no"));
}

/* --- what it aims at --- */

static void read_aims(struct probe *p)
{
	CLEANUP(buf_free_p) struct buf content = buf_new(sizeof p->text - 1);
	struct bytes *const into[] = { &p->tcp, &p->udp, &p->abstract, &p->state, &p->run };
	static const char *const words[] = { "tcp", "udp", "abstract", "state", "run" };
	struct bytes rest, line, word, value;

	if (file_read(p->child.folder, "probe", sizeof p->text - 1, &content, NULL) != ERR_OK)
		exit(3);
	memcpy(p->text, content.ptr, content.len);
	rest = (struct bytes){ (const uint8_t *)p->text, content.len };
	while (bytes_split(rest, '\n', &line, &rest))
		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			if (bytes_split(line, ' ', &word, &value) && bytes_eq_str(word, words[i]))
				*into[i] = value;
}

static const char *path_below(struct bytes folder, const char *name)
{
	static char path[1024];

	(void)snprintf(path, sizeof path, "%.*s%s", BYTES_FMT(folder), name);
	return path;
}

/* --- files --- */

static bool may_open(int at, const char *path, int flags)
{
	int fd = openat(at, path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A file by its absolute path, by every way upwards, and from every descriptor that we hold. */
static bool may_reach(const struct probe *p, const char *name, int flags)
{
	char up[1200], relative[256];

	(void)snprintf(relative, sizeof relative, "..%s", name);
	(void)snprintf(up, sizeof up, "../../../../../../../../../../../..%.*s%s", BYTES_FMT(p->state), name);
	bool reached =
	    may_open(AT_FDCWD, path_below(p->state, name), flags) || may_open(AT_FDCWD, relative, flags) || may_open(AT_FDCWD, up, flags);
	for (int fd = 0; fd < FDS_LOOKED_AT; fd++)
		reached = may_open(fd, relative, flags) || may_open(fd, up, flags) || reached;
	return reached;
}

static void probe_files(const struct probe *p)
{
	static const char *const all[] = { "/signer/issuers/main/key.pem", "/signer/identity", "/validator/identity", "/front/tls.pem",
		"/root/root.key" };
	char own[32], name[64];

	(void)snprintf(own, sizeof own, "/%s/", process_name(p->child.self));
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (strncmp(all[i], own, strlen(own)) == 0)
			continue;
		(void)snprintf(name, sizeof name, "read %s", all[i] + 1);
		told(name, may_reach(p, all[i], O_RDONLY));
	}
	told("read /etc/passwd",
	    may_open(AT_FDCWD, "/etc/passwd", O_RDONLY) || may_open(AT_FDCWD, "../../../../../../../../etc/passwd", O_RDONLY));
	told("read /proc", may_open(AT_FDCWD, "/proc/self/status", O_RDONLY));
	const char *other = p->child.self == PROCESS_VALIDATOR ? "/front/written" : "/validator/written";
	told("write elsewhere",
	    may_reach(p, other, O_WRONLY | O_CREAT) || may_open(AT_FDCWD, "/tmp/chancery-probe-written", O_WRONLY | O_CREAT));
	told("read own folder", may_open(AT_FDCWD, "probe", O_RDONLY));
	told("write own folder", may_open(AT_FDCWD, "written", O_WRONLY | O_CREAT | O_TRUNC));
}

/* --- sockets --- */

static unsigned number(struct bytes text)
{
	char copy[16] = "";

	(void)snprintf(copy, sizeof copy, "%.*s", BYTES_FMT(text));
	return (unsigned)strtoul(copy, NULL, 10);
}

static bool may_send(int kind, struct bytes port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)number(port)), .sin_addr = { htonl(INADDR_LOOPBACK) }
	};
	CLEANUP(close_p) int fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && send(fd, "x", 1, MSG_NOSIGNAL) == 1;
}

static bool may_connect_unix(struct bytes name, bool abstract)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (name.len + 1 >= sizeof to.sun_path)
		return false;
	memcpy(to.sun_path + abstract, name.ptr, name.len);
	return fd >= 0 && connect(fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name.len + 1)) == 0;
}

static bool may_listen(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	CLEANUP(close_p) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0;
}

static void probe_sockets(const struct probe *p)
{
	told("connect TCP", may_send(SOCK_STREAM, p->tcp));
	told("send UDP", may_send(SOCK_DGRAM, p->udp));
	told("connect abstract socket", may_connect_unix(p->abstract, true));
	told("connect operators' socket", may_connect_unix(bytes_str(path_below(p->run, "/control.sock")), false));
	told("listen TCP", may_listen());
}

#ifndef PROBE_LOOSE
/* --- rights --- */

static bool may_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	return pid >= 0;
}

static void probe_rights(const struct probe *p)
{
	struct rlimit core;
	uid_t real, effective, saved;

	told("setuid 0", setuid(0) == 0 || seteuid(0) == 0 || setresuid(0, 0, 0) == 0);
	told("setgid 0", setgid(0) == 0 || setegid(0) == 0);
	told("setgroups", setgroups(0, NULL) == 0);
	told("be root", getresuid(&real, &effective, &saved) != 0 || real == 0 || effective == 0 || saved == 0 || getegid() == 0);
	told("ptrace the parent", ptrace(PTRACE_SEIZE, getppid(), 0, 0) == 0);
	told("signal the parent", kill(getppid(), 0) == 0);
	told("change root", chroot(".") == 0);
	told("mount", mount("none", "/", "tmpfs", 0, NULL) == 0);
	told("new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1);
	told("core limit", getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != 0 || core.rlim_max != 0);
	told("dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0);
	told("fork", may_fork());
	told("escape by a user namespace",
	    unshare(CLONE_NEWUSER) == 0 && chroot(".") == 0 && may_reach(p, "/signer/issuers/main/key.pem", O_RDONLY));
}

/* Directories other than our own would be ways out, whatever the root directory is. */
static void probe_descriptors(const struct probe *p)
{
	bool foreign = false;

	for (int fd = 0; fd < FDS_LOOKED_AT; fd++) {
		struct stat s, own;
		if (fstat(fd, &s) != 0 || !S_ISDIR(s.st_mode))
			continue;
		foreign = foreign || fstat(p->child.folder, &own) != 0 || own.st_ino != s.st_ino || own.st_dev != s.st_dev;
	}
	told("hold another directory", foreign);
}

#endif

/* --- being a child --- */

static void answer_status(struct probe *p, uint32_t id)
{
	static const enum message_type status[PROCESS__MAX] = {
		[PROCESS_FRONT] = MESSAGE_FRONT_STATUS, [PROCESS_VALIDATOR] = MESSAGE_VALIDATOR_STATUS, [PROCESS_SIGNER] = MESSAGE_SIGNER_STATUS
	};

	p->asked = true;
	MAY_FAIL(channel_send(p->child.parent, (uint16_t)status[p->child.self], id, BYTES_LIT("{\"signer_connected\":true}"), NULL));
}

static void take(struct probe *p, const struct message *m)
{
	if (m->type == MESSAGE_STATUS_FRONT || m->type == MESSAGE_STATUS_VALIDATOR || m->type == MESSAGE_STATUS_SIGNER)
		answer_status(p, m->id);
	else if (m->type == MESSAGE_STOP_FRONT || m->type == MESSAGE_STOP_VALIDATOR || m->type == MESSAGE_STOP_SIGNER)
		p->stop = true;
	else if (m->type == MESSAGE_LISTENER && p->listener < 0)
		p->listener = m->fd;
	else if (m->fd >= 0)
		close(m->fd);
}

static void serve_once(struct probe *p, int wait_ms)
{
	struct pollfd fds[2] = { { .fd = channel_fd(p->child.parent), .events = POLLIN }, { .fd = p->listener, .events = POLLIN } };
	struct message m;
	enum err_code rc;

	(void)poll(fds, 2, wait_ms);
	while ((rc = channel_receive(p->child.parent, &m, NULL)) == ERR_OK)
		take(p, &m);
	if (rc == ERR_CLOSED)
		p->stop = true;
	if (fds[1].revents) {
		CLEANUP(close_p) int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
		told("accept", fd >= 0 && send(fd, "hello", 5, MSG_NOSIGNAL) == 5);
	}
}

static void must(struct probe *p, enum err_code rc, const struct err *e)
{
	if (rc == ERR_OK)
		return;
	child_failed(&p->child, e);
	exit(1);
}

int main(void)
{
	static struct probe p;
	struct err e = { 0 };

	p.listener = -1;
	must(&p, child_start(PROBE_AS, &p.child, &e), &e);
	read_aims(&p);
#ifdef PROBE_LOOSE /* the control: outside of a jail the tries succeed. Those that would change the machine are left out. */
	must(&p, fchdir(p.child.folder) == 0 ? ERR_OK : ERR_IO, &e);
	probe_files(&p);
	probe_sockets(&p);
#else
	must(&p, child_jail(&p.child, &e), &e);
	probe_descriptors(&p);
	probe_files(&p);
	probe_sockets(&p);
	probe_rights(&p);
#endif
#ifdef PROBE_SECCOMP
	must(&p, jail_seccomp_signer(&p.child.layers, &e), &e);
	told("read own folder under seccomp", may_open(AT_FDCWD, "probe", O_RDONLY));
	told("write own folder under seccomp", may_open(AT_FDCWD, "written", O_WRONLY | O_CREAT | O_TRUNC));
	told("read elsewhere under seccomp", may_reach(&p, "/front/tls.pem", O_RDONLY));
#endif
	must(&p, child_ready(&p.child, &e), &e);
	while (!p.stop) {
		serve_once(&p, 500);
#ifdef PROBE_SECCOMP
		if (p.asked) /* everything is told: the last thing that it does */
			told("open a socket", socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
#endif
	}
	return 0;
}
