/* For monitoring, over plain HTTP at addresses of its own (admin.listen): /metrics, /health, /health/live. Questions are gathered and
 * put to the parent once for all that wait; it asks the processes. */
#ifndef CHANCERY_SERVER_FRONT_ADMIN_H
#define CHANCERY_SERVER_FRONT_ADMIN_H

#include "server/front/front.h"

struct admin;

/* wake: an eventfd that makes the control loop call admin_tick(). */
enum err_code admin_new(struct front *f, int wake, struct admin **ret, struct err *e) MUST_USE;
void admin_free(struct admin *d);
/* A listening socket, taken over; before admin_start(). */
enum err_code admin_listen(struct admin *d, int fd, struct err *e) MUST_USE;
enum err_code admin_start(struct admin *d, struct err *e) MUST_USE;
void admin_stop(struct admin *d, unsigned grace_ms);

/* From the control loop: asks the parent where somebody waits, and ends what has waited too long. */
void admin_tick(struct admin *d);
/* METRICS has come. */
void admin_take(struct admin *d, const struct message *m);

#endif
