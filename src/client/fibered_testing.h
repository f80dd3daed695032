/* The engine in a fiber over any seam: it stops at each thing that it wants, which is then done outside, as in event-driven use. For tests. */
#ifndef CHANCERY_CLIENT_FIBERED_TESTING_H
#define CHANCERY_CLIENT_FIBERED_TESTING_H

#include "client/session_io.h"

/* Calls f with a seam through which it stops; what it wants is done by `inner` on the stack of who calls this. How often it stopped. */
unsigned fibered(const struct session_io *inner, void (*f)(void *arg, const struct session_io *io), void *arg);

#endif
