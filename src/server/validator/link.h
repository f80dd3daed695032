/* A message channel on the loop: reads when there is something, writes when there is room. */
#ifndef CHANCERY_SERVER_VALIDATOR_LINK_H
#define CHANCERY_SERVER_VALIDATOR_LINK_H

#include "os/channel.h"

struct event_base;
struct link;

/* May not free the link. */
typedef void link_message(void *ctx, const struct message *m);
/* The peer is gone, or the channel failed. May free the link. */
typedef void link_closed(void *ctx, const struct err *why);

/* The channel stays the caller's, and must outlive the link. */
enum err_code link_new(struct event_base *base, struct channel *c, link_message *message, link_closed *closed, void *ctx, struct link **ret,
    struct err *e) MUST_USE;
void link_free(struct link *l);
DEFINE_CLEANUP(struct link *, link_free);
/* As channel_send(). */
enum err_code link_send(struct link *l, uint16_t type, uint32_t id, struct bytes body, struct err *e) MUST_USE;
/* After something was sent on the channel by another way. */
void link_watch(struct link *l);

#endif
