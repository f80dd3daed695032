/* When a certificate is to be renewed, and why: a rule without I/O. */
#ifndef CHANCERY_AGENT_DUE_H
#define CHANCERY_AGENT_DUE_H

#include "base/bytes.h"

#define DUE_WORDS_MAX 160

struct due_facts {
	bool there, fits; /* there is one; it is for the names and keys that are wanted */
	int64_t now_s, not_before_s, not_after_s;
	int64_t window_start_s, window_end_s; /* the CA's (RFC 9773); 0, 0: it says nothing */
	uint32_t own;                         /* a number of this certificate's, the same at each run: its point in the window */
};
struct due {
	bool now;
	int64_t at_s; /* when it becomes due, or did */
	char why[DUE_WORDS_MAX];
};
/* A third of its life before its end, or half of one that is shorter than ten days; or the CA's window. */
void due_judge(const struct due_facts *f, struct due *ret);

#endif
