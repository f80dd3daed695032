/* Tells people that a certificate comes to its end and nothing renews it, or that one which is configured was never got: by mail, webhook and program, once for each
 * threshold of days. */
#ifndef CHANCERY_AGENT_ALERT_H
#define CHANCERY_AGENT_ALERT_H

#include "agent/standing.h"

/* Which threshold an alert is due for; none: -1. Days before the end, 0 at the end: a certificate that is not due yet, or has just become so and did not fail, is
 * nothing to worry about, however short its life is. Of one that is configured and was never got: days since it failed for the first time, 0 at once. */
int alert_due(const struct config_alert *w, const struct standing *s, int64_t now_s);

/* Alerts of all certificates; what has been told is kept in their states. tell: a line for each that was sent, or could not be: then it is tried at the next
 * run. Returns whether all went well. */
bool alert_all(const struct config *c, struct crew *crew, const struct standing *v, size_t n, int64_t now_s,
    void (*tell)(void *context, bool good, const char *text), void *context);

#endif
