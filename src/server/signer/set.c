#include "server/signer/set.h"

#include "base/codec.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

/* Open addressing, at most half full. */
struct set {
	size_t item_size, key_size, max;
	size_t cap, n;
	uint64_t seed[2]; /* some keys are chosen by others: they must not be able to choose collisions */
	uint8_t *v;
};

struct set *set_new(size_t item_size, size_t key_size, size_t max)
{
	struct set *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	*s = (struct set){ .item_size = item_size, .key_size = key_size, .max = max };
	random_bytes((uint8_t *)s->seed, sizeof s->seed);
	return s;
}

void set_free(struct set *s)
{
	if (!s)
		return;
	free(s->v);
	free(s);
}

size_t set_count(const struct set *s)
{
	return s->n;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint64_t hash(const struct set *s, const uint8_t *key)
{
	uint64_t h = s->seed[1], w;

	for (size_t i = 0; i < s->key_size; i += sizeof w) {
		memcpy(&w, key + i, sizeof w);
		h = fold(h ^ w, s->seed[0] | 1);
	}
	return h;
}

static bool is_empty(const struct set *s, const uint8_t *item)
{
	uint8_t any = 0;

	for (size_t i = 0; i < s->key_size; i++)
		any |= item[i];
	return any == 0;
}

/* The key's place, or the empty one where it belongs. There is a table, and it is not full. */
static uint8_t *place(const struct set *s, const uint8_t *key)
{
	size_t i = (size_t)hash(s, key) & (s->cap - 1);

	for (;; i = (i + 1) & (s->cap - 1)) {
		uint8_t *at = s->v + i * s->item_size;
		if (memcmp(at, key, s->key_size) == 0 || is_empty(s, at))
			return at;
	}
}

void *set_find(const struct set *s, const void *key)
{
	if (s->n == 0)
		return NULL;
	uint8_t *at = place(s, key);
	return is_empty(s, at) ? NULL : at;
}

void *set_next(const struct set *s, size_t *at)
{
	while (*at < s->cap) {
		uint8_t *item = s->v + (*at)++ * s->item_size;
		if (!is_empty(s, item))
			return item;
	}
	return NULL;
}

/* Moves what is kept into a table of another size. */
static enum err_code move(struct set *s, size_t cap, set_keeps *keeps, void *ctx, struct err *e)
{
	struct set to = *s;
	size_t at = 0;

	to.v = calloc(cap, s->item_size);
	if (!to.v)
		FAIL(e, NOMEM, "no memory for a table of the signer");
	to.cap = cap;
	to.n = 0;
	for (void *item; (item = set_next(s, &at));)
		if (!keeps || keeps(ctx, item)) {
			memcpy(place(&to, item), item, s->item_size);
			to.n++;
		}
	free(s->v);
	*s = to;
	return ERR_OK;
}

enum err_code set_add(struct set *s, const void *item, struct err *e)
{
	if (s->n == s->max)
		FAIL(e, BUSY, "a table of the signer is full: it holds %zu", s->max);
	if (s->cap < 2 * (s->n + 1))
		TRY(move(s, s->cap ? 2 * s->cap : FIRST_CAP, NULL, NULL, e));
	uint8_t *at = place(s, item);
	if (is_empty(s, at)) {
		memcpy(at, item, s->item_size);
		s->n++;
	}
	return ERR_OK;
}

enum err_code set_keep(struct set *s, set_keeps *keeps, void *ctx, struct err *e)
{
	return s->cap ? move(s, s->cap, keeps, ctx, e) : ERR_OK;
}
