/* The run's state. Private to transport.c, fixture.c, subject.c and run.c. */
#ifndef CHANCERY_PROBE_PROBE_IMPL_H
#define CHANCERY_PROBE_PROBE_IMPL_H

#include "client/http01_listener.h"
#include "crypto/key.h"
#include "probe/case.h"

#define PROBE_KEYS_MAX 64 /* made by one case */

/* Something that was tried once: when it failed, it is not tried again. */
struct fixture {
	bool tried;
	enum err_code rc;
	struct err why;
};
enum { FIXTURE_DIRECTORY, FIXTURE_MAIN, FIXTURE_OTHER, FIXTURE_PENDING, FIXTURE_ISSUED, FIXTURE_FAILED, FIXTURE__MAX };

struct probe {
	struct probe_options options;
	struct http_client *http;
	struct http01_listener *listener;
	struct arena *arena;   /* of the whole run */
	struct arena *of_case; /* reset before each case */
	struct arena *scratch; /* of the two: the run's while a fixture is made */
	char nonce[512];       /* in stock; "": none */
	const char *urls[URL__MAX];
	struct bytes meta;
	unsigned features;
	struct fixture fixtures[FIXTURE__MAX];
	struct actor *main, *other;
	struct order_of *pending, *issued, *failed;
	struct keys {
		struct key *v[PROBE_KEYS_MAX];
		size_t n;
	} keys, kept_keys; /* freed when their case, or the run, has ended */
	unsigned judged;   /* exchanges of this case so far */
	/* The seam for tests: changes an answer before the case sees it. The product leaves it NULL. */
	void (*change)(const struct mutant *m, struct arena *a, struct http_client_answer *x);
	const struct mutant *mutant;
};

/* The whole body of a signed request, whatever is wrong with it. */
enum err_code probe_sign(struct probe *p, const struct ask *r, const char *nonce, struct buf *out, struct err *e) MUST_USE;
/* The directory, once; features follow from it. */
enum err_code probe_open(struct probe *p, struct err *e) MUST_USE;
/* Returns what the fixture's maker said the first time. */
typedef enum err_code fixture_fn(struct probe *p, struct err *e);
enum err_code fixture_make(struct probe *p, unsigned which, fixture_fn *make, struct err *e) MUST_USE;

#endif
