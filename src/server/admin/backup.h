/* `chancery-ca backup`: everything that a CA is made of in one file, also while the server runs. The database is copied first and the log after
 * it, so that the log is never older than the database. docs/protocol/backup.md is normative for the file. */
#ifndef CHANCERY_SERVER_ADMIN_BACKUP_H
#define CHANCERY_SERVER_ADMIN_BACKUP_H

#include "server/admin/manifest.h"
#include "server/settings.h"

struct backup_request {
	const struct settings *settings;
	const char *config;      /* the configuration's file */
	const char *to;          /* a file that is not there yet, or a folder, in which the file gets a name with the time */
	bool keys;               /* with everything secret; only with a passphrase */
	struct bytes passphrase; /* empty: not encrypted */
};
struct backup_report {
	char path[4400];
	uint64_t size;
	bool sealed;
	uint64_t segments;
	struct manifest manifest;
};
/* Leaves nothing behind when it fails. CONFLICT: the file is there. IO also for a log that is damaged: it is checked on the way. */
enum err_code backup(const struct backup_request *q, struct backup_report *ret, struct err *e) MUST_USE;

#endif
