/* A stock of challenge tokens, minted by the validator in batches, so that newOrder waits for nobody. */
#ifndef CHANCERY_SERVER_FRONT_TOKENS_H
#define CHANCERY_SERVER_FRONT_TOKENS_H

#include "server/front/peer.h"

struct tokens;
enum err_code tokens_new(struct peer *validator, struct tokens **ret, struct err *e) MUST_USE;
void tokens_free(struct tokens *t);
/* Asks for more when the stock is low and nothing is under way. Any thread. */
void tokens_refill(struct tokens *t);
/* n tokens into the arena; BUSY when the stock is empty (the validator is away), and then none is taken. */
enum err_code tokens_take(struct tokens *t, struct arena *a, struct bytes *out, size_t n, struct err *e) MUST_USE;

#endif
