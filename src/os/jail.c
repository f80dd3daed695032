#include "os/jail.h"

#include "os/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITY_LAST 63

/* No core file, and nobody of our own user may look into our memory. */
static bool make_undumpable(void)
{
	struct rlimit none = { 0, 0 };

	return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0;
}

static bool drop_capabilities(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	for (unsigned long c = 0; c <= CAPABILITY_LAST; c++)
		(void)prctl(PR_CAPBSET_DROP, c); /* those that this kernel does not know, or that we never had, say EINVAL or EPERM */
	return syscall(SYS_capset, &h, none) == 0;
}

static enum err_code enter_root(int dir, struct err *e)
{
	if (fchdir(dir) != 0)
		FAIL(e, CONFIG, "the data folder cannot be entered: %s", strerror(errno));
	if (chroot(".") != 0 || chdir("/") != 0)
		FAIL(e, CONFIG, "the data folder cannot become the root directory: %s", strerror(errno));
	return ERR_OK;
}

/* Started as root: everything must hold, or we do not run. */
static enum err_code enter_as_root(const struct jail *j, struct jail_layers *l, struct err *e)
{
	if (j->uid == 0 || j->gid == 0)
		FAIL(e, CONFIG, "a process of the CA may not run as root: give it a user of its own");
	if (!j->network && unshare(CLONE_NEWNET | CLONE_NEWIPC) == 0)
		l->network_ns = true;
	TRY(enter_root(j->root_dir, e));
	l->root = true;
	if (setgroups(0, NULL) != 0 || setresgid(j->gid, j->gid, j->gid) != 0 || setresuid(j->uid, j->uid, j->uid) != 0)
		FAIL(e, CONFIG, "cannot become user %u: %s", (unsigned)j->uid, strerror(errno));
	if (setuid(0) == 0 || setgid(0) == 0)
		FAIL(e, CONFIG, "root could be regained");
	l->user = true;
	if (!drop_capabilities())
		FAIL(e, CONFIG, "capabilities could not be dropped: %s", strerror(errno));
	return ERR_OK;
}

static bool write_proc(int fd, const char *text)
{
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close_p(&fd);
	return ok;
}

/* An ordinary user: what the kernel grants. A user namespace lets us change our root directory and leave the network. */
static enum err_code enter_as_user(const struct jail *j, struct jail_layers *l, struct err *e)
{
	char uid_map[48], gid_map[48];
	int groups = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC), uids = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC),
	    gids = open("/proc/self/gid_map", O_WRONLY | O_CLOEXEC);

	(void)snprintf(uid_map, sizeof uid_map, "%u %u 1", (unsigned)getuid(), (unsigned)getuid());
	(void)snprintf(gid_map, sizeof gid_map, "%u %u 1", (unsigned)getgid(), (unsigned)getgid());
	bool apart = unshare(CLONE_NEWUSER | (j->network ? 0 : CLONE_NEWNET | CLONE_NEWIPC)) == 0;
	if (!apart) {
		close_p(&groups);
		close_p(&uids);
		close_p(&gids);
		if (fchdir(j->root_dir) != 0)
			FAIL(e, CONFIG, "the data folder cannot be entered: %s", strerror(errno));
		return ERR_OK;
	}
	bool mapped = write_proc(groups, "deny");
	mapped = write_proc(uids, uid_map) && mapped;
	mapped = write_proc(gids, gid_map) && mapped;
	if (!mapped)
		FAIL(e, CONFIG, "the user namespace could not be set up");
	l->network_ns = !j->network;
	TRY(enter_root(j->root_dir, e));
	l->root = true;
	if (!drop_capabilities())
		FAIL(e, CONFIG, "capabilities could not be dropped: %s", strerror(errno));
	return ERR_OK;
}

enum err_code jail_enter(const struct jail *j, struct jail_layers *ret, struct err *e)
{
	struct jail_layers l = { 0 };

	TRY(getuid() == 0 ? enter_as_root(j, &l, e) : enter_as_user(j, &l, e));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		FAIL(e, CONFIG, "no_new_privs: %s", strerror(errno));
	l.no_new_privs = true;
	landlock_restrict(j->writable, j->network, &l.landlock_fs, &l.landlock_tcp);
	/* last, for a change of user turns it on again */
	l.undumpable = make_undumpable();
	*ret = l;
	return ERR_OK;
}

void jail_describe(const struct jail_layers *l, struct buf *out)
{
	const struct {
		bool holds;
		const char *name;
	} layers[] = { { l->root, "own root directory" }, { l->user, "own user" }, { l->network_ns, "no network" },
		{ l->landlock_fs, "Landlock files" }, { l->landlock_tcp, "Landlock TCP" }, { l->no_new_privs, "no new privileges" },
		{ l->seccomp, "seccomp" }, { l->undumpable, "no core dumps" } };

	for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
		if (layers[i].holds)
			buf_add_fmt(out, "%s%s", out->len ? ", " : "", layers[i].name);
	if (!out->len)
		buf_add_str(out, "none");
}
