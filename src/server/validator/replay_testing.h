/* What is below a validation, played: a loop with a clock that only it moves, name servers, web servers and TLS servers that are only written down. The code above it is
 * the real one, from libunbound's callback and from fetch.h and tls_probe.h on (tests/replay/validator/README). For replay_test.c. */
#ifndef CHANCERY_SERVER_VALIDATOR_REPLAY_TESTING_H
#define CHANCERY_SERVER_VALIDATOR_REPLAY_TESTING_H

#include "base/script_testing.h"

struct replay_words {
	struct bytes is, means; /* what stands in a scenario as `means` */
};
struct replay_world {
	struct arena *a;
	struct script_player p;
	int64_t now_ms;
	bool dnssec; /* there are trust anchors */
	/* What is another in each run, longer ones first. */
	struct replay_words words[3];
	struct bytes digest; /* of the key authorization */
};
/* The one that is played; NULL: none. */
extern struct replay_world *replay_world;

/* What happens next, at its time; false: nothing ever. */
bool replay_step(void);
/* How many events and questions there are: none when all is over. */
unsigned replay_left(void);
/* Text with what is another in each run as scenarios have it, and the other way; in the arena. */
const char *replay_told(const char *text);
struct bytes replay_meant(const char *text);

#endif
