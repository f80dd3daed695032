#include "server/blocked.h"

#include <pthread.h>
#include <stdlib.h>

struct blocked {
	pthread_rwlock_t lock;
	struct blocklist *list; /* NULL: none */
};

enum err_code blocked_new(struct blocked **ret, struct err *e)
{
	struct blocked *b = calloc(1, sizeof *b);

	if (!b)
		FAIL(e, NOMEM, "no memory for blocked keys");
	pthread_rwlock_init(&b->lock, NULL);
	*ret = b;
	return ERR_OK;
}

void blocked_free(struct blocked *b)
{
	if (!b)
		return;
	blocklist_free(b->list);
	pthread_rwlock_destroy(&b->lock);
	free(b);
}

enum err_code blocked_read(struct blocked *b, const int *fds, size_t n, struct err *e)
{
	CLEANUP(blocklist_free_p) struct blocklist *fresh = NULL;

	if (n > 0)
		TRY(blocklist_new(&fresh, e));
	for (size_t i = 0; i < n; i++)
		TRY(blocklist_add(fresh, fds[i], "a file of policy.blocked-keys", e));
	pthread_rwlock_wrlock(&b->lock);
	struct blocklist *old = b->list;
	b->list = TAKE(fresh);
	pthread_rwlock_unlock(&b->lock);
	blocklist_free(old);
	return ERR_OK;
}

bool blocked_has(struct blocked *b, const struct key *k)
{
	if (!b)
		return false;
	pthread_rwlock_rdlock(&b->lock);
	bool found = blocklist_has(b->list, k);
	pthread_rwlock_unlock(&b->lock);
	return found;
}
