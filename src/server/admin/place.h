/* The state folder as an operator's offline work meets it: whose folders they are, whether a server is at work on them, and how root works on
 * what belongs to a process without trusting it. */
#ifndef CHANCERY_SERVER_ADMIN_PLACE_H
#define CHANCERY_SERVER_ADMIN_PLACE_H

#include "server/messages.h"
#include "server/settings.h"

#include <sys/types.h>

struct place {
	char path[4096];
	int fd; /* -1: none */
	uid_t uid;
	gid_t gid;
};
/* The process's folder below the state folder. NOT_FOUND when there is none. */
enum err_code place_open(const struct settings *s, enum process who, struct place *ret, struct err *e) MUST_USE;
void place_close(struct place *p);
/* Who it is to belong to, when there is no folder yet. */
enum err_code place_user(const struct settings *s, enum process who, uid_t *ret_uid, gid_t *ret_gid, struct err *e) MUST_USE;
/* Whether the settings name a user for it: a process without has no folder. */
bool place_has_user(const struct settings *s, enum process who);
/* Keeps servers away for as long as the place is open. CONFIG, with what to do, when one runs. */
enum err_code place_lock(const struct place *p, struct err *e) MUST_USE;
/* Whether a server works on it right now. */
enum err_code place_busy(const struct place *p, bool *ret, struct err *e) MUST_USE;

/* From root to the folder's user, for good, with the right to read everything and no other: what that user has put there, a symbolic link
 * for example, then does no more than he could do himself. Nothing when we are not root, but for the umask. */
enum err_code place_become(const struct place *p, struct err *e) MUST_USE;

#endif
