/* Runs the user's programs in a process of its own, which has the user that they are to have. */
#ifndef CHANCERY_AGENT_RUNNER_H
#define CHANCERY_AGENT_RUNNER_H

#include "agent/peer.h"
#include "agent/run.h"

/* As run_program(). */
enum err_code runner_run(struct peer *runner, const struct run_request *r, struct run_result *ret, struct err *e) MUST_USE;

#endif
