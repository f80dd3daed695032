/* Publication for the front's tests: a front that is nothing but that, and the test as the signer behind it. */
#ifndef CHANCERY_SERVER_FRONT_TEST_PUBLISH_H
#define CHANCERY_SERVER_FRONT_TEST_PUBLISH_H

#include "server/front/publish.h"

#include <stdatomic.h>

#define LIST_ENTRIES 9000 /* a list of three parts */
#define LIST_PATH    "/crl/000102030405060708090a0b0c0d0e0f10111213.crl"

extern const uint8_t world_issuer[ISSUER_KEY_SIZE];

struct world {
	struct front front;
	struct settings settings;
	struct channel *signer;
	struct buf list;
	uint64_t number;
	unsigned switches; /* after this many parts there is a newer list */
	unsigned asked;    /* questions of the front */
	/* What is no question for a list. */
	void (*other)(struct world *w, const struct message *m);
	void *ctx;
	int wake, port;
	atomic_bool stopped;
	struct crl_new notice;
	int64_t made_s; /* the list */
};
struct world *world_new(void);
void world_free(struct world *w);
/* A list of n entries in the world, and its notice. */
void world_make_list(struct world *w, uint64_t number, size_t n);
/* The control loop's and the signer's turn. */
void world_turn(struct world *w);

/* A request that is sent, and then its whole answer: *ret_in, whose bytes behind the empty line are returned. content: of type `type`; NULL: none. */
int world_send(struct world *w, const char *method, const char *path, const char *fields, const char *type, struct bytes content);
struct bytes world_receive(int fd, struct buf *ret_in);
/* Both, where no signer is asked meanwhile. */
struct bytes world_ask(struct world *w, struct buf *ret_in, const char *method, const char *path, const char *fields);
bool says(const struct buf *in, const char *text);

#endif
