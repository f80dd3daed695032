#include "server/signer/accounts.h"

#include "base/codec.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

/* A key that is or was an account's. */
struct account_key {
	uint8_t thumbprint[SHA256_SIZE];
	uint8_t next[SHA256_SIZE]; /* the key that it was rolled over to; zero for the current one */
	uint32_t account;          /* 1 + its place; 0: an empty place of the table */
};

struct accounts {
	uint64_t seed[2]; /* thumbprints are chosen by clients: they must not be able to choose collisions */
	struct account_known *v;
	size_t n, cap;
	struct account_key *keys; /* open addressing, at most half full */
	size_t n_keys, cap_keys;
};

struct accounts *accounts_new(void)
{
	struct accounts *a = calloc(1, sizeof *a);

	if (a)
		random_bytes(a->seed, sizeof a->seed);
	return a;
}

void accounts_free(struct accounts *a)
{
	if (!a)
		return;
	free(a->v);
	free(a->keys);
	free(a);
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint64_t hash(const struct accounts *a, const uint8_t thumbprint[SHA256_SIZE])
{
	uint64_t w[4];

	memcpy(w, thumbprint, SHA256_SIZE);
	return fold(fold(w[0] ^ a->seed[0], w[1] ^ a->seed[1]) ^ w[2], w[3] ^ a->seed[0]);
}

/* The key's place, or the empty one where it belongs. There is a table, and it is not full. */
static struct account_key *place(const struct accounts *a, const uint8_t thumbprint[SHA256_SIZE])
{
	size_t i = (size_t)hash(a, thumbprint) & (a->cap_keys - 1);

	while (a->keys[i].account != 0 && memcmp(a->keys[i].thumbprint, thumbprint, SHA256_SIZE) != 0)
		i = (i + 1) & (a->cap_keys - 1);
	return &a->keys[i];
}

static const struct account_key *find_key(const struct accounts *a, const uint8_t thumbprint[SHA256_SIZE])
{
	if (a->n_keys == 0)
		return NULL;
	const struct account_key *k = place(a, thumbprint);
	return k->account != 0 ? k : NULL;
}

const struct account_known *accounts_of_key(const struct accounts *a, const uint8_t thumbprint[SHA256_SIZE])
{
	const struct account_key *k = find_key(a, thumbprint);

	return k ? &a->v[k->account - 1] : NULL;
}

enum err_code accounts_speaking(const struct accounts *a, const uint8_t thumbprint[SHA256_SIZE], uint8_t ret_id[SHA256_SIZE], struct err *e)
{
	const struct account_known *k = accounts_of_key(a, thumbprint);

	if (k && k->deactivated)
		FAIL(e, UNAUTHORIZED, "the account is deactivated (RFC 8555 section 7.3.6)");
	if (k && memcmp(k->current, thumbprint, SHA256_SIZE) != 0)
		FAIL(e, UNAUTHORIZED,
		    "the account has another key since a rollover: this one is of no use any more (RFC 8555 section 7.3.5)");
	memcpy(ret_id, k ? k->id : thumbprint, SHA256_SIZE);
	return ERR_OK;
}

bool accounts_owns(const struct accounts *a, const uint8_t id[SHA256_SIZE], const uint8_t thumbprint[SHA256_SIZE])
{
	const struct account_known *k = accounts_of_key(a, thumbprint);

	return memcmp(k ? k->id : thumbprint, id, SHA256_SIZE) == 0;
}

bool accounts_rolled(
    const struct accounts *a, const uint8_t id[SHA256_SIZE], const uint8_t old[SHA256_SIZE], const uint8_t fresh[SHA256_SIZE])
{
	const struct account_key *k = find_key(a, old);

	return k && memcmp(a->v[k->account - 1].id, id, SHA256_SIZE) == 0 && memcmp(k->next, fresh, SHA256_SIZE) == 0;
}

/* --- changes --- */

static enum err_code grow_accounts(struct accounts *a, size_t cap, struct err *e)
{
	struct account_known *v = realloc(a->v, cap * sizeof *v);

	if (!v)
		FAIL(e, NOMEM, "no memory for the table of accounts");
	a->v = v;
	a->cap = cap;
	return ERR_OK;
}

static enum err_code grow_keys(struct accounts *a, size_t cap, struct err *e)
{
	struct accounts bigger = *a;

	bigger.cap_keys = cap;
	bigger.keys = calloc(cap, sizeof *bigger.keys);
	if (!bigger.keys)
		FAIL(e, NOMEM, "no memory for the table of account keys");
	for (size_t i = 0; i < a->cap_keys; i++)
		if (a->keys[i].account != 0)
			*place(&bigger, a->keys[i].thumbprint) = a->keys[i];
	free(a->keys);
	*a = bigger;
	return ERR_OK;
}

static size_t doubled(size_t cap, size_t need)
{
	if (cap == 0)
		cap = FIRST_CAP;
	while (cap < need)
		cap *= 2;
	return cap;
}

/* A change adds at most an account with its first key, and one more key. */
enum err_code accounts_reserve(struct accounts *a, size_t n, struct err *e)
{
	if (a->n + n > ACCOUNTS_MAX || a->n_keys + 2 * n > ACCOUNTS_MAX)
		FAIL(e, BUSY, "more accounts than can be kept: at most %u keys", ACCOUNTS_MAX);
	size_t cap = doubled(a->cap, a->n + n), cap_keys = doubled(a->cap_keys, 2 * (a->n_keys + 2 * n));
	if (cap > a->cap)
		TRY(grow_accounts(a, cap, e));
	return cap_keys > a->cap_keys ? grow_keys(a, cap_keys, e) : ERR_OK;
}

static void add_key(struct accounts *a, const uint8_t thumbprint[SHA256_SIZE], uint32_t account)
{
	struct account_key *k = place(a, thumbprint);

	if (k->account != 0)
		return;
	memcpy(k->thumbprint, thumbprint, SHA256_SIZE);
	k->account = account;
	a->n_keys++;
}

/* The account of this id: its first key leads to it. NULL without room, which is a caller's fault. */
static struct account_known *account_of(struct accounts *a, const uint8_t id[SHA256_SIZE])
{
	const struct account_key *k = find_key(a, id);

	if (k)
		return &a->v[k->account - 1];
	if (a->n == a->cap || 2 * (a->n_keys + 1) > a->cap_keys)
		return NULL;
	struct account_known *known = &a->v[a->n++];
	*known = (struct account_known){ 0 };
	memcpy(known->id, id, SHA256_SIZE);
	memcpy(known->current, id, SHA256_SIZE);
	known->n_keys = 1;
	add_key(a, id, (uint32_t)a->n);
	return known;
}

void accounts_roll(struct accounts *a, const uint8_t id[SHA256_SIZE], const uint8_t fresh[SHA256_SIZE])
{
	struct account_known *k = account_of(a, id);

	if (!k || 2 * (a->n_keys + 1) > a->cap_keys)
		return;
	memcpy(place(a, k->current)->next, fresh, SHA256_SIZE);
	add_key(a, fresh, (uint32_t)(k - a->v) + 1);
	memcpy(k->current, fresh, SHA256_SIZE);
	k->n_keys++;
}

void accounts_deactivate(struct accounts *a, const uint8_t id[SHA256_SIZE])
{
	struct account_known *k = account_of(a, id);

	if (k)
		k->deactivated = true;
}

void accounts_bind(struct accounts *a, const uint8_t id[SHA256_SIZE], const uint8_t kid[ACCOUNT_KID_SIZE])
{
	struct account_known *k = account_of(a, id);

	if (!k || k->bound)
		return;
	k->bound = true;
	memcpy(k->kid, kid, ACCOUNT_KID_SIZE);
}

size_t accounts_count(const struct accounts *a)
{
	return a->n;
}

size_t accounts_keys(const struct accounts *a)
{
	return a->n_keys;
}
