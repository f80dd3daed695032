/* The engine as it is, played a scenario to at its seam: no socket, and a clock that only the scenario moves (tests/replay/client/README). For replay_test.c. */
#ifndef CHANCERY_CLIENT_REPLAY_TESTING_H
#define CHANCERY_CLIENT_REPLAY_TESTING_H

#include "base/script_testing.h"

enum replay_place { REPLAY_STRAIGHT, REPLAY_IN_A_FIBER };

/* How it differs, in the arena; NULL: it does not. */
const char *replay_play(struct arena *a, const struct script *s, enum replay_place place);
/* Of the group of tests: keys, which are made once. */
int replay_set_up(void **state);
int replay_tear_down(void **state);

#endif
