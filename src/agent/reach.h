/* Tries, before any order, whether http-01 or tls-alpn-01 will work: an answer is put in place as it will be, and asked for as a CA asks, by the name's addresses, from here. */
#ifndef CHANCERY_AGENT_REACH_H
#define CHANCERY_AGENT_REACH_H

#include "agent/wish.h"

/* For this name of the wish, by http-01 or tls-alpn-01 and what the wish answers them with. DNS: no address; CONNECTION: nobody answers there; INCORRECT_RESPONSE: somebody
 * else does; CONFIG: the port or the folder cannot be had, or the hook fails. NOT_FOUND: of what answers by itself, there is no account key yet.
 * ret_addresses: where it was reached, in the wish's arena. */
enum err_code reach_try(
    struct crew *crew, const struct wish *w, const char *type, const char *name, const char **ret_addresses, struct err *e) MUST_USE;

#endif
