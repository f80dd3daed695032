/* Revocation lists: made from the revoked set, logged before anybody gets them, served from memory. */
#include "server/signer/lists.h"

#include "base/clock.h"
#include "base/event.h"
#include "base/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS       INT64_C(1000) /* between two lists while revocations stream in */
#define PAUSE_PER_COST 10            /* a list whose making takes long is made less often: this loop signs certificates too */
#define CHEAP_MS       INT64_C(5)    /* but for one that takes no longer */
#define AGAIN_MS       INT64_C(10000)
#define LOOK_MS        INT64_C(60000) /* the wall clock may be set */
#define TOKEN_MS       500            /* until a token that does not sign is looked at again */
#define BEFORE_MS      INT64_C(60000) /* how long the list before the newest is kept for those who fetch it */

void lists_free(struct ca_issuer *i)
{
	for (size_t k = 0; i->shards && k < SHARDS_MAX; k++) {
		buf_free(&i->shards[k].newest.der);
		buf_free(&i->shards[k].before.der);
		entries_free(&i->shards[k].entries);
	}
	free(i->shards);
	buf_free(&i->root_list.der);
	responder_free(&i->responder);
}

struct bytes signer_crl_url(const struct signer *s, struct arena *a, const struct ca_issuer *i, uint8_t shard)
{
	return crl_url(a, s->settings.publish_url, i->issuer->key_id.ptr, shard);
}

uint8_t signer_shard(const struct signer *s)
{
	uint8_t random[2];

	random_bytes(random, sizeof random);
	return (uint8_t)((size_t)(random[0] << 8 | random[1]) % s->settings.crl_shards);
}

/* Whether a certificate may name its list: one of those that are given out now, or one that there was a list of before. */
static bool is_used(const struct signer *s, const struct ca_issuer *i, size_t shard)
{
	const struct shard *x = &i->shards[shard];

	return shard < s->settings.crl_shards || x->logged.number > 0 || x->entries.n > 0;
}

static bool is_wanted(const struct signer *s, const struct shard *x, int64_t now_s)
{
	return x->newest.number == 0 || x->changed || now_s >= x->newest.this_update_s + (int64_t)s->settings.crl_interval;
}

static int64_t shard_wait_ms(const struct signer *s, const struct shard *x, int64_t wall_ms, int64_t now_ms)
{
	int64_t left_ms = x->again_ms - now_ms;

	if (!is_wanted(s, x, wall_ms / 1000)) {
		int64_t due_ms = (x->newest.this_update_s + (int64_t)s->settings.crl_interval) * 1000 - wall_ms;
		left_ms = due_ms > left_ms ? due_ms : left_ms;
	}
	return left_ms;
}

int64_t signer_crl_wait_ms(const struct signer *s)
{
	int64_t wall_ms = clock_wall_ms(), now_ms = clock_monotonic_ms(), least_ms = LOOK_MS;

	for (size_t i = 0; i < s->n_issuers; i++)
		for (size_t k = 0; k < SHARDS_MAX; k++) {
			if (!is_used(s, &s->issuers[i], k))
				continue;
			int64_t left_ms = shard_wait_ms(s, &s->issuers[i].shards[k], wall_ms, now_ms);
			if (left_ms < TOKEN_MS && keyholder_ready(s, &s->issuers[i], NULL) != ERR_OK)
				left_ms = TOKEN_MS;
			least_ms = left_ms < least_ms ? left_ms : least_ms;
		}
	if (least_ms < s->lists_again_ms - now_ms)
		least_ms = s->lists_again_ms - now_ms;
	return least_ms < 0 ? 0 : least_ms;
}

/* The entries that the next list has, in a form of their own: they are few where there are many shards. */
static enum err_code gather(const struct shard *x, struct crl_entry **ret, struct err *e)
{
	struct crl_entry *v = calloc(x->entries.n + 1, sizeof *v);

	if (!v)
		FAIL(e, NOMEM, "no memory for a revocation list");
	for (size_t i = 0; i < x->entries.n; i++) {
		const struct revoked_entry *n = &x->entries.v[i];
		v[i] = (struct crl_entry){ .time_s = n->time_s, .reason = n->reason };
		memcpy(v[i].serial, n->serial, SERIAL_SIZE);
	}
	*ret = v;
	return ERR_OK;
}

/* Signs the next list. Its number is the sequence of the record that it will have in the log: more than any before, also after a
 * crash. */
