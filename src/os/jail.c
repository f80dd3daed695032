#include "os/jail.h"

#include "os/landlock.h"
#include "os/no_processes.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAPABILITY_LAST 63

/* --- capabilities --- */

/* No exec can ever give one back. Needs CAP_SETPCAP, so while we still have it; without it there is nothing to drop. */
static void drop_bounding_set(void)
{
	for (unsigned long c = 0; c <= CAPABILITY_LAST; c++)
		(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0); /* EINVAL for those that this kernel does not know */
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static enum err_code drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (syscall(SYS_capset, &h, now) != 0 || syscall(SYS_capget, &h, now) != 0)
		FAIL(e, CONFIG, "capabilities could not be dropped: %s", strerror(errno));
	errno = 0;
	for (int i = 0; i < 2; i++)
		if (now[i].effective || now[i].permitted || now[i].inheritable)
			FAIL(e, CONFIG, "capabilities could not be dropped");
	return ERR_OK;
}

/* --- started as root: everything must hold, or we do not run --- */

static enum err_code enter_root(int dir, struct err *e)
{
	if (fchdir(dir) != 0)
		FAIL(e, CONFIG, "the data folder cannot be entered: %s", strerror(errno));
	if (chroot(".") != 0 || chdir("/") != 0)
		FAIL(e, CONFIG, "the data folder cannot become the root directory: %s", strerror(errno));
	return ERR_OK;
}

static bool is_now(const struct jail *j)
{
	uid_t r, u, s;
	gid_t rg, g, sg;

	return getresuid(&r, &u, &s) == 0 && getresgid(&rg, &g, &sg) == 0 && r == j->uid && u == j->uid && s == j->uid && rg == j->gid &&
	       g == j->gid && sg == j->gid && getgroups(0, NULL) == 0;
}

