#include "http/workers.h"

#include "http/thread.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

struct task {
	worker_fn *fn;
	void *ctx;
};

/* A semaphore and not a condition variable: whoever wakes from one takes its mutex as a contended one (glibc), which is a
 * system call more for each request. */
struct workers {
	pthread_mutex_t lock;
	sem_t work;          /* one for each task, and at the end one for each thread */
	bool stopping;
	unsigned n_threads;
	size_t head, n, max; /* the ring: first task, how many, room */
	struct task *ring;
	pthread_t threads[];
};

static bool take_task(struct workers *w, struct task *ret)
{
	while (sem_wait(&w->work) != 0)
		; /* EINTR */
	pthread_mutex_lock(&w->lock);
	bool any = w->n > 0;
	if (any) {
		*ret = w->ring[w->head];
		w->head = (w->head + 1) % w->max;
		w->n--;
	}
	pthread_mutex_unlock(&w->lock);
	return any;
}

static void *worker_main(void *arg)
{
	struct workers *w = arg;
	struct task t;

	while (take_task(w, &t))
		t.fn(t.ctx);
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
	sem_init(&w->work, 0, 0);
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
	pthread_mutex_unlock(&w->lock);
	if (room)
		sem_post(&w->work);
	return room;
}

void workers_stop(struct workers *w)
{
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->n_threads; i++)
		sem_post(&w->work);
	for (; w->n_threads > 0; w->n_threads--)
		pthread_join(w->threads[w->n_threads - 1], NULL);
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	sem_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w->ring);
	free(w);
}