static enum err_code sign_list(
    struct signer *s, const struct ca_issuer *i, struct shard *x, uint8_t shard, int64_t now_s, struct list *ret, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 65536);
	struct crl_entry *entries = NULL;

	if (!a)
		FAIL(e, NOMEM, "no memory for a revocation list");
	revoked_settle(s, x);
	TRY(gather(x, &entries, e));
	struct crl_request r = { .number = log_position(s->log).chain.sequence + 1,
		.this_update_s = now_s,
		.next_update_s = now_s + (int64_t)s->settings.crl_lifetime,
		.url = signer_crl_url(s, a, i, shard),
		.entries = entries,
		.n_entries = x->entries.n };
	enum err_code rc = crl_sign(i->issuer, &r, &ret->der, e);
	free(entries);
	TRY(rc);
	ret->number = r.number;
	ret->this_update_s = r.this_update_s;
	ret->next_update_s = r.next_update_s;
	return ERR_OK;
}

static enum err_code log_list(struct signer *s, const struct ca_issuer *i, uint8_t shard, const struct list *l, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(256);
	struct crl_made v = { .number = l->number, .this_update_s = l->this_update_s, .next_update_s = l->next_update_s, .shard = shard };

	memcpy(v.issuer, i->issuer->key_id.ptr, sizeof v.issuer);
	sha256_one(buf_bytes(&l->der), v.digest);
	crl_made_write(&v, &body);
	if (!buf_ok(&body))
		FAIL(e, NOMEM, "no memory for a record of the log");
	return signer_add_event(s, LOG_CRL, buf_bytes(&body), e);
}

static void take_list(struct shard *x, struct list *fresh)
{
	buf_free(&x->before.der);
	buf_fit(&fresh->der);
	x->before = x->newest;
	x->before_until_ms = clock_monotonic_ms() + BEFORE_MS;
	x->newest = *fresh;
	fresh->der = buf_new(0);
}

static enum err_code make_list(struct signer *s, struct ca_issuer *i, uint8_t shard, struct err *e)
{
	struct shard *x = &i->shards[shard];
	struct list fresh = { .der = buf_new(CRL_SIZE_MAX) };

	enum err_code rc = sign_list(s, i, x, shard, clock_wall_ms() / 1000, &fresh, e);
	if (rc == ERR_OK)
		rc = log_list(s, i, shard, &fresh, e);
	if (rc == ERR_OK)
		take_list(x, &fresh);
	buf_free(&fresh.der);
	return rc;
}

/* A list that cannot be made now is made later; the one before it holds until then. */
static enum err_code make_due(struct signer *s, struct ca_issuer *i, uint8_t shard, bool *ret_made, struct err *e)
{
	struct shard *x = &i->shards[shard];
	int64_t begun_ms = clock_monotonic_ms();
	struct err why = { 0 };

	*ret_made = false;
	enum err_code rc = make_list(s, i, shard, &why);
	int64_t now_ms = clock_monotonic_ms();
	x->again_ms = now_ms + (rc != ERR_OK ? AGAIN_MS : PAUSE_MS);
	s->lists_again_ms = now_ms - begun_ms < CHEAP_MS ? 0 : now_ms + (now_ms - begun_ms) * PAUSE_PER_COST;
	if (rc == ERR_OK) {
		*ret_made = true;
		return ERR_OK;
	}
	if (log_poisoned(s->log)) {
		*e = why;
		return rc;
	}
	event_error(EVENT_ERROR, "crl.failed", &why);
	return ERR_OK;
}

static void drop_before(struct shard *x, int64_t now_ms)
{
	if (x->before.number == 0 || now_ms < x->before_until_ms)
		return;
	buf_free(&x->before.der);
	x->before = (struct list){ 0 };
}

static struct crl_new told(const struct bytes key_id, uint8_t shard, const struct list *l)
{
	struct crl_new n = { .shard = shard, .number = l->number, .size = l->der.len };

	memcpy(n.issuer, key_id.ptr, sizeof n.issuer);
	return n;
}

/* The longest due first would be fair; but whatever was revoked is what people wait for. */
static bool is_due(const struct signer *s, const struct shard *x, bool changed, int64_t wall_ms, int64_t now_ms)
{
	return x->changed == changed && shard_wait_ms(s, x, wall_ms, now_ms) <= 0;
}

enum err_code signer_crl(struct signer *s, struct crl_new ret[SIGNER_LISTS_A_TURN], size_t *ret_n, struct err *e)
{
	int64_t wall_ms = clock_wall_ms();

