#include "server/store/inside.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define READERS   8   /* a read takes some ten microseconds: more than this many at once would only wait for processors */
#define QUEUE_MAX 512 /* units that wait for the writer; there are as many callers as worker threads */

static enum err_code open_all(struct store *s, const char *path, struct err *e)
{
	CLEANUP(db_close_p) struct db *db = NULL;

	s->inflight = inflight_new();
	s->recent = recent_new();
	if (!s->inflight || !s->recent)
		FAIL(e, NOMEM, "no memory for the store");
	TRY(db_open(path, DB_READ_WRITE, &db, e));
	TRY(db_migrate(db, store_migrations, store_migrations_n, e));
	TRY(db_pool_new(path, READERS, &s->readers, e));
	TRY(db_writer_new(db, QUEUE_MAX, &s->writer, e));
	(void)TAKE(db);
	return ERR_OK;
}

enum err_code store_open(const char *folder, struct store **ret, struct err *e)
{
	size_t n = bytes_str(folder).len;
	char path[PATH_MAX];

	errno = 0;
	if (n == 0 || (size_t)snprintf(path, sizeof path, "%s%sstore.db", folder, folder[n - 1] == '/' ? "" : "/") >= sizeof path)
		FAIL(e, CONFIG, "the database's folder has no usable name");
	struct store *s = calloc(1, sizeof *s);
	if (!s)
		FAIL(e, NOMEM, "no memory for the store");
	enum err_code rc = open_all(s, path, e);
	if (rc != ERR_OK)
		store_close(s);
	else
		*ret = s;
	return rc;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	/* The connection that writes is closed last: SQLite then moves the whole WAL into the database. */
	db_pool_free(s->readers);
	db_writer_free(s->writer);
	inflight_free(s->inflight);
	recent_free(s->recent);
	free(s);
}

enum err_code store_get_state(struct db_stmt *st, unsigned column, unsigned n, unsigned *ret, struct err *e)
{
	int64_t v = db_int(st, column);

	errno = 0;
	if (v < 0 || v >= n)
		FAIL(e, STORE, "a row in the database has the unknown state %lld", (long long)v);
	*ret = (unsigned)v;
	return ERR_OK;
}
