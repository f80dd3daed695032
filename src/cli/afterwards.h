/* What follows a run over all certificates: alerts and metrics. */
#ifndef CHANCERY_CLI_AFTERWARDS_H
#define CHANCERY_CLI_AFTERWARDS_H

#include "agent/config.h"
#include "agent/crew.h"
#include "agent/inventory.h"

/* Failures are told on stderr; whether all went well. *ret_next_s: when something is to be done next; INT64_MAX: nothing is known. May be NULL. */
bool afterwards(const struct config *c, struct crew *crew, bool quiet, int64_t *ret_next_s);

#endif
