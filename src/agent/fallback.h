/* Which CA is asked next: rules without I/O. Whose fault a failure is decides: what is ours would fail anywhere, and costs every CA's limits. */
#ifndef CHANCERY_AGENT_FALLBACK_H
#define CHANCERY_AGENT_FALLBACK_H

#include "agent/ca_list.h"
#include "agent/outcome.h"
#include "agent/state.h"

#define FALLBACK_WORDS_MAX 256

/* After a failure at one CA: whether the next may do better. */
bool fallback_helps(const struct outcome *out);

/* What a CA is asked for. */
struct fallback_wish {
	bool wildcard, ip;
	bool has_eab;
	bool stand_by; /* one was tried before it */
};
/* Whether it is worth asking this one: what it gives (entry NULL: nothing is known), what it needs, and what is remembered of it (NULL: all is forgotten). why: in
 * words, when it is not. */
bool fallback_may_ask(
    const struct ca *entry, const struct fallback_wish *w, const struct state *memory, int64_t now_s, char why[FALLBACK_WORDS_MAX]);

#endif
