/* The batching writer: one thread with the one connection that writes. It runs all units of work that wait, each in a savepoint
 * of its own, commits them together and then wakes their callers. While a commit waits for the disk, the next batch gathers. */
#ifndef CHANCERY_DB_DB_WRITER_H
#define CHANCERY_DB_DB_WRITER_H

#include "db/db.h"

#define DB_BATCH_MAX 256 /* units in one transaction: a bound for how long the first of them waits for the last */

struct db_writer;

/* At most queue_max units wait. The writer owns db when this succeeds. */
enum err_code db_writer_new(struct db *db, size_t queue_max, struct db_writer **ret, struct err *e) MUST_USE;
/* Ends the thread after all that waits, closes the connection. Nobody may call db_writer_run() any more. */
void db_writer_free(struct db_writer *w);
DEFINE_CLEANUP(struct db_writer *, db_writer_free);

/* Runs the unit on the writer's thread and returns when its changes are durable, or undone. The unit may be run once or not at
 * all. Its results count only when this returns OK. Errors: the unit's own (then its changes alone are undone); BUSY when the
 * queue is full; STORE when the transaction failed, for every unit of the batch: nothing of it is there, but for a commit whose
 * sync failed, which the next start may find whole. */
enum err_code db_writer_run(struct db_writer *w, db_unit *unit, void *ctx, struct err *e) MUST_USE;

/* Units that wait now. */
size_t db_writer_waiting(struct db_writer *w);

#endif
