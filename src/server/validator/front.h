/* The channel to one front: mints tokens for it, and runs the validations that it asks for. */
#ifndef CHANCERY_SERVER_VALIDATOR_FRONT_H
#define CHANCERY_SERVER_VALIDATOR_FRONT_H

#include "server/validator/counts.h"
#include "server/validator/validation.h"

struct front;

/* CLOSED: the front has closed its end. Anything else: the channel failed, or an answer that is due could not be given. */
typedef void front_gone(void *ctx, const struct err *why);

/* Takes the descriptor, also on failure. env and counts are looked at anew for each validation. gone: with CLOSED it
 * may free this. */
enum err_code front_new(int fd, const struct validation_env *env, struct counts *counts, front_gone *gone, void *ctx, struct front **ret,
    struct err *e) MUST_USE;
/* Validations under way are dropped: nobody waits for them any more. */
void front_free(struct front *f);
DEFINE_CLEANUP(struct front *, front_free);
size_t front_running(const struct front *f);
struct channel_counts front_channel_counts(const struct front *f);

#endif
