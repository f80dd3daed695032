/* `chancery-ca restore`: a CA from its backup, on a machine that has none. Everything is checked before anything is put in its place, and nothing
 * is ever overwritten. */
#ifndef CHANCERY_SERVER_ADMIN_RESTORE_H
#define CHANCERY_SERVER_ADMIN_RESTORE_H

#include "server/admin/manifest.h"
#include "server/settings.h"

struct restore {
	const char *from;        /* the backup's file */
	struct bytes passphrase; /* empty: none is known */
};
/* Reads the whole backup: every digest, and that all is there. config: the configuration's text is appended. */
enum err_code restore_check(const struct restore *r, struct manifest *ret, struct buf *config, struct err *e) MUST_USE;
/* Puts it into the state folder of the settings, which is empty or not there; with the owners that the settings name. Before the last step the log's
 * chain is gone through: IO names the place of damage. */
enum err_code restore_put(const struct restore *r, const struct settings *s, struct manifest *ret, struct err *e) MUST_USE;

#endif
