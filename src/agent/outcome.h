/* How something at a CA ended, as the network process tells it: the library's error (chancery/chancery.h) with its texts in an arena. */
#ifndef CHANCERY_AGENT_OUTCOME_H
#define CHANCERY_AGENT_OUTCOME_H

#include "agent/blame.h"
#include "base/arena.h"
#include "base/err.h"

#include <chancery/chancery.h>

struct outcome_sub {
	const char *name, *type, *detail;
};
struct outcome {
	enum chancery_result result; /* CHANCERY_OK: nothing failed */
	enum chancery_fault fault;   /* who has to act */
	struct blame blame;          /* whom it is about, and what follows */
	int http_status;
	uint32_t retry_after_s;
	const char *message, *hint, *type, *solver; /* "" where nothing is known; solver: what a hook or an update said */
	struct outcome_sub *subs;
	size_t n_subs;
};

/* From an answer's member "error"; absent: all is well. */
enum err_code outcome_read(struct arena *a, struct bytes json, struct outcome *ret, struct err *e) MUST_USE;
/* What failed on this machine, in the same form: CONFIG is who asked, all else the machine. */
void outcome_of_err(const struct err *why, struct arena *a, struct outcome *ret);
/* "network", and the same for a person: "between here and the server, or the server is down". */
const char *outcome_fault_name(enum chancery_fault fault);
const char *outcome_fault_words(enum chancery_fault fault);

#endif
