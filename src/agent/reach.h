/* Tries, before any order, whether http-01 will work: an answer is put in place and asked for as a CA asks, by the names' addresses, from here. */
#ifndef CHANCERY_AGENT_REACH_H
#define CHANCERY_AGENT_REACH_H

#include "agent/wish.h"

/* For this name of the wish, by its own listener or web root. DNS: no address; CONNECTION: nobody answers there; INCORRECT_RESPONSE: somebody else does; CONFIG: the port
 * or the folder cannot be had. ret_addresses: where it was reached, in the arena. Wildcards and other ways than these two: NOT_FOUND, nothing is tried. */
enum err_code reach_try(
    struct crew *crew, struct arena *a, const struct wish *w, const char *name, const char **ret_addresses, struct err *e) MUST_USE;

#endif
