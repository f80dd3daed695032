/* Where a name's certificates lie:
 *
 *	FOLDER/NAME/generations/20261124T080000Z-1a2b3c4d/{privkey,cert,chain,fullchain}.pem, meta.json
 *	FOLDER/NAME/live -> generations/...
 *
 * A generation never changes once it is whole. `live` switches in one step, so that whoever reads through it sees key and
 * certificate of one generation, also after a crash. */
#ifndef CHANCERY_CLIENT_STORAGE_H
#define CHANCERY_CLIENT_STORAGE_H

#include "base/arena.h"
#include "base/err.h"

#define STORAGE_KEPT     3 /* generations, the live one among them */
#define STORAGE_FILE_MAX (512 * 1024)
#define STORAGE_ID_SIZE  26 /* of a generation: 20261124T080000Z-1a2b3c4d and a NUL */

enum storage_file { STORAGE_PRIVKEY, STORAGE_CERT, STORAGE_CHAIN, STORAGE_FULLCHAIN, STORAGE_META, STORAGE_FILES };

/* "privkey.pem" */
const char *storage_file_name(enum storage_file f);

struct storage;

/* Makes FOLDER/NAME where it is missing (0755), takes its lock, and writes a file to see that it can: before an order is made,
 * not after. name: a DNS name that identifier_parse() let through. BUSY when another run holds the lock; CONFIG or IO. */
enum err_code storage_open(const char *folder, const char *name, struct storage **ret, struct err *e) MUST_USE;
void storage_free(struct storage *s);
DEFINE_CLEANUP(struct storage *, storage_free);
/* FOLDER/NAME, absolute; as long as the storage. */
const char *storage_path(const struct storage *s);

/* A file of the live generation; NOT_FOUND when there is none. */
enum err_code storage_read(struct storage *s, enum storage_file f, struct buf *out, struct err *e) MUST_USE;
/* Writes a generation and makes it the live one. When it fails, what was live still is. id may be NULL. */
enum err_code storage_put(struct storage *s, const struct bytes content[STORAGE_FILES], char id[STORAGE_ID_SIZE], struct err *e) MUST_USE;
/* Removes all but the newest STORAGE_KEPT generations; never the live one. What cannot be removed stays. */
void storage_prune(struct storage *s);

#endif
