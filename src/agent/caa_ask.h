/* Which names have CAA records that forbid a CA to issue for them, as the DNS says it here. */
#ifndef CHANCERY_AGENT_CAA_ASK_H
#define CHANCERY_AGENT_CAA_ASK_H

#include "agent/ca_directory.h"
#include "agent/wish.h"

struct caa_forbidden {
	const char *name, *detail, *hint; /* hint: the record to add */
};
struct caa_answer {
	bool known; /* somebody answered */
	struct caa_forbidden v[WISH_NAMES_MAX];
	size_t n;
};
/* By what the CA's entry and its directory (NULL: not known) say that it is called. NOT_FOUND: neither says anything, so nothing can be said. */
enum err_code caa_ask(struct crew *c, const struct wish *w, const struct ca_wish *ca, const struct ca_directory *d, struct caa_answer *ret,
    struct err *e) MUST_USE;

#endif
