/* The rate limits' counts in the store: read at the start, written now and then and at the end. */
#ifndef CHANCERY_SERVER_FRONT_LIMITS_STATE_H
#define CHANCERY_SERVER_FRONT_LIMITS_STATE_H

#include "server/front/front.h"

#define LIMITS_STATE_EVERY_MS 10000

/* A part that makes no sense is told and left out: the limits begin anew for what was in it. */
enum err_code limits_state_load(struct front *f, struct err *e) MUST_USE;
/* Stores what has changed since the last time; a worker's job, one at a time. ctx: the front. What fails is told and tried again the next
 * time. */
void limits_state_save(void *ctx);
/* As a member of the status: "limits":{...}. */
struct json_out;
void limits_state_put(struct front *f, struct json_out *w);

#endif
