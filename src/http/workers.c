#include "http/workers.h"

#include "http/thread.h"

#include <errno.h>
#include <stdlib.h>

struct task {
	worker_fn *fn;
	void *ctx;
};

struct workers {
	pthread_mutex_t lock;
	pthread_cond_t work;
	bool stopping;
	unsigned n_threads, idle;
	size_t head, n, max; /* the ring: first task, how many, room */
	struct task *ring;
	pthread_t threads[];
};

static void *worker_main(void *arg)
{
	struct workers *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		if (w->n == 0) {
			if (w->stopping)
				break;
			w->idle++;
			pthread_cond_wait(&w->work, &w->lock);
			w->idle--;
			continue;
		}
		struct task t = w->ring[w->head];
		w->head = (w->head + 1) % w->max;
		w->n--;
		pthread_mutex_unlock(&w->lock);
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
	pthread_cond_init(&w->work, NULL);
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
	bool room = w->n < w->max && !w->stopping, wake = w->idle > 0;
	if (room)
		w->ring[(w->head + w->n++) % w->max] = (struct task){ fn, ctx };
	pthread_mutex_unlock(&w->lock);
	if (room && wake)
		pthread_cond_signal(&w->work);
	return room;
}

void workers_stop(struct workers *w)
{
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_mutex_unlock(&w->lock);
	pthread_cond_broadcast(&w->work);
	for (; w->n_threads > 0; w->n_threads--)
		pthread_join(w->threads[w->n_threads - 1], NULL);
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w->ring);
	free(w);
}
