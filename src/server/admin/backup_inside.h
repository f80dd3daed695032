/* What the backup's files share. */
#ifndef CHANCERY_SERVER_ADMIN_BACKUP_INSIDE_H
#define CHANCERY_SERVER_ADMIN_BACKUP_INSIDE_H

#include "server/admin/archive.h"
#include "server/admin/backup.h"
#include "server/admin/place.h"

struct making {
	const struct backup_request *request;
	struct backup_report *report;
	struct place front, signer;
	struct archive_out *out;
	struct buf lines; /* of the manifest */
	uint64_t others;  /* files that are neither database nor log */
};

/* A file of which the first `size` bytes are taken. */
enum err_code backup_put_file(
    struct making *m, const char *path, const char *owner, uint32_t mode, int fd, uint64_t size, struct err *e) MUST_USE;
enum err_code backup_put_bytes(
    struct making *m, const char *path, const char *owner, uint32_t mode, struct bytes content, struct err *e) MUST_USE;

/* backup_database.c: a consistent copy of the front's database; a file without a name, -1 when there is no database. dest: the folder where the
 * copy has room. */
enum err_code backup_database(const struct place *front, const char *dest, int *ret, struct err *e) MUST_USE;
/* backup_log.c */
enum err_code backup_log(struct making *m, struct err *e) MUST_USE;
/* backup_files.c: the rest. */
enum err_code backup_files(struct making *m, struct err *e) MUST_USE;

#endif
