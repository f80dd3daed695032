#include "db/db_pool.h"

#include <pthread.h>
#include <stdlib.h>

struct db_pool {
	pthread_mutex_t lock;
	pthread_cond_t given_back;
	size_t n_free;
	struct db *free[DB_POOL_MAX];
};

enum err_code db_pool_new(const char *where, size_t n, struct db_pool **ret, struct err *e)
{
	CLEANUP(db_pool_free_p) struct db_pool *p = calloc(1, sizeof *p);

	if (!p)
		FAIL(e, NOMEM, "no memory for the database's readers");
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->given_back, NULL);
	if (n < 1 || n > DB_POOL_MAX)
		FAIL(e, BUG, "a pool of %zu database connections", n);
	for (; p->n_free < n; p->n_free++)
		TRY(db_open(where, DB_READ_ONLY, &p->free[p->n_free], e));
	*ret = TAKE(p);
	return ERR_OK;
}

void db_pool_free(struct db_pool *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_free; i++)
		db_close(p->free[i]);
	pthread_cond_destroy(&p->given_back);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* The one used last comes first: its pages are the warmest. */
static struct db *take(struct db_pool *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->n_free == 0)
		pthread_cond_wait(&p->given_back, &p->lock);
	struct db *db = p->free[--p->n_free];
	pthread_mutex_unlock(&p->lock);
	return db;
}

static void give(struct db_pool *p, struct db *db)
{
	pthread_mutex_lock(&p->lock);
	p->free[p->n_free++] = db;
	pthread_mutex_unlock(&p->lock);
	pthread_cond_signal(&p->given_back);
}

enum err_code db_pool_read(struct db_pool *p, db_unit *unit, void *ctx, struct err *e)
{
	struct db *db = take(p);
	enum err_code rc = unit(db, ctx, e);

	give(p, db);
	return rc;
}
