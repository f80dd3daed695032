#include "db/db_writer.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define GATHER_NS 2000000 /* a sync takes 1 to 2 ms on common disks */

/* A waiting unit; lives on its caller's stack, which is the writer's from queueing until `done` is posted. */
struct job {
	struct job *next;
	db_unit *unit;
	void *ctx;
	struct err *e;
	enum err_code rc;
	sem_t done;
};

struct jobs {
	struct job *first, **end;
	size_t n;
};

struct db_writer {
	struct db *db;
	pthread_t thread;
	size_t queue_max;
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t work;
	struct jobs queue;
	bool ending;
	size_t last_batch; /* the writer's own */
};

static void jobs_init(struct jobs *q)
{
	*q = (struct jobs){ .end = &q->first };
}

static void jobs_push(struct jobs *q, struct job *j)
{
	j->next = NULL;
	*q->end = j;
	q->end = &j->next;
	q->n++;
}

static struct job *jobs_pop(struct jobs *q)
{
	struct job *j = q->first;

	if (!j)
		return NULL;
	q->first = j->next;
	if (!q->first)
		q->end = &q->first;
	q->n--;
	return j;
}

/* The next waiting unit; NULL when there is none. wait: sleeps for one, NULL then means the end. */
static struct job *take(struct db_writer *w, bool wait)
{
	pthread_mutex_lock(&w->lock);
	while (wait && !w->queue.first && !w->ending)
		pthread_cond_wait(&w->work, &w->lock);
	struct job *j = jobs_pop(&w->queue);
	pthread_mutex_unlock(&w->lock);
	return j;
}

/* The caller goes on as soon as it is posted: the job must not be touched after. */
static void finish(struct jobs *batch)
{
	struct job *j;

	while ((j = jobs_pop(batch)))
		sem_post(&j->done);
}

/* All of them, also those that had failed by themselves: what those saw of the others' work never happened. */
static void fail_all(struct jobs *batch, const struct err *why)
{
	for (struct job *j = batch->first; j; j = j->next) {
		j->rc = ERR_STORE;
		if (j->e) {
			*j->e = *why;
			j->e->code = ERR_STORE;
		}
	}
}

/* Runs one unit in its savepoint. False: the transaction as a whole is lost, for the reason in *why. */
static bool run(struct db *db, struct job *j, struct err *why)
{
	struct err own = { 0 };

	if (db_savepoint(db, why) != ERR_OK)
		return false;
	j->rc = j->unit(db, j->ctx, &own);
	if (j->rc != ERR_OK && j->e)
		*j->e = own;
	if (!db_in_transaction(db)) {
		*why = own;
		return false;
	}
	return (j->rc == ERR_OK ? db_release(db, why) : db_rollback_to(db, why)) == ERR_OK;
}

/* From the first unit to the waking of all. Those that come while others are run join the same commit. */
static void run_batch(struct db_writer *w, struct job *first)
{
	struct jobs batch;
	struct err why = { 0 };
	bool whole = db_begin(w->db, &why) == ERR_OK;

	jobs_init(&batch);
	for (struct job *j = first; j; j = whole && batch.n < DB_BATCH_MAX ? take(w, false) : NULL) {
		jobs_push(&batch, j);
		if (whole)
			whole = run(w->db, j, &why);
	}
	/* After a failed sync SQLite writes the same part of the WAL anew before it syncs again, so a later commit does not
	 * rest on pages that the kernel has dropped: the writer goes on, and each batch tells for itself whether it holds. */
	if (!whole || db_commit(w->db, &why) != ERR_OK) {
		db_rollback(w->db);
		fail_all(&batch, &why);
	}
	w->last_batch = batch.n;
	finish(&batch);
}

/* Where several wait for each commit, the next one comes together while this one sleeps: a commit's price is for all that share it. */
static void gather(const struct db_writer *w)
{
	const struct timespec pause = { .tv_nsec = GATHER_NS };

	if (w->last_batch > 1)
		nanosleep(&pause, NULL);
}

static void *writer_main(void *arg)
{
	struct db_writer *w = arg;
	struct job *j;

	while ((j = take(w, true))) {
		gather(w);
		run_batch(w, j);
		db_tend(w->db);
	}
	return NULL;
}

/* Signals are for the program's own threads. */
static int start_thread(struct db_writer *w)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&w->thread, NULL, writer_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

enum err_code db_writer_new(struct db *db, size_t queue_max, struct db_writer **ret, struct err *e)
{
	struct db_writer *w = calloc(1, sizeof *w);

	if (!w)
		FAIL(e, NOMEM, "no memory for the database's writer");
	w->db = db;
	w->queue_max = queue_max;
	jobs_init(&w->queue);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	errno = start_thread(w);
	if (errno != 0) {
		free(w);
		FAIL(e, NOMEM, "no thread for the database's writer");
	}
	*ret = w;
	return ERR_OK;
}

void db_writer_free(struct db_writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_mutex_unlock(&w->lock);
	pthread_cond_signal(&w->work);
	pthread_join(w->thread, NULL);
	db_close(w->db);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

enum err_code db_writer_run(struct db_writer *w, db_unit *unit, void *ctx, struct err *e)
{
	struct job j = { .unit = unit, .ctx = ctx, .e = e };

	sem_init(&j.done, 0, 0);
	pthread_mutex_lock(&w->lock);
	bool room = w->queue.n < w->queue_max;
	if (room) {
		jobs_push(&w->queue, &j);
		pthread_cond_signal(&w->work); /* under the lock: once it is done the writer may be freed by others */
	}
	pthread_mutex_unlock(&w->lock);
	while (room && sem_wait(&j.done) != 0)
		; /* interrupted by a signal: the job is still the writer's */
	sem_destroy(&j.done);
	errno = 0;
	if (!room)
		FAIL(e, BUSY, "%zu changes wait for the database already", w->queue_max);
	return j.rc;
}

size_t db_writer_waiting(struct db_writer *w)
{
	pthread_mutex_lock(&w->lock);
	size_t n = w->queue.n;
	pthread_mutex_unlock(&w->lock);
	return n;
}
