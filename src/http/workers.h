/* A pool of threads behind a bounded queue, first in first out. */
#ifndef CHANCERY_HTTP_WORKERS_H
#define CHANCERY_HTTP_WORKERS_H

#include "base/err.h"

typedef void worker_fn(void *ctx);

struct workers;

enum err_code workers_new(unsigned threads, unsigned queue_max, struct workers **ret, struct err *e) MUST_USE;
/* False when queue_max tasks are waiting, or after workers_stop(). Any thread. */
bool workers_put(struct workers *w, worker_fn *fn, void *ctx) MUST_USE;
/* Takes no more, runs what is queued, joins the threads. */
void workers_stop(struct workers *w);
/* Only after workers_stop(). */
void workers_free(struct workers *w);

#endif
