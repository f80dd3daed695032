#include "server/admin/place.h"

#include "server/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The setting user-NAME, so that a new process needs no line here. */
static struct bytes user_of(const struct settings *s, enum process who)
{
	char option[64];

	(void)snprintf(option, sizeof option, "user-%s", process_name(who));
	for (size_t i = 0; i < settings_rows_n; i++)
		if (settings_rows[i].kind == SETTINGS_STRING && strcmp(settings_rows[i].option, option) == 0)
			return *(const struct bytes *)((const char *)s + settings_rows[i].offset);
	return BYTES_NONE;
}

bool place_has_user(const struct settings *s, enum process who)
{
	return user_of(s, who).ptr != NULL;
}

enum err_code place_user(const struct settings *s, enum process who, uid_t *ret_uid, gid_t *ret_gid, struct err *e)
{
	*ret_uid = getuid();
	*ret_gid = getgid();
	return *ret_uid == 0 ? folder_user(user_of(s, who), ret_uid, ret_gid, e) : ERR_OK;
}

enum err_code place_open(const struct settings *s, enum process who, struct place *ret, struct err *e)
{
	struct place p = { .fd = -1 };

	if ((size_t)snprintf(p.path, sizeof p.path, "%.*s/%s", BYTES_FMT(s->state_folder), process_name(who)) >= sizeof p.path)
		FAIL(e, CONFIG, "the state folder has too long a name");
	CLEANUP(close_p) int fd = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		FAIL(e, NOT_FOUND, "%s: %s", p.path, strerror(errno));
	TRY(place_user(s, who, &p.uid, &p.gid, e));
	p.fd = fd;
	fd = -1;
	*ret = p;
	return ERR_OK;
}

void place_close(struct place *p)
{
	close_p(&p->fd);
}

enum err_code place_lock(const struct place *p, struct err *e)
{
	struct err why = { 0 };

	if (folder_lock(p->fd, p->path, FOLDER_WAIT_MS, &why) == ERR_OK)
		return ERR_OK;
	FAIL(e, CONFIG, "%s: stop the server first", why.detail);
}

enum err_code place_busy(const struct place *p, bool *ret, struct err *e)
{
	*ret = flock(p->fd, LOCK_EX | LOCK_NB) != 0;
	if (*ret && errno != EWOULDBLOCK)
		FAIL(e, IO, "%s: %s", p->path, strerror(errno));
	if (!*ret)
		(void)flock(p->fd, LOCK_UN);
	return ERR_OK;
}

/* The effective and permitted set become this one, which must have been permitted. */
static bool keep_capability(unsigned capability)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = { 0 };

	sets[capability / 32].permitted = sets[capability / 32].effective = 1u << capability % 32;
	return syscall(SYS_capset, &head, sets) == 0;
}

enum err_code place_become(const struct place *p, struct err *e)
{
	umask(077); /* whatever is made from here on is a process's own */
	if (getuid() != 0)
		return ERR_OK;
	if (prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L) != 0 || setgroups(0, NULL) != 0 || setresgid(p->gid, p->gid, p->gid) != 0 ||
	    setresuid(p->uid, p->uid, p->uid) != 0)
		FAIL(e, IO, "cannot become user %u: %s", (unsigned)p->uid, strerror(errno));
	/* containers often have the wider one alone */
	if (!keep_capability(CAP_DAC_READ_SEARCH) && !keep_capability(CAP_DAC_OVERRIDE))
		FAIL(e, IO, "cannot keep the right to read the processes' folders: %s", strerror(errno));
	return ERR_OK;
}
