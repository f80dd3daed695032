/* What is wrong with a running server, and what to do: rules over what `chancery-ca status` tells. */
#ifndef CHANCERY_CLI_DIAGNOSE_H
#define CHANCERY_CLI_DIAGNOSE_H

#include "base/arena.h"
#include "base/err.h"

enum finding_severity { FINDING_WARNING, FINDING_ERROR }; /* an error: something is not served, or will not be within a week */

struct finding {
	enum finding_severity severity;
	struct bytes what, remedy; /* in the arena */
};
#define FINDINGS_MAX 64

/* status: the server's answer, checked JSON. Returns how many; the first FINDINGS_MAX. */
size_t diagnose(struct arena *a, struct bytes status, int64_t now_s, struct finding v[FINDINGS_MAX]);

#endif
