/* The revoked serial numbers of one issuer's shard, as its list will have them: sorted, and a short tail of the newest, sorted for itself. */
#ifndef CHANCERY_SERVER_SIGNER_ENTRIES_H
#define CHANCERY_SERVER_SIGNER_ENTRIES_H

#include "base/err.h"
#include "pki/cert.h"

/* One serial that stands in the lists. */
struct revoked_entry {
	uint8_t serial[SERIAL_SIZE];
	int64_t time_s;
	int64_t not_after_s; /* of a void serial: the issuer's, as it has no certificate */
	uint8_t reason;
};

#define ENTRIES_TAIL 512 /* so many are added before they are merged in: to put one in its place moves no more than these */

struct entries {
	struct revoked_entry *v;
	size_t n, sorted, capacity; /* the first `sorted` of n are in order, and the others */
};

void entries_free(struct entries *x);
/* NULL: it is not there. Valid until the next change. */
struct revoked_entry *entries_find(const struct entries *x, const uint8_t serial[SERIAL_SIZE]);
/* One that is not there yet. NOMEM: nothing has changed. */
enum err_code entries_add(struct entries *x, const struct revoked_entry *n, struct err *e) MUST_USE;
/* Merges the tail in: afterwards v[0..n) is in order. */
void entries_settle(struct entries *x);
/* Forgets those for which it says no. */
typedef bool entries_keeps(void *ctx, const struct revoked_entry *n);
void entries_keep(struct entries *x, entries_keeps *keeps, void *ctx);

#endif
