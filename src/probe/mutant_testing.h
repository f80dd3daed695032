/* Changes answers as mutants say. For tests alone: no program of the product links it. */
#ifndef CHANCERY_PROBE_MUTANT_TESTING_H
#define CHANCERY_PROBE_MUTANT_TESTING_H

#include "probe/case.h"

/* The change of struct probe's seam. What the mutant names and is not there is put there by a SET, and nothing for a DROP. */
void mutant_apply(const struct mutant *m, struct arena *a, struct http_client_answer *x);
/* Runs one case with its mutant. */
enum probe_result mutant_run(struct probe *p, const struct probe_case *c, struct err *ret_seen);

#endif
