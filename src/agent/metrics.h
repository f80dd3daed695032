/* How the certificates stand, for Prometheus: a text file that its node_exporter collects. */
#ifndef CHANCERY_AGENT_METRICS_H
#define CHANCERY_AGENT_METRICS_H

#include "agent/standing.h"

/* The exposition format, version 0.0.4. */
void metrics_put(const struct standing *v, size_t n, int64_t now_s, struct buf *out);
/* Replaced in one step, mode 0644. */
enum err_code metrics_write(const char *path, const struct standing *v, size_t n, int64_t now_s, struct err *e) MUST_USE;

#endif
