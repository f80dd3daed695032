/* The way to a host: its address of one family, and the other's once, when the first cannot be connected to (RFC 8305's aim, with
 * a bound). The addresses are those that lookup judged; nothing is resolved again. */
#ifndef CHANCERY_SERVER_VALIDATOR_REACH_H
#define CHANCERY_SERVER_VALIDATOR_REACH_H

#include "server/validator/lookup.h"

#define REACH_WHY_SHOWN 100

struct reach {
	struct lookup_address now, next;
	char before[REACH_WHY_SHOWN + IP_ADDRESS_TEXT_SIZE + 24]; /* " (and to ADDRESS: why the first failed)", or empty */
};

/* IPv6 first. The answer has an address. */
void reach_begin(struct reach *r, const struct lookup_answer *a);
/* Goes on to the other address; false when there is none. */
bool reach_next(struct reach *r, const char *why);
/* How long connecting to `now` may take, of what is left: half of it, while another address waits. */
int64_t reach_connect_ms(const struct reach *r, int64_t deadline_ms);

#endif
