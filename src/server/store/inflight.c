#include "server/store/inflight.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS (2 * INFLIGHT_MAX) /* a power of two; never more than half of them used */
_Static_assert((SLOTS & (SLOTS - 1)) == 0, "a mask stands for the remainder");

struct slot {
	uint8_t authz[STORE_AUTHZ_ID];
	bool claimed, ending; /* not claimed: the slot is free */
	enum challenge_type type;
};

/* Open addressing with linear probing. */
struct inflight {
	pthread_mutex_t lock;
	size_t n;
	struct slot slots[SLOTS];
};

struct inflight *inflight_new(void)
{
	struct inflight *f = calloc(1, sizeof *f);

	if (f)
		pthread_mutex_init(&f->lock, NULL);
	return f;
}

void inflight_free(struct inflight *f)
{
	if (!f)
		return;
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* The end of an authorization's id is random, and ours: no applicant chooses it. */
static size_t home(const uint8_t authz[STORE_AUTHZ_ID])
{
	uint32_t h;

	memcpy(&h, authz + STORE_AUTHZ_ID - sizeof h, sizeof h);
	return h & (SLOTS - 1);
}

/* The authorization's slot, or the free one where it would go. */
static struct slot *find(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID])
{
	size_t i = home(authz);

	while (f->slots[i].claimed && memcmp(f->slots[i].authz, authz, STORE_AUTHZ_ID) != 0)
		i = (i + 1) & (SLOTS - 1);
	return &f->slots[i];
}

/* Frees the slot and moves those behind it up, so that no search stops too early at the hole. */
static void remove_slot(struct inflight *f, struct slot *s)
{
	size_t hole = (size_t)(s - f->slots), i = hole;

	for (;;) {
		i = (i + 1) & (SLOTS - 1);
		if (!f->slots[i].claimed)
			break;
		/* Only what has its home at the hole or before it may go there. */
		if (((i - home(f->slots[i].authz)) & (SLOTS - 1)) >= ((i - hole) & (SLOTS - 1))) {
			f->slots[hole] = f->slots[i];
			hole = i;
		}
	}
	f->slots[hole] = (struct slot){ 0 };
	f->n--;
}

enum claim_result { CLAIMED, TAKEN, FULL };

static enum claim_result claim(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type)
{
	struct slot *s = find(f, authz);

	if (s->claimed)
		return TAKEN;
	if (f->n == INFLIGHT_MAX)
		return FULL;
	f->n++;
	*s = (struct slot){ .claimed = true, .type = type };
	memcpy(s->authz, authz, STORE_AUTHZ_ID);
	return CLAIMED;
}

/* The slot of this very claim; NULL when there is none. */
static struct slot *find_claim(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type)
{
	struct slot *s = find(f, authz);

	return s->claimed && s->type == type ? s : NULL;
}

enum err_code inflight_claim(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type, struct err *e)
{
	pthread_mutex_lock(&f->lock);
	enum claim_result r = claim(f, authz, type);
	pthread_mutex_unlock(&f->lock);
	errno = 0;
	if (r == TAKEN)
		FAIL(e, CONFLICT, "a challenge of the authorization is being validated already");
	if (r == FULL)
		FAIL(e, BUSY, "%d validations are under way already", INFLIGHT_MAX);
	return ERR_OK;
}

enum err_code inflight_begin_end(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type, struct err *e)
{
	pthread_mutex_lock(&f->lock);
	struct slot *s = find_claim(f, authz, type);
	bool ours = s && !s->ending;
	if (ours)
		s->ending = true;
	pthread_mutex_unlock(&f->lock);
	errno = 0;
	if (!ours)
		FAIL(e, CONFLICT, "the challenge is not being validated");
	return ERR_OK;
}

void inflight_cancel_end(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type)
{
	pthread_mutex_lock(&f->lock);
	struct slot *s = find_claim(f, authz, type);
	if (s)
		s->ending = false;
	pthread_mutex_unlock(&f->lock);
}

void inflight_end(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type)
{
	pthread_mutex_lock(&f->lock);
	struct slot *s = find_claim(f, authz, type);
	if (s)
		remove_slot(f, s);
	pthread_mutex_unlock(&f->lock);
}

void inflight_abandon(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID], enum challenge_type type)
{
	pthread_mutex_lock(&f->lock);
	struct slot *s = find_claim(f, authz, type);
	if (s && !s->ending)
		remove_slot(f, s);
	pthread_mutex_unlock(&f->lock);
}

uint32_t inflight_types(struct inflight *f, const uint8_t authz[STORE_AUTHZ_ID])
{
	pthread_mutex_lock(&f->lock);
	const struct slot *s = find(f, authz);
	uint32_t types = s->claimed ? 1u << s->type : 0;
	pthread_mutex_unlock(&f->lock);
	return types;
}
