/* The validator as a whole, without its parent: the policy in force, the front it serves, its counters. */
#ifndef CHANCERY_SERVER_VALIDATOR_VALIDATOR_H
#define CHANCERY_SERVER_VALIDATOR_VALIDATOR_H

#include "server/identity.h"
#include "server/settings.h"

struct event_base;
struct validator;

/* Loads whatever it will need of the machine's files, so that the jail may follow. Copies the identity. */
enum err_code validator_new(
    struct event_base *base, const struct identity *i, const struct settings *s, struct validator **ret, struct err *e) MUST_USE;
void validator_free(struct validator *v);
DEFINE_CLEANUP(struct validator *, validator_free);
/* For validations that begin from now on; on failure the old settings stay. */
enum err_code validator_settings(struct validator *v, const struct settings *s, struct err *e) MUST_USE;
/* The channel to a front, in the place of the one before, whose validations are dropped. Takes the descriptor. Where that fails, or the channel
 * does by itself, the loop is broken off. */
void validator_connect(struct validator *v, int fd);
/* Why the loop was broken off; ERR_OK when it was not by the validator. */
enum err_code validator_failure(const struct validator *v, struct err *e) MUST_USE;
/* One JSON object. */
void validator_status(const struct validator *v, struct buf *out);

#endif
