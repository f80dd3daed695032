/* What a backup says of itself: its last file, MANIFEST. Text, so that people and `sha256sum` can read it; docs/protocol/backup.md. */
#ifndef CHANCERY_SERVER_ADMIN_MANIFEST_H
#define CHANCERY_SERVER_ADMIN_MANIFEST_H

#include "base/clock.h"
#include "crypto/digest.h"
#include "server/admin/tar.h"
#include "server/receipt.h"

#define MANIFEST_NAME      "MANIFEST"
#define MANIFEST_MAX       (16u << 20)
#define MANIFEST_FILES_MAX 100000

struct manifest {
	uint8_t instance[INSTANCE_SIZE];
	int64_t made_s;
	bool keys;             /* secrets are in it */
	bool database;         /* the front's is */
	uint64_t log_sequence; /* the log's last record */
	uint64_t files;        /* without the manifest itself */
};
void manifest_write_head(const struct manifest *m, struct buf *out);
/* One line for each file, in the archive's order, as sha256sum writes it. */
void manifest_write_file(const struct tar_entry *t, const uint8_t digest[SHA256_SIZE], struct buf *out);
/* lines: what manifest_write_file() makes of the files as they were read. MALFORMED: no manifest of this version, or one of other files. */
enum err_code manifest_check(struct bytes text, struct bytes lines, struct manifest *ret, struct err *e) MUST_USE;

#endif
