/* Where a certificate lies:
 *
 *	FOLDER/NAME/generations/20261124T080000Z-1a2b3c4d/{privkey,cert,chain,fullchain}.pem, meta.json, ...
 *	FOLDER/NAME/live -> generations/...
 *
 * A generation begins as a draft: its key and, when an order is made, which one. It is whole with meta.json, the last file that is written, and never changes
 * any more. `live` switches in one step, so that whoever reads through it sees key and certificate of one generation, also after a crash. */
#ifndef CHANCERY_CLIENT_STORAGE_H
#define CHANCERY_CLIENT_STORAGE_H

#include "base/arena.h"
#include "base/err.h"

#include <sys/types.h>

#define STORAGE_KEPT     3 /* generations, the live one among them */
#define STORAGE_FILE_MAX (512 * 1024)
#define STORAGE_ID_SIZE  26 /* of a generation: 20261124T080000Z-1a2b3c4d and a NUL */

#define STORAGE_PRIVKEY   "privkey.pem"
#define STORAGE_CERT      "cert.pem"
#define STORAGE_CHAIN     "chain.pem"
#define STORAGE_FULLCHAIN "fullchain.pem"
#define STORAGE_META      "meta.json"
#define STORAGE_ORDER     "order.json" /* of a draft: what is on its way */

struct storage;

/* Makes FOLDER/NAME where it is missing (0755), takes its lock, and writes a file to see that it can: before an order is made,
 * not after. name: a DNS name that identifier_parse() let through. BUSY when another run holds the lock; CONFIG or IO. */
enum err_code storage_open(const char *folder, const char *name, struct storage **ret, struct err *e) MUST_USE;
void storage_free(struct storage *s);
DEFINE_CLEANUP(struct storage *, storage_free);
/* FOLDER/NAME, absolute; as long as the storage. */
const char *storage_path(const struct storage *s);

/* A file of the live generation; NOT_FOUND when there is none. */
enum err_code storage_read(struct storage *s, const char *file, struct buf *out, struct err *e) MUST_USE;

/* --- drafts --- */

/* A new generation that nobody sees yet. */
enum err_code storage_draft(struct storage *s, char ret_id[STORAGE_ID_SIZE], struct err *e) MUST_USE;
/* The newest draft that an earlier run has left, with an order in it. NOT_FOUND: there is none. */
enum err_code storage_find_draft(struct storage *s, char ret_id[STORAGE_ID_SIZE], struct err *e) MUST_USE;
/* Opens a file of a draft or a generation: for reading, or a new one for writing by whoever gets the descriptor (mode 0600). CONFLICT: it is there already. */
enum err_code storage_open_file(struct storage *s, const char *id, const char *file, bool make, int *ret_fd, struct err *e) MUST_USE;
/* Takes a file away from a draft, where it is there. */
void storage_drop_file(struct storage *s, const char *id, const char *file);
/* Gives a file of a draft the content of another file, which nobody reads for it: a second name of it. NOT_FOUND: there is none. */
enum err_code storage_link_file(struct storage *s, const char *id, const char *file, const char *path, struct err *e) MUST_USE;
/* Writes a small file of a draft, or reads it. */
enum err_code storage_put_file(
    struct storage *s, const char *id, const char *file, mode_t mode, struct bytes content, struct err *e) MUST_USE;
enum err_code storage_read_file(struct storage *s, const char *id, const char *file, struct buf *out, struct err *e) MUST_USE;
void storage_drop_draft(struct storage *s, const char *id);

/* --- the switch --- */

/* Makes a whole generation the live one. When it fails, what was live still is, but after a failed sync it may have happened: both are whole. */
enum err_code storage_switch(struct storage *s, const char *id, struct err *e) MUST_USE;
/* The live generation's id; NOT_FOUND. */
enum err_code storage_live(struct storage *s, char ret_id[STORAGE_ID_SIZE], struct err *e) MUST_USE;
/* Removes all but the newest STORAGE_KEPT whole generations, never the live one nor `keep` (NULL: none), and all drafts. What cannot be removed stays. */
void storage_prune(struct storage *s, const char *keep);

#endif
