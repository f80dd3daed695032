/* A function on a stack of its own, which can stop in its midst and be gone on with later (coroutine). Both sides run in one thread, one at a time. Private
 * to this room. */
#ifndef CHANCERY_CLIENT_FIBER_H
#define CHANCERY_CLIENT_FIBER_H

#include "base/err.h"

struct fiber;
typedef void fiber_fn(void *arg);

/* Does not yet run. Below the stack lies a page that nobody may touch: who needs more than there is dies at once. NOMEM. */
enum err_code fiber_new(fiber_fn *run, void *arg, struct fiber **ret, struct err *e) MUST_USE;
/* Only of one that has ended, or that was never run: what it holds is on its stack. */
void fiber_free(struct fiber *f);
DEFINE_CLEANUP(struct fiber *, fiber_free);
/* Runs it until it stops or ends; false: it has ended, and may not be run again. */
bool fiber_resume(struct fiber *f);
/* Called within: stops, until fiber_resume(). */
void fiber_suspend(struct fiber *f);

#endif
