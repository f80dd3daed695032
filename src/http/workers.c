#include "http/workers.h"

#include "http/thread.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

struct task {
	worker_fn *fn;
	void *ctx;
};

/* Waking a thread costs more than most handlers. So one is woken at a time, and that one wakes the next when it finds more
 * than it takes itself: a burst of short tasks is done by few, and a task that blocks holds up nobody.
 * A semaphore and not a condition variable: whoever wakes from one takes its mutex as a contended one (glibc), which is a
 * system call more for each task. */
struct workers {
	pthread_mutex_t lock;
	sem_t wake;
	bool waking; /* posted, and not awake yet */
	bool stopping;
	unsigned n_threads, idle;
	size_t head, n, max; /* the ring: first task, how many, room */
	struct task *ring;
	pthread_t threads[];
};

/* Under the lock: whether the caller shall post when it has left it. */
static bool must_wake(struct workers *w)
{
	bool wake = w->n > 0 && w->idle > 0 && !w->waking;

	w->waking = w->waking || wake;
	return wake;
}

/* Under the lock. */
static void sleep_until_woken(struct workers *w)
{
	w->idle++;
	pthread_mutex_unlock(&w->lock);
	while (sem_wait(&w->wake) != 0)
		; /* EINTR */
	pthread_mutex_lock(&w->lock);
	w->idle--;
	w->waking = false;
}

static void *worker_main(void *arg)
{
	struct workers *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (w->n == 0 && !w->stopping)
			sleep_until_woken(w);
		if (w->n == 0)
			break;
		struct task t = w->ring[w->head];
		w->head = (w->head + 1) % w->max;
		w->n--;
		bool wake = must_wake(w);
		pthread_mutex_unlock(&w->lock);
		if (wake)
			sem_post(&w->wake);
		t.fn(t.ctx);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

enum err_code workers_new(unsigned threads, unsigned queue_max, struct workers **ret, struct err *e)
{
	struct workers *w = calloc(1, sizeof *w + threads * sizeof *w->threads);

	if (!w || !(w->ring = calloc(queue_max, sizeof *w->ring))) {
		free(w);
		FAIL(e, NOMEM, "no memory for %u workers", threads);
	}
	w->max = queue_max;
	pthread_mutex_init(&w->lock, NULL);
	sem_init(&w->wake, 0, 0);
	for (; w->n_threads < threads; w->n_threads++) {
		int rc = thread_start(&w->threads[w->n_threads], "http-worker", worker_main, w);
		if (rc != 0) {
			workers_stop(w);
			workers_free(w);
			errno = rc;
			FAIL(e, NOMEM, "cannot start a worker thread");
		}
	}
	*ret = w;
	return ERR_OK;
}

bool workers_put(struct workers *w, worker_fn *fn, void *ctx)
{
	pthread_mutex_lock(&w->lock);
	bool room = w->n < w->max && !w->stopping;
	if (room)
		w->ring[(w->head + w->n++) % w->max] = (struct task){ fn, ctx };
	bool wake = must_wake(w);
	pthread_mutex_unlock(&w->lock);
	if (wake)
		sem_post(&w->wake);
	return room;
}

void workers_stop(struct workers *w)
{
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->n_threads; i++)
		sem_post(&w->wake);
	for (; w->n_threads > 0; w->n_threads--)
		pthread_join(w->threads[w->n_threads - 1], NULL);
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	sem_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w->ring);
	free(w);
}
