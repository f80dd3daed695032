/* Validations under way: what the validator was asked and who waits for it. A reply is held for a moment, so that a fast validation
 * saves the client a poll; a validator that dies is asked again when it is back. */
#ifndef CHANCERY_SERVER_FRONT_VALIDATIONS_H
#define CHANCERY_SERVER_FRONT_VALIDATIONS_H

#include "server/store/store.h"

struct front;
struct http_request;
struct validations;

enum err_code validations_new(struct front *f, struct validations **ret, struct err *e) MUST_USE;
void validations_free(struct validations *v);
/* Begins one and takes the request, which is answered at its end or after the hold. On failure the request stays the caller's. */
enum err_code validations_begin(
    struct validations *v, struct http_request *http, const struct store_authz *authz, enum challenge_type type, struct err *e) MUST_USE;
/* What the validator is told to validate, or to look at again: VALIDATE's body, for the account's present key. */
struct buf;
enum err_code validation_request(struct front *f, struct arena *a, const struct store_authz *authz, const struct store_challenge *c,
    struct buf *out, struct err *e) MUST_USE;
/* For the control loop: answers those who have waited long enough, asks again what a dead validator left. Returns the milliseconds
 * until the next one is due, or -1. */
int validations_tick(struct validations *v);

#endif
