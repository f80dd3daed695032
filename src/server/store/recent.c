#include "server/store/recent.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* In one allocation with the bytes that it views. */
struct kept {
	struct store_authz v;
	size_t size;
	uint8_t bytes[];
};

struct slot {
	struct kept *kept;
	uint32_t forgotten; /* how often */
};

struct recent {
	pthread_mutex_t lock;
	struct slot slots[RECENT_MAX];
};

struct recent *recent_new(void)
{
	struct recent *r = calloc(1, sizeof *r);

	if (r)
		pthread_mutex_init(&r->lock, NULL);
	return r;
}

void recent_free(struct recent *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < RECENT_MAX; i++)
		free(r->slots[i].kept);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Ids end in random bytes. */
static struct slot *slot_of(struct recent *r, const uint8_t *id)
{
	return &r->slots[(id[STORE_AUTHZ_ID - 2] << 8 | id[STORE_AUTHZ_ID - 1]) % RECENT_MAX];
}

static size_t size_of(const struct store_authz *v)
{
	size_t n = v->identifier.value.len + v->control.len + v->caa.len;

	for (size_t i = 0; i < v->n_challenges; i++)
		n += v->challenges[i].token.len + v->challenges[i].problem.len;
	return n;
}

static void move(struct bytes *b, uint8_t **to)
{
	if (b->len == 0)
		return;
	memcpy(*to, b->ptr, b->len);
	b->ptr = *to;
	*to += b->len;
}

/* Copies all that v views to the size_of() bytes there, and has it view these. */
static void move_all(struct store_authz *v, uint8_t *to)
{
	move(&v->identifier.value, &to);
	move(&v->control, &to);
	move(&v->caa, &to);
	for (size_t i = 0; i < v->n_challenges; i++) {
		move(&v->challenges[i].token, &to);
		move(&v->challenges[i].problem, &to);
	}
}

static const struct kept *find(struct recent *r, const uint8_t *id)
{
	const struct kept *k = slot_of(r, id)->kept;

	return k && memcmp(k->v.id, id, STORE_AUTHZ_ID) == 0 ? k : NULL;
}

bool recent_get(struct recent *r, struct arena *a, const uint8_t id[STORE_AUTHZ_ID], struct store_authz *ret, uint32_t *ret_mark)
{
	pthread_mutex_lock(&r->lock);
	const struct kept *k = find(r, id);
	uint8_t *to = k ? arena_alloc(a, k->size) : NULL;
	if (to) {
		*ret = k->v;
		move_all(ret, to);
	}
	*ret_mark = slot_of(r, id)->forgotten;
	pthread_mutex_unlock(&r->lock);
	return to != NULL;
}

bool recent_look(struct recent *r, const uint8_t id[STORE_AUTHZ_ID], bool (*look)(const struct store_authz *v, void *ctx), void *ctx)
{
	pthread_mutex_lock(&r->lock);
	const struct kept *k = find(r, id);
	bool is = k && look(&k->v, ctx);
	pthread_mutex_unlock(&r->lock);
	return is;
}

uint32_t recent_mark(struct recent *r, const uint8_t id[STORE_AUTHZ_ID])
{
	pthread_mutex_lock(&r->lock);
	uint32_t mark = slot_of(r, id)->forgotten;
	pthread_mutex_unlock(&r->lock);
	return mark;
}

static struct kept *keep(const struct store_authz *v)
{
	size_t size = size_of(v);
	struct kept *k = malloc(sizeof *k + size);

	if (!k)
		return NULL; /* it will be read again */
	k->v = *v;
	k->size = size;
	move_all(&k->v, k->bytes);
	return k;
}

void recent_offer(struct recent *r, uint32_t mark, const struct store_authz *v)
{
	struct kept *k = keep(v), *gone = k;

	pthread_mutex_lock(&r->lock);
	struct slot *s = slot_of(r, v->id);
	if (k && s->forgotten == mark) {
		gone = s->kept;
		s->kept = k;
	}
	pthread_mutex_unlock(&r->lock);
	free(gone);
}

/* Also where it is not: whoever reads it now must not offer what he has. */
static void forget(struct slot *s)
{
	free(s->kept);
	s->kept = NULL;
	s->forgotten++;
}

void recent_forget(struct recent *r, const uint8_t id[STORE_AUTHZ_ID])
{
	pthread_mutex_lock(&r->lock);
	forget(slot_of(r, id));
	pthread_mutex_unlock(&r->lock);
}

void recent_forget_all(struct recent *r)
{
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < RECENT_MAX; i++)
		forget(&r->slots[i]);
	pthread_mutex_unlock(&r->lock);
}
