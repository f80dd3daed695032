/* Which CA may be asked: rules without I/O. Whether the next one is, after a failure: blame.h. */
#ifndef CHANCERY_AGENT_FALLBACK_H
#define CHANCERY_AGENT_FALLBACK_H

#include "agent/ca_list.h"
#include "agent/state.h"

#define FALLBACK_WORDS_MAX 256

/* What a CA is asked for. */
struct fallback_wish {
	bool wildcard, ip;
	bool has_eab;
	bool stand_by; /* one was tried before it */
};
/* Whether it is worth asking this one: what it gives (entry NULL: nothing is known), what it needs, and what holds it off (memory_holds(); NULL:
 * nothing). why: in words, when it is not. */
bool fallback_may_ask(const struct ca *entry, const struct fallback_wish *w, const struct state *held, char why[FALLBACK_WORDS_MAX]);

#endif
