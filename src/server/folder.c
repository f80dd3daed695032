#include "server/folder.h"

#include "base/clock.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum err_code folder_user(struct bytes name, uid_t *ret_uid, gid_t *ret_gid, struct err *e)
{
	char text[64], *end;

	if (name.len >= sizeof text)
		FAIL(e, CONFIG, "a user's name of %zu characters", name.len);
	(void)snprintf(text, sizeof text, "%.*s", BYTES_FMT(name));
	unsigned long number = strtoul(text, &end, 10);
	if (*text && !*end && number > 0 && number < 0x7fffffff) {
		*ret_uid = (uid_t)number;
		*ret_gid = (gid_t)number;
		return ERR_OK;
	}
	struct passwd *p = getpwnam(text);
	if (!p || p->pw_uid == 0)
		FAIL(e, CONFIG,
		    "there is no user \"%s\" (not root): make it with `adduser --system --group %s`, or name another in the configuration",
		    text, text);
	*ret_uid = p->pw_uid;
	*ret_gid = p->pw_gid;
	return ERR_OK;
}

enum err_code folder_check_owner(int folder, const char *path, uid_t uid, struct err *e)
{
	struct stat s;

	if (fstat(folder, &s) != 0)
		FAIL(e, IO, "%s: %s", path, strerror(errno));
	if (s.st_uid != uid || (s.st_mode & 077))
		FAIL(e, CONFIG, "%s must belong to user %u and be closed to all others (mode 0700); it belongs to %u with mode %04o", path,
		    (unsigned)uid, (unsigned)s.st_uid, (unsigned)(s.st_mode & 07777));
	return ERR_OK;
}

enum err_code folder_lock(int folder, const char *path, int64_t wait_ms, struct err *e)
{
	int64_t give_up_ms = clock_monotonic_ms() + wait_ms;

	while (flock(folder, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK)
			FAIL(e, IO, "%s: %s", path, strerror(errno));
		if (clock_monotonic_ms() >= give_up_ms)
			FAIL(e, CONFIG, "%s is in use by another server", path);
		(void)usleep(20000);
	}
	return ERR_OK;
}
