/* The processes' data folders as whoever starts processes, or works on their folders while none runs, sees them. */
#ifndef CHANCERY_SERVER_FOLDER_H
#define CHANCERY_SERVER_FOLDER_H

#include "base/err.h"

#include <sys/types.h>

/* A user by name or number, never root. A number needs no entry in the user database; its group is then the same number. */
enum err_code folder_user(struct bytes name, uid_t *ret_uid, gid_t *ret_gid, struct err *e) MUST_USE;
/* CONFIG unless the folder is this user's and closed to all others. path: for the error. */
enum err_code folder_check_owner(int folder, const char *path, uid_t uid, struct err *e) MUST_USE;
/* Two signers that write one log would destroy it, and so with every folder. The lock is the open folder's, which a child that is given the
 * descriptor shares: it holds as long as one of the two lives. CONFIG when somebody else still has it after wait_ms. */
#define FOLDER_WAIT_MS 3000 /* children that the kernel is ending hold their folders for a moment */
enum err_code folder_lock(int folder, const char *path, int64_t wait_ms, struct err *e) MUST_USE;

#endif
