/* Parts of every process's STATUS answer. */
#ifndef CHANCERY_SERVER_STATUS_H
#define CHANCERY_SERVER_STATUS_H

#include "base/json.h"
#include "os/channel.h"

/* "name": {"received": ..., "sent": ..., "refused_size": ..., ...} */
void status_put_channel(struct json_out *w, const char *name, struct channel_counts c);
/* "name": {"BAD_NONCE": 3, ...}: those that are not zero. */
void status_put_errors(struct json_out *w, const char *name, const uint64_t by_code[ERR__MAX]);
/* Adds the counts of another channel, one that was there before. */
void channel_counts_add(struct channel_counts *to, struct channel_counts c);

#endif
