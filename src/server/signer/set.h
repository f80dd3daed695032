/* A set of items of one size, found by the bytes that each begins with. Items are never taken out one by one. */
#ifndef CHANCERY_SERVER_SIGNER_SET_H
#define CHANCERY_SERVER_SIGNER_SET_H

#include "base/err.h"

struct set;
/* key_size: a multiple of 8. No key is all zeros: such a place is empty. max: the most items that it takes. NULL: no memory. */
struct set *set_new(size_t item_size, size_t key_size, size_t max) MUST_USE;
void set_free(struct set *s);
DEFINE_CLEANUP(struct set *, set_free);

size_t set_count(const struct set *s);
/* NULL: it is not there. Valid until the next set_add(). */
void *set_find(const struct set *s, const void *key);
/* BUSY when the set is full. An item whose key is there already stays what it was. */
enum err_code set_add(struct set *s, const void *item, struct err *e) MUST_USE;
/* Goes through all items, in no order: *at begins as 0; NULL at the end. */
void *set_next(const struct set *s, size_t *at);
/* Keeps the items for which it says so, and forgets the others. NOMEM: all are still there. */
typedef bool set_keeps(void *ctx, const void *item);
enum err_code set_keep(struct set *s, set_keeps *keeps, void *ctx, struct err *e) MUST_USE;

#endif
