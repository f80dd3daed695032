/* For tests: one question, with the loop run until its answer. */
#ifndef CHANCERY_DNS_ASK_ONCE_H
#define CHANCERY_DNS_ASK_ONCE_H

#include "dns/resolver.h"

struct asked {
	struct event_base *base;
	unsigned calls;
	enum err_code code;
	char detail[512];
	bool nxdomain;
	enum resolver_security security;
	size_t n;
	uint8_t first[512];
	size_t first_len;
	uint32_t ttl_s;
	char canonical[256];
};

/* A resolver_done; ctx is a struct asked. */
void asked_done(void *ctx, const struct resolver_answer *answer);
struct asked ask_once(struct event_base *base, struct resolver *r, const char *name, int type);

#endif
