/* Read-only connections shared by worker threads. */
#ifndef CHANCERY_DB_DB_POOL_H
#define CHANCERY_DB_DB_POOL_H

#include "db/db.h"

#define DB_POOL_MAX 64

struct db_pool;

/* n (1 .. DB_POOL_MAX) connections, all opened now: later a jail or a descriptor limit might forbid it. */
enum err_code db_pool_new(const char *where, size_t n, struct db_pool **ret, struct err *e) MUST_USE;
/* Nobody may be reading any more. */
void db_pool_free(struct db_pool *p);
DEFINE_CLEANUP(struct db_pool *, db_pool_free);

/* Runs the unit on a free connection, waiting for one if need be. Each of its statements sees all that was committed before. */
enum err_code db_pool_read(struct db_pool *p, db_unit *unit, void *ctx, struct err *e) MUST_USE;

#endif
