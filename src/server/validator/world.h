/* For tests: a loop, a DNS stub, a fetcher, and a policy that goes by the stub and lets loopback addresses pass. */
#ifndef CHANCERY_SERVER_VALIDATOR_WORLD_H
#define CHANCERY_SERVER_VALIDATOR_WORLD_H

#include "dns/stub_dns.h"
#include "server/validator/method.h"

struct world {
	struct event_base *base;
	struct stub_dns *dns;
	struct fetcher *fetcher;
	struct tls_prober *prober;
	struct suffixes *suffixes;
	struct policy *policy;
};

void world_start(struct world *w, uint16_t http_port, unsigned deadline_s);
void world_stop(struct world *w);

#define WORLD_TOKEN    "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
#define WORLD_KEY_AUTH WORLD_TOKEN ".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
#define WORLD_WAIT_MS  15000

/* One method, for that key authorization. */
struct world_control {
	struct arena *arena; /* the test's */
	struct control *method;
	bool done;
	struct control_result result;
};
/* One that cannot begin is done at once. */
void world_start_control(struct world *w, struct world_control *c, enum challenge_type t, struct identifier id, int deadline_ms);
/* To its end. */
enum err_code world_control(struct world *w, struct world_control *c, enum challenge_type t, struct identifier id);
/* Runs the loop until *done is set, or for ms; whether it was set. */
bool world_run(struct world *w, const bool *done, int ms);

#endif
