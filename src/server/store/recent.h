/* Authorizations that were made or read a moment ago: each is read some six times on its way. Bounded; whoever changes a row has it forgotten
 * here, after the commit and before anybody is told of the change. */
#ifndef CHANCERY_SERVER_STORE_RECENT_H
#define CHANCERY_SERVER_STORE_RECENT_H

#include "server/store/store.h"

#define RECENT_MAX 4096

struct recent;
/* NULL without memory. Thread-safe, all of it. */
struct recent *recent_new(void);
void recent_free(struct recent *r);
/* False: it is not here (or the arena has no room): read it, and offer it with *ret_mark. */
bool recent_get(struct recent *r, struct arena *a, const uint8_t id[STORE_AUTHZ_ID], struct store_authz *ret, uint32_t *ret_mark);
/* What look says of it, which must not take long; false also when it is not here. */
bool recent_look(struct recent *r, const uint8_t id[STORE_AUTHZ_ID], bool (*look)(const struct store_authz *v, void *ctx), void *ctx);
/* Before it is read or made. */
uint32_t recent_mark(struct recent *r, const uint8_t id[STORE_AUTHZ_ID]);
/* As it was read or made after the mark. It is not kept when it was forgotten meanwhile: it may be older than the change. */
void recent_offer(struct recent *r, uint32_t mark, const struct store_authz *v);
void recent_forget(struct recent *r, const uint8_t id[STORE_AUTHZ_ID]);
void recent_forget_all(struct recent *r);

#endif
