/* Files that survive a crash, through the seam. */
#ifndef CHANCERY_OS_FILE_H
#define CHANCERY_OS_FILE_H

#include "base/arena.h"
#include "base/err.h"

#include <sys/types.h>

/* The whole file, at most max bytes. NOT_FOUND when it is not there, TOO_LARGE, IO. dir is a directory's descriptor or AT_FDCWD. */
enum err_code file_read(int dir, const char *path, size_t max, struct buf *out, struct err *e) MUST_USE;
/* The same of a file with a secret: CONFIG when others than its owner may read it, with what to do. */
enum err_code file_read_private(const char *path, size_t max, struct buf *out, struct err *e) MUST_USE;
/* Replaces or makes the file in one step: temporary file beside it, write, fsync, rename, fsync of the directory. */
enum err_code file_write(int dir, const char *path, mode_t mode, struct bytes content, struct err *e) MUST_USE;
/* The same, but CONFLICT when the file is there already. */
enum err_code file_create(int dir, const char *path, mode_t mode, struct bytes content, struct err *e) MUST_USE;
/* write(2) until all is written. */
enum err_code file_write_all(int fd, struct bytes content, struct err *e) MUST_USE;
/* Takes away what writers left in the folder that were killed: their temporary files, once these are an hour old; a writer needs a moment. dir: as openat(2) has it. */
void file_clear_drafts(int dir, const char *folder);
enum err_code file_sync_dir(int dir, struct err *e) MUST_USE;
/* Every folder of the path that is missing: those above with 0755, the last with mode. CONFIG: which one cannot be made, and why. */
enum err_code file_make_folder(const char *path, mode_t mode, struct err *e) MUST_USE;
/* The same for the folder that a file is to be in, with 0755. */
enum err_code file_make_folder_of(const char *path, struct err *e) MUST_USE;

#endif
