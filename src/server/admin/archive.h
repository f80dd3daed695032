/* A backup's file as a stream: plain, or sealed under a passphrase (crypto/seal.h); within it a tar archive. Memory: two chunks. */
#ifndef CHANCERY_SERVER_ADMIN_ARCHIVE_H
#define CHANCERY_SERVER_ADMIN_ARCHIVE_H

#include "crypto/digest.h"
#include "crypto/seal.h"
#include "server/admin/tar.h"

#define ARCHIVE_TOP "chancery-backup/" /* every path begins with it */

/* --- writing --- */

struct archive_out;
/* fd stays the caller's. passphrase empty: plain. */
enum err_code archive_out_new(int fd, struct bytes passphrase, struct archive_out **ret, struct err *e) MUST_USE;
void archive_out_free(struct archive_out *o);
DEFINE_CLEANUP(struct archive_out *, archive_out_free);
/* A file: its head (path without ARCHIVE_TOP), then exactly its size of content in any number of parts, then the end, which gives its digest. */
enum err_code archive_begin(struct archive_out *o, const struct tar_entry *t, struct err *e) MUST_USE;
enum err_code archive_add(struct archive_out *o, struct bytes part, struct err *e) MUST_USE;
enum err_code archive_end(struct archive_out *o, uint8_t ret_digest[SHA256_SIZE], struct err *e) MUST_USE;
/* Ends the archive; nothing is synced. */
enum err_code archive_finish(struct archive_out *o, struct err *e) MUST_USE;

/* --- reading --- */

struct archive_in;
/* fd: a regular file, which stays the caller's; read from its beginning. CONFIG: it is sealed and there is no passphrase. */
enum err_code archive_in_new(int fd, struct bytes passphrase, struct archive_in **ret, struct err *e) MUST_USE;
void archive_in_free(struct archive_in *i);
DEFINE_CLEANUP(struct archive_in *, archive_in_free);
/* The next file (what is left of the one before is skipped), its path without ARCHIVE_TOP and looked at: parts of letters, digits, dot, minus and
 * underscore, none of which begins with a dot. NOT_FOUND at the archive's end, when nothing else follows; MALFORMED; UNAUTHORIZED as seal_get(). */
enum err_code archive_next(struct archive_in *i, struct tar_entry *ret, struct err *e) MUST_USE;
/* A part of its content, a view until the next call; empty at its end. */
enum err_code archive_read(struct archive_in *i, struct bytes *ret, struct err *e) MUST_USE;

#endif
