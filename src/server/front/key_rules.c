#include "server/front/key_rules.h"

#include "crypto/digest.h"
#include "pki/cert.h"
#include "server/front/front.h"
#include "server/receipt.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct key_rules {
	pthread_mutex_t lock;
	uint8_t own[KEY_RULES_OWN_MAX][SHA256_SIZE]; /* of their SubjectPublicKeyInfo */
	size_t n_own;
	struct {
		char name[ISSUER_NAME_MAX + 1];
		uint8_t key_id[ISSUER_KEY_SIZE];
	} issuers[ISSUERS_MAX];
	size_t n_issuers;
};

enum err_code key_rules_new(struct key_rules **ret, struct err *e)
{
	struct key_rules *k = calloc(1, sizeof *k);

	if (!k)
		FAIL(e, NOMEM, "no memory for the rules for keys");
	pthread_mutex_init(&k->lock, NULL);
	*ret = k;
	return ERR_OK;
}

void key_rules_free(struct key_rules *k)
{
	if (!k)
		return;
	pthread_mutex_destroy(&k->lock);
	free(k);
}

/* The keys of certificates, DER each in wire form. */
static enum err_code take_keys(
    struct arena *a, struct bytes certificates, uint8_t own[KEY_RULES_OWN_MAX][SHA256_SIZE], size_t *n, struct err *e)
{
	struct wire w = wire_of(certificates);
	struct cert c;

	while (w.rest.len > 0 && !w.failed && *n < KEY_RULES_OWN_MAX) {
		TRY(cert_parse(a, wire_bytes(&w, CERT_SIZE_MAX), &c, e));
		sha256_one(c.spki, own[(*n)++]);
	}
	return wire_end(&w, "the chain in HELLO_OK", e);
}

/* Under the lock. */
static void take_names(struct key_rules *k, struct arena *a, const struct hello_ok *h)
{
	struct cert c;

	k->n_issuers = 0;
	for (size_t i = 0; i < h->n_issuers; i++) {
		struct wire w = wire_of(h->issuers[i].chain);
		if (cert_parse(a, wire_bytes(&w, CERT_SIZE_MAX), &c, NULL) != ERR_OK || c.subject_key_id.len != ISSUER_KEY_SIZE ||
		    h->issuers[i].name.len > ISSUER_NAME_MAX)
			continue;
		memcpy(k->issuers[k->n_issuers].key_id, c.subject_key_id.ptr, ISSUER_KEY_SIZE);
		memset(k->issuers[k->n_issuers].name, 0, sizeof k->issuers[0].name);
		memcpy(k->issuers[k->n_issuers].name, h->issuers[i].name.ptr, h->issuers[i].name.len);
		k->n_issuers++;
	}
}

void issuer_name_of(struct key_rules *k, struct bytes key_id, char out[ISSUER_NAME_MAX + 1])
{
	out[0] = '\0';
	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < k->n_issuers; i++)
		if (bytes_eq(key_id, BYTES_ARRAY(k->issuers[i].key_id)))
			memcpy(out, k->issuers[i].name, ISSUER_NAME_MAX + 1);
	pthread_mutex_unlock(&k->lock);
}

bool issuer_key_of(struct key_rules *k, struct bytes name, uint8_t out[ISSUER_KEY_SIZE])
{
	bool found = false;

	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < k->n_issuers && !found; i++) {
		found = bytes_eq_str(name, k->issuers[i].name);
		if (found)
			memcpy(out, k->issuers[i].key_id, ISSUER_KEY_SIZE);
	}
	pthread_mutex_unlock(&k->lock);
	return found;
}

enum err_code key_rules_take_issuers(struct key_rules *k, const struct hello_ok *h, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	uint8_t own[KEY_RULES_OWN_MAX][SHA256_SIZE];
	size_t n = 0;

	if (!a)
		FAIL(e, NOMEM, "no memory for the CA's certificates");
	for (size_t i = 0; i < h->n_issuers; i++)
		TRY(take_keys(a, h->issuers[i].chain, own, &n, e));
	pthread_mutex_lock(&k->lock);
	memcpy(k->own, own, n * sizeof own[0]);
	k->n_own = n;
	take_names(k, a, h);
	pthread_mutex_unlock(&k->lock);
	return ERR_OK;
}

static bool is_own(struct key_rules *k, const struct key *key)
{
	uint8_t digest[SHA256_SIZE];
	bool found = false;

	sha256_one(key_spki(key), digest);
	pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < k->n_own && !found; i++)
		found = memcmp(k->own[i], digest, sizeof digest) == 0;
	pthread_mutex_unlock(&k->lock);
	return found;
}

/* The cheap before the dear. */
enum err_code account_key_check(struct front *f, const struct key *key, struct err *e)
{
	if (is_own(f->key_rules, key))
		FAIL(e, BAD_PUBLIC_KEY, "this is a key of the CA itself: make one of your own");
	if (blocked_has(f->child.blocked, key))
		FAIL(e, BAD_PUBLIC_KEY, "this key is on the CA's list of blocked keys, as others may have it: make another");
	if (blocks_has_key(f->blocks, key))
		FAIL(e, BAD_PUBLIC_KEY, "this CA's operator has blocked the key: make another");
	return key_check_weak(key, e);
}