	*ret_n = 0;
	for (int changed = 1; changed >= 0; changed--)
		for (size_t i = 0; i < s->n_issuers; i++)
			for (size_t k = 0; k < SHARDS_MAX; k++) {
				struct shard *x = &s->issuers[i].shards[k];
				int64_t now_ms = clock_monotonic_ms();
				bool made;
				drop_before(x, now_ms);
				if (*ret_n == SIGNER_LISTS_A_TURN || now_ms < s->lists_again_ms || !is_used(s, &s->issuers[i], k) ||
				    !is_due(s, x, changed == 1, wall_ms, now_ms) || keyholder_ready(s, &s->issuers[i], NULL) != ERR_OK)
					continue;
				TRY(make_due(s, &s->issuers[i], (uint8_t)k, &made, e));
				if (made)
					ret[(*ret_n)++] = told(s->issuers[i].issuer->key_id, (uint8_t)k, &x->newest);
			}
	return ERR_OK;
}

/* Issuers of one root may have come with different lists of it: the newest is the root's. NULL: there is none. */
static const struct list *root_list(const struct signer *s, struct bytes root_key_id)
{
	const struct list *newest = NULL;

	for (size_t i = 0; i < s->n_issuers; i++) {
		const struct list *l = &s->issuers[i].root_list;
		if (l->number > (newest ? newest->number : 0) && bytes_eq(s->issuers[i].root_key_id, root_key_id))
			newest = l;
	}
	return newest;
}

static void add_told(struct crl_new *v, size_t max, size_t *n, struct crl_new one)
{
	if (*n < max && one.number > 0)
		v[(*n)++] = one;
}

size_t signer_crl_list(const struct signer *s, struct crl_new *v, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_issuers; i++) {
		const struct ca_issuer *c = &s->issuers[i];
		if (c->root_key_id.len == ISSUER_KEY_SIZE && root_list(s, c->root_key_id) == &c->root_list)
			add_told(v, max, &n, told(c->root_key_id, 0, &c->root_list));
		for (size_t k = 0; k < SHARDS_MAX; k++)
			add_told(v, max, &n, told(c->issuer->key_id, (uint8_t)k, &c->shards[k].newest));
	}
	return n;
}

void lists_count(const struct signer *s, struct signer_counts *c)
{
	for (size_t i = 0; i < s->n_issuers; i++) {
		const struct list *root = root_list(s, s->issuers[i].root_key_id);
		if (root && (c->root_crl_ends_s == 0 || root->next_update_s < c->root_crl_ends_s))
			c->root_crl_ends_s = root->next_update_s;
		for (size_t k = 0; k < SHARDS_MAX; k++) {
			const struct list *l = &s->issuers[i].shards[k].newest;
			if (l->number == 0)
				continue;
			c->crl_lists++;
			c->crl_size += l->der.len;
			if (c->crl_ends_s == 0 || l->next_update_s < c->crl_ends_s)
				c->crl_ends_s = l->next_update_s;
			if (c->crl_oldest_s == 0 || l->this_update_s < c->crl_oldest_s)
				c->crl_oldest_s = l->this_update_s;
			if (l->number > c->crl_number)
				c->crl_number = l->number;
		}
	}
}

/* The list that is asked for: an issuer's, or a root's. NULL: there is no such. */
static const struct list *find_list(struct signer *s, const struct crl_get *get, bool *ret_known)
{
	const struct ca_issuer *i = issuers_find(s, BYTES_ARRAY(get->issuer));

	*ret_known = i && is_used(s, i, get->shard);
	if (i) {
		const struct shard *x = &i->shards[get->shard];
		return get->number != 0 && get->number == x->before.number ? &x->before : &x->newest;
	}
	const struct list *of_root = get->shard == 0 ? root_list(s, BYTES_ARRAY(get->issuer)) : NULL;
	*ret_known = of_root != NULL;
	return of_root;
}

enum err_code signer_crl_part(struct signer *s, struct bytes body, struct buf *out, struct err *e)
{
	struct crl_get get;
	bool known;

	errno = 0;
	TRY(crl_get_read(body, &get, e));
	const struct list *l = find_list(s, &get, &known);
	if (!known)
		FAIL(e, NOT_FOUND, "this signer makes no such list");
	if (l->number == 0)
		FAIL(e, BUSY, "no list has been made yet");
	if (get.number != 0 && get.number != l->number)
		get.offset = 0; /* that one is gone: the newest, from its beginning */
	if (get.offset >= l->der.len)
		FAIL(e, MALFORMED, "the list has %zu bytes", l->der.len);
	struct crl_part part = { .number = l->number, .size = l->der.len, .offset = get.offset };
	part.part = bytes_slice(buf_bytes(&l->der), (size_t)get.offset, (size_t)get.offset + CRL_PART_MAX);
	crl_part_write(&part, out);
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no memory for an answer");
	return ERR_OK;
}
