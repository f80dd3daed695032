/* How many connections each client address has: a table with a fixed bound, keyed so that nobody can choose its collisions. */
#ifndef CHANCERY_HTTP_ADDRESS_H
#define CHANCERY_HTTP_ADDRESS_H

#include "base/err.h"

struct sockaddr;
struct address_table;

/* IPv6, IPv4 in its mapped form (RFC 4291 §2.5.5.2); zeroes for other families (a local socket). */
void address_mapped(const struct sockaddr *sa, uint8_t out[16]);

/* At most addresses_max different ones at a time. NULL without memory. */
struct address_table *address_table_new(unsigned addresses_max) MUST_USE;
void address_table_free(struct address_table *t);
/* One more of this address; IPv6 addresses count by their /64, which is what one customer gets. False and nothing counted
 * when it has `limit` already. Any thread. */
bool address_table_take(struct address_table *t, const uint8_t address[16], unsigned limit) MUST_USE;
/* Gives back what address_table_take() took. */
void address_table_give(struct address_table *t, const uint8_t address[16]);

#endif
