/* The little of tar (POSIX ustar) that a backup is made of: regular files alone, so that every tar program reads it. Sizes of 8 GiB and more are
 * written in base 256, as GNU tar and others do. */
#ifndef CHANCERY_SERVER_ADMIN_TAR_H
#define CHANCERY_SERVER_ADMIN_TAR_H

#include "base/err.h"

#define TAR_BLOCK    512u
#define TAR_PATH_MAX 99

struct tar_entry {
	char path[TAR_PATH_MAX + 1];
	uint64_t size;
	uint32_t mode;  /* permission bits */
	int64_t time_s; /* of modification */
	char owner[32]; /* a name */
};

/* The block before a file's content. */
void tar_head_write(const struct tar_entry *t, uint8_t out[TAR_BLOCK]);
/* NOT_FOUND: a block of zeros, which ends the archive. MALFORMED: anything but a regular file's head. The path is what stands there: whoever uses
 * it looks at it first. */
enum err_code tar_head_read(const uint8_t in[TAR_BLOCK], struct tar_entry *ret, struct err *e) MUST_USE;
/* How many zeros follow a content of this size. */
size_t tar_padding(uint64_t size);

#endif