static enum err_code enter_as_root(const struct jail *j, struct jail_layers *l, struct err *e)
{
	errno = 0;
	if (j->uid == 0 || j->gid == 0)
		FAIL(e, CONFIG, "a process of the CA may not run as root: give it a user of its own");
	/* A container may withhold these two; sockets that we have already belong to the old network and go on working. */
	(void)unshare(CLONE_NEWIPC);
	l->network_ns = !j->network && unshare(CLONE_NEWNET) == 0;
	if (!j->keeps_root)
		TRY(enter_root(j->root_dir, e));
	l->root = !j->keeps_root;
	drop_bounding_set();
	if (setgroups(0, NULL) != 0 || setresgid(j->gid, j->gid, j->gid) != 0 || setresuid(j->uid, j->uid, j->uid) != 0)
		FAIL(e, CONFIG, "cannot become user %u: %s", (unsigned)j->uid, strerror(errno));
	TRY(drop_capabilities(e));
	if (!is_now(j) || setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
		FAIL(e, CONFIG, "root could be regained");
	l->user = true;
	return ERR_OK;
}

/* --- an ordinary user: what the kernel grants, by a user namespace of our own --- */

static bool write_proc(const char *path, const char *text)
{
	CLEANUP(close_p) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* From outside, we are who we were; inside, too. The files belong to the namespace in which they are opened, so after unshare(). */
static bool map_ourselves(uid_t uid, gid_t gid)
{
	char uids[48], gids[48];

	(void)snprintf(uids, sizeof uids, "%u %u 1", (unsigned)uid, (unsigned)uid);
	(void)snprintf(gids, sizeof gids, "%u %u 1", (unsigned)gid, (unsigned)gid);
	/* user_namespaces(7): an ordinary user maps its group only when groups can no longer be dropped */
	return write_proc("/proc/self/setgroups", "deny") && write_proc("/proc/self/uid_map", uids) &&
	       write_proc("/proc/self/gid_map", gids);
}

enum granted { GRANTED_NOTHING, GRANTED_HALF, GRANTED_ALL };

static enum granted enter_namespaces(int flags, int root_dir, struct err *e)
{
	uid_t uid = geteuid(); /* inside, nobody has a number before it is mapped */
	gid_t gid = getegid();

	if (unshare(flags) != 0)
		return GRANTED_NOTHING;
	return map_ourselves(uid, gid) && enter_root(root_dir, e) == ERR_OK ? GRANTED_ALL : GRANTED_HALF;
}

/* A kernel may grant a user namespace and then nothing in it (AppArmor of Ubuntu does), and there is no way back out of one:
 * so a child tries it first. */
static bool is_granted(int flags, int root_dir)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(enter_namespaces(flags, root_dir, NULL) == GRANTED_ALL ? 0 : 1);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static enum err_code enter_as_user(const struct jail *j, struct jail_layers *l, struct err *e)
{
	const int wishes[] = { CLONE_NEWUSER | CLONE_NEWIPC | (j->network ? 0 : CLONE_NEWNET), CLONE_NEWUSER };
	int flags = 0;

	for (size_t i = 0; !j->keeps_root && flags == 0 && i < sizeof wishes / sizeof *wishes; i++)
		flags = is_granted(wishes[i], j->root_dir) ? wishes[i] : 0;
	/* NOTHING although it was granted: there are threads already, which unshare() refuses (ThreadSanitizer's is one) */
	enum granted got = flags ? enter_namespaces(flags, j->root_dir, e) : GRANTED_NOTHING;
	if (got == GRANTED_HALF)
		FAIL(e, CONFIG, "the kernel granted a user namespace and then not what is in it");
	l->root = got == GRANTED_ALL;
	l->network_ns = got == GRANTED_ALL && (flags & CLONE_NEWNET) != 0;
	if (!l->root && !j->keeps_root && fchdir(j->root_dir) != 0)
		FAIL(e, CONFIG, "the data folder cannot be entered: %s", strerror(errno));
	drop_bounding_set();
	return drop_capabilities(e);
}

/* --- both --- */

/* No core file, and nobody of our own user may look into our memory. Last, for a change of user sets it anew, and because the
 * maps of a user namespace in /proc belong to root while it holds. */
static bool make_undumpable(void)
{
	struct rlimit none = { 0, 0 };

	return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

static void limit_processes(uint32_t most, bool own_user, struct jail_layers *l)
{
	struct rlimit r = { most, most };

	if (most == 0)
		l->no_processes = no_processes_restrict();
	else if (own_user) /* it counts all processes of a user: only where that user is nobody but us */
		(void)setrlimit(RLIMIT_NPROC, &r);
}

/* A change of user takes the signal back that process_start() asked for. */
static enum err_code rearm_death_signal(int number, pid_t parent, struct err *e)
{
	if (number == 0)
		return ERR_OK;
	if (prctl(PR_SET_PDEATHSIG, (unsigned long)number, 0, 0, 0) != 0)
		FAIL(e, IO, "prctl: %s", strerror(errno));
	errno = 0;
	if (getppid() != parent)
		FAIL(e, CLOSED, "the parent is gone");
	return ERR_OK;
}

enum err_code jail_enter(const struct jail *j, struct jail_layers *ret, struct err *e)
{
	struct jail_layers l = { 0 };
	pid_t parent = getppid();
	int death_signal = 0;

	(void)prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		FAIL(e, CONFIG, "no_new_privs: %s", strerror(errno));
	l.no_new_privs = true;
	TRY(geteuid() == 0 ? enter_as_root(j, &l, e) : enter_as_user(j, &l, e));
	l.undumpable = make_undumpable();
	TRY(rearm_death_signal(death_signal, parent, e));
	landlock_restrict(j->keeps_root ? LANDLOCK_SYSTEM
			  : j->writable ? LANDLOCK_HERE_WRITABLE
					: LANDLOCK_HERE,
	    j->network, &l.landlock_fs, &l.landlock_tcp);
	limit_processes(j->processes_max, l.user, &l);
	*ret = l;
	return ERR_OK;
}

void jail_describe(const struct jail_layers *l, struct buf *out)
{
	const struct {
		bool holds;
		const char *name;
	} layers[] = { { l->root, "root directory" }, { l->user, "user" }, { l->network_ns, "network namespace" },
		{ l->landlock_fs && l->landlock_tcp, "Landlock files and TCP" }, { l->landlock_fs && !l->landlock_tcp, "Landlock files" },
		{ l->no_new_privs, "no new privileges" }, { l->no_processes, "no new processes" }, { l->seccomp, "system calls" },
		{ l->undumpable, "no core dumps" } };
	const char *between = "";

	for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
		if (!layers[i].holds)
			continue;
		buf_add_fmt(out, "%s%s", between, layers[i].name);
		between = ", ";
	}
	if (!*between)
		buf_add_str(out, "none");
}
