#include "http/address.h"

#include "base/codec.h"
#include "crypto/digest.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct entry {
	uint8_t key[16];
	unsigned count;
	uint32_t next; /* of its bucket, or of the free list */
};

struct address_table {
	pthread_mutex_t lock;
	uint8_t secret[16];
	uint32_t mask; /* buckets are a power of two */
	uint32_t free;
	uint32_t *buckets;
	struct entry *entries;
};

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

void address_mapped(const struct sockaddr *sa, uint8_t out[16])
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memset(out, 0, 16);
	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof v4);
		memcpy(out, mapped, sizeof mapped);
		memcpy(out + 12, &v4.sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof v6);
		memcpy(out, &v6.sin6_addr, 16);
	}
}

struct address_table *address_table_new(unsigned addresses_max)
{
	struct address_table *t = calloc(1, sizeof *t);
	uint32_t n_buckets = 16;

	if (!t)
		return NULL;
	while (n_buckets < addresses_max && n_buckets < 1u << 30)
		n_buckets *= 2;
	pthread_mutex_init(&t->lock, NULL);
	t->mask = n_buckets - 1;
	t->buckets = malloc(n_buckets * sizeof *t->buckets);
	t->entries = calloc(addresses_max, sizeof *t->entries);
	if (!t->buckets || !t->entries) {
		address_table_free(t);
		return NULL;
	}
	random_bytes(t->secret, sizeof t->secret);
	memset(t->buckets, 0xff, n_buckets * sizeof *t->buckets); /* NONE */
	t->free = 0;
	for (uint32_t i = 0; i < addresses_max; i++)
		t->entries[i].next = i + 1 < addresses_max ? i + 1 : NONE;
	return t;
}

void address_table_free(struct address_table *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t->buckets);
	free(t->entries);
	free(t);
}

static void key_of(const uint8_t address[16], uint8_t key[16])
{
	memcpy(key, address, 16);
	if (memcmp(address, mapped, sizeof mapped) != 0)
		memset(key + 8, 0, 8);
}

/* Where the key's entry hangs, or where its chain ends. */
static uint32_t *find(struct address_table *t, const uint8_t key[16])
{
	struct bytes parts[] = { BYTES_ARRAY(t->secret), { key, 16 } };
	uint8_t digest[SHA256_SIZE];
	uint32_t hash, *at;

	sha256(parts, 2, digest);
	memcpy(&hash, digest, sizeof hash);
	at = &t->buckets[hash & t->mask];
	while (*at != NONE && memcmp(t->entries[*at].key, key, 16) != 0)
		at = &t->entries[*at].next;
	return at;
}

bool address_table_take(struct address_table *t, const uint8_t address[16], unsigned limit)
{
	uint8_t key[16];
	bool taken = false;

	key_of(address, key);
	pthread_mutex_lock(&t->lock);
	uint32_t *at = find(t, key);
	if (*at != NONE) {
		struct entry *found = &t->entries[*at];
		taken = found->count < limit;
		found->count += taken;
	} else if (t->free != NONE && limit > 0) {
		*at = t->free;
		struct entry *made = &t->entries[*at];
		t->free = made->next;
		memcpy(made->key, key, 16);
		made->count = 1;
		made->next = NONE;
		taken = true;
	}
	pthread_mutex_unlock(&t->lock);
	return taken;
}

void address_table_give(struct address_table *t, const uint8_t address[16])
{
	uint8_t key[16];

	key_of(address, key);
	pthread_mutex_lock(&t->lock);
	uint32_t *at = find(t, key), i = *at;
	if (i != NONE && --t->entries[i].count == 0) {
		*at = t->entries[i].next;
		t->entries[i].next = t->free;
		t->free = i;
	}
	pthread_mutex_unlock(&t->lock);
}
