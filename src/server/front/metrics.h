/* The processes' states as monitoring reads them: the text format of Prometheus, version 0.0.4, made of what `chancery-ca status --json`
 * tells. */
#ifndef CHANCERY_SERVER_FRONT_METRICS_H
#define CHANCERY_SERVER_FRONT_METRICS_H

#include "base/arena.h"
#include "base/err.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_MAX  (256u << 10)

/* status: the parent's answer. MALFORMED when it is none. */
enum err_code metrics_write(struct arena *a, struct bytes status, struct buf *out, struct err *e) MUST_USE;
/* Whether every process is ready, and the front, whose own state it is, talks to the others. As JSON: {"status":"ok"}, or "failing" and
 * "reasons". */
enum err_code metrics_health(struct arena *a, struct bytes status, bool *ret_ok, struct buf *out, struct err *e) MUST_USE;

#endif
