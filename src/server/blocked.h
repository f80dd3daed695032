/* The blocked keys in force (policy.blocked-keys): files that the parent opened and handed over, read by each process for itself and
 * exchanged as a whole at a reload, while threads may ask. */
#ifndef CHANCERY_SERVER_BLOCKED_H
#define CHANCERY_SERVER_BLOCKED_H

#include "crypto/blocklist.h"

#define BLOCKED_FILES_MAX 16

struct blocked;
enum err_code blocked_new(struct blocked **ret, struct err *e) MUST_USE;
void blocked_free(struct blocked *b);
DEFINE_CLEANUP(struct blocked *, blocked_free);

/* Puts what the files say in the place of what was in force; no file: nothing is blocked. On failure the old stays. The descriptors stay
 * the caller's. */
enum err_code blocked_read(struct blocked *b, const int *fds, size_t n, struct err *e) MUST_USE;
/* Whether the key may not be used. b may be NULL: nothing is blocked. */
bool blocked_has(struct blocked *b, const struct key *k);

#endif
