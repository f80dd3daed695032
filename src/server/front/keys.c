#include "server/front/keys.h"

#include "crypto/digest.h"
#include "jose/jwk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Direct-mapped by the id's last bytes: ids are digests, so they spread by themselves; a collision only costs a parse. */
struct slot {
	bool full;
	uint8_t id[STORE_ACCOUNT_ID];
	struct account_key of;
};
struct keys {
	pthread_mutex_t lock;
	uint64_t forgotten; /* how often anything was */
	struct slot slots[KEYS_MAX];
};

enum err_code keys_new(struct keys **ret, struct err *e)
{
	struct keys *k = calloc(1, sizeof *k);

	if (!k)
		FAIL(e, NOMEM, "no memory for account keys");
	pthread_mutex_init(&k->lock, NULL);
	*ret = k;
	return ERR_OK;
}

static void slot_clear(struct slot *s)
{
	if (s->full)
		key_free(s->of.key);
	*s = (struct slot){ 0 };
}

void keys_free(struct keys *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < KEYS_MAX; i++)
		slot_clear(&k->slots[i]);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static struct slot *slot_of(struct keys *k, const uint8_t *id)
{
	return &k->slots[(id[30] << 8 | id[31]) % KEYS_MAX];
}

void terms_tag(struct bytes url, uint8_t out[TERMS_TAG_SIZE])
{
	uint8_t digest[SHA256_SIZE] = { 0 };

	if (url.len > 0)
		sha256_one(url, digest);
	memcpy(out, digest, TERMS_TAG_SIZE);
}

static bool take_cached(struct keys *k, const uint8_t *id, struct account_key *ret, uint64_t *ret_forgotten)
{
	pthread_mutex_lock(&k->lock);
	struct slot *s = slot_of(k, id);
	bool hit = s->full && memcmp(s->id, id, STORE_ACCOUNT_ID) == 0;
	if (hit) {
		*ret = s->of;
		(void)key_ref(s->of.key);
	}
	*ret_forgotten = k->forgotten;
	pthread_mutex_unlock(&k->lock);
	return hit;
}

void keys_forget(struct keys *k, const uint8_t id[STORE_ACCOUNT_ID])
{
	pthread_mutex_lock(&k->lock);
	struct slot *s = slot_of(k, id);
	if (s->full && memcmp(s->id, id, STORE_ACCOUNT_ID) == 0)
		slot_clear(s);
	k->forgotten++;
	pthread_mutex_unlock(&k->lock);
}

enum err_code keys_get(
    struct keys *k, struct store *store, struct arena *a, const uint8_t id[STORE_ACCOUNT_ID], struct account_key *ret, struct err *e)
{
	struct store_account account;
	CLEANUP(key_free_p) struct key *key = NULL;
	uint64_t forgotten;

	if (take_cached(k, id, ret, &forgotten))
		return ERR_OK;
	enum err_code rc = store_get_account(store, a, id, &account, e);
	if (rc == ERR_NOT_FOUND)
		FAIL(e, ACCOUNT_DOES_NOT_EXIST, "there is no account of this URL: make one with newAccount");
	TRY(rc);
	TRY(jwk_parse(a, account.jwk, &key, e));
	struct account_key found = { .key = key, .state = account.state };
	terms_tag(account.terms_url, found.terms);
	pthread_mutex_lock(&k->lock);
	if (k->forgotten == forgotten) { /* else what was read may be older than the change */
		struct slot *s = slot_of(k, id);
		slot_clear(s);
		*s = (struct slot){ .full = true, .of = found };
		(void)key_ref(key);
		memcpy(s->id, id, STORE_ACCOUNT_ID);
	}
	pthread_mutex_unlock(&k->lock);
	(void)TAKE(key);
	*ret = found;
	return ERR_OK;
}

enum err_code keys_find(
    struct keys *k, struct store *store, struct arena *a, const uint8_t id[STORE_ACCOUNT_ID], struct key **ret, struct err *e)
{
	struct account_key found = { .key = NULL };

	TRY(keys_get(k, store, a, id, &found, e));
	*ret = found.key;
	return ERR_OK;
}
