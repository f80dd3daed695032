#include "server/front/limits.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/wire.h"
#include "crypto/digest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_SIZE      16
#define MAC_KEY_SIZE 32
#define BUCKET       16   /* slots among which a key may lie */
#define PART         1024 /* slots that are stored together; a table has at least one part */
#define ENTRY_SIZE   (ID_SIZE + 8)
#define FORMAT       1
#define HEADER       0 /* the number of the part that has the MAC key; those of the table count from 1 */
#define NS_OF_MS     1000000
#define NS_OF_S      1000000000
#define SHOWN_MAX    150
#define PARTS_MOST   (LIMITS_ENTRIES_MAX / PART)
#define NOW_MOST_MS  (INT64_MAX / 4 / NS_OF_MS)

_Static_assert(PART *ENTRY_SIZE <= LIMITS_PART_MAX, "a part has room for all its slots");

/* Free when its time is past. */
struct slot {
	uint8_t id[ID_SIZE];
	int64_t empty_ns; /* GCRA's theoretical arrival time */
};

struct limits {
	pthread_mutex_t lock;
	uint8_t mac_key[MAC_KEY_SIZE];
	struct slot *slots;
	bool *dirty; /* for each part */
	size_t n_slots, slots_max;
	bool header_dirty, keyed; /* keyed: by the stored MAC key */
	uint32_t stored;          /* highest number that may be in the store */
	uint64_t evicted, refused[LIMIT__MAX];
};

struct rate {
	int64_t interval_ns; /* rounded up: never more than the count in a period */
	int64_t window_ns;   /* what a bucket holds */
};

static const struct {
	const char *option, *what;
	size_t offset;
} rows[LIMIT__MAX] = {
#define X(code, member, option, what) [LIMIT_##code] = { (option), (what), offsetof(struct settings, member) },
#include "server/front/limits.def"
#undef X
};

const char *limit_name(enum limit l)
{
	return (unsigned)l < LIMIT__MAX ? rows[l].option : "unknown";
}

enum err_code limits_new(uint32_t entries_max, struct limits **ret, struct err *e)
{
	CLEANUP(limits_free_p) struct limits *l = calloc(1, sizeof *l);

	errno = 0;
	if (!l)
		FAIL(e, NOMEM, "no memory for rate limits");
	pthread_mutex_init(&l->lock, NULL);
	l->n_slots = PART;
	l->slots_max = entries_max;
	l->slots = calloc(l->n_slots, sizeof *l->slots);
	l->dirty = calloc(1, sizeof *l->dirty);
	l->header_dirty = true;
	if (!l->slots || !l->dirty)
		FAIL(e, NOMEM, "no memory for rate limits");
	random_bytes(l->mac_key, sizeof l->mac_key);
	*ret = TAKE(l);
	return ERR_OK;
}

void limits_free(struct limits *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	crypto_wipe(l->mac_key, sizeof l->mac_key);
	free(l->slots);
	free(l->dirty);
	free(l);
}

/* --- the table; under the lock --- */

static struct slot *bucket_of(const struct limits *l, const uint8_t id[ID_SIZE])
{
	uint64_t hash;

	memcpy(&hash, id, sizeof hash); /* of a MAC: any bits will do */
	return l->slots + (hash & (l->n_slots / BUCKET - 1)) * BUCKET;
}

static struct slot *find(const struct limits *l, const uint8_t id[ID_SIZE])
{
	struct slot *bucket = bucket_of(l, id);

	for (size_t i = 0; i < BUCKET; i++)
		if (memcmp(bucket[i].id, id, ID_SIZE) == 0)
			return &bucket[i];
	return NULL;
}

static struct slot *soonest_empty(const struct limits *l, const uint8_t id[ID_SIZE])
{
	struct slot *bucket = bucket_of(l, id), *soonest = bucket;

	for (size_t i = 1; i < BUCKET; i++)
		if (bucket[i].empty_ns < soonest->empty_ns)
			soonest = &bucket[i];
	return soonest;
}

static void mark(struct limits *l, const struct slot *s)
{
	l->dirty[(size_t)(s - l->slots) / PART] = true;
}

/* Twice the slots: each bucket's keys go to one of two, so that all find room. Without memory the table stays as it is. */
static bool grow(struct limits *l, int64_t now_ns)
{
	size_t n = l->n_slots * 2;
	struct slot *old = l->slots;

	if (n > l->slots_max)
		return false;
	struct slot *slots = calloc(n, sizeof *slots);
	bool *dirty = calloc(n / PART, sizeof *dirty);
	if (!slots || !dirty) {
		free(slots);
		free(dirty);
		return false;
	}
	free(l->dirty);
	l->slots = slots;
	l->dirty = dirty;
	l->n_slots = n;
	for (size_t i = 0; i < n / 2; i++)
		if (old[i].empty_ns > now_ns)
			*soonest_empty(l, old[i].id) = old[i];
	free(old);
	memset(l->dirty, true, n / PART);
	return true;
}

/* The key's slot, or the one that is now its. */
static struct slot *place(struct limits *l, const uint8_t id[ID_SIZE], int64_t now_ns)
{
	struct slot *s = find(l, id);

	if (s)
		return s;
	s = soonest_empty(l, id);
	while (s->empty_ns > now_ns && grow(l, now_ns))
		s = soonest_empty(l, id);
	l->evicted += s->empty_ns > now_ns;
	memcpy(s->id, id, ID_SIZE);
	s->empty_ns = 0;
	return s;
}

/* --- GCRA --- */

static int64_t ns_of(int64_t now_ms)
{
	return (now_ms < 0 ? 0 : now_ms > NOW_MOST_MS ? NOW_MOST_MS : now_ms) * NS_OF_MS;
}

/* False for a limit that is off. */
static bool rate_of(const struct settings *s, enum limit l, struct rate *ret)
{
	const struct settings_rate *r = (const void *)((const char *)s + rows[l].offset);

	if (r->count == 0 || r->period_s == 0 || r->period_s > INT64_MAX / 16 / NS_OF_S)
		return false;
	int64_t period_ns = (int64_t)r->period_s * NS_OF_S, count = r->count < INT64_MAX / 8 ? (int64_t)r->count : INT64_MAX / 8;
	ret->interval_ns = period_ns / count + (period_ns % count != 0);
	ret->window_ns = ret->interval_ns * (count < period_ns ? count : period_ns);
	return true;
}

/* When the bucket would be empty if nothing were added. A clock that was set back, or a limit that was lowered, never locks a key out
 * for longer than a full bucket. */
static int64_t empty_at(const struct slot *s, const struct rate *rate, int64_t now_ns)
{
	int64_t at = s && s->empty_ns > now_ns ? s->empty_ns : now_ns;

	return at - now_ns > rate->window_ns ? now_ns + rate->window_ns : at;
}

/* One charge on its way through the steps. */
struct due {
	const struct limit_charge *charge;
	struct rate rate;
	uint8_t id[ID_SIZE];
	int64_t before; /* charges of the same key that stand before this one */
};

static void make_id(const struct limits *l, const struct limit_charge *c, uint8_t out[ID_SIZE])
{
	uint8_t mac[SHA256_SIZE];
	const struct bytes parts[] = { bytes_str(rows[c->limit].option), BYTES_LIT("\0"), c->key };

	hmac_sha256((struct bytes){ l->mac_key, sizeof l->mac_key }, parts, 3, mac);
	memcpy(out, mac, ID_SIZE);
}

/* Those whose limits are on. The same key twice is charged twice. */
static size_t list_due(
    const struct limits *l, const struct settings *s, const struct limit_charge *charges, size_t n, struct due due[LIMIT_CHARGES_MAX])
{
	size_t n_due = 0;

	for (size_t i = 0; i < n; i++) {
		struct due *d = &due[n_due];
		if ((unsigned)charges[i].limit >= LIMIT__MAX || !rate_of(s, charges[i].limit, &d->rate))
			continue;
		d->charge = &charges[i];
		d->before = 0;
		make_id(l, d->charge, d->id);
		for (size_t k = 0; k < n_due; k++)
			d->before += due[k].charge->mode != LIMIT_CHECK && memcmp(due[k].id, d->id, ID_SIZE) == 0;
		n_due++;
	}
	return n_due;
}

/* When this charge, and those of its key before it, will be possible; past: now. */
static int64_t possible_at(const struct due *d, const struct slot *s, int64_t now_ns)
{
	int64_t n = d->before + 1, most_ns = INT64_MAX / 4;

	if (d->rate.interval_ns > most_ns / n)
		return now_ns + most_ns;
	return empty_at(s, &d->rate, now_ns) + d->rate.interval_ns * n - d->rate.window_ns;
}

/* The refused one that stays so for longest, and until when; NULL: none is. */
static const struct due *find_refused(struct limits *l, const struct due *due, size_t n, int64_t now_ns, int64_t *ret_until_ns)
{
	const struct due *worst = NULL;

	for (size_t i = 0; i < n; i++) {
		if (due[i].charge->mode == LIMIT_RECORD)
			continue;
		int64_t until_ns = possible_at(&due[i], find(l, due[i].id), now_ns);
		if (until_ns <= now_ns)
			continue;
		l->refused[due[i].charge->limit]++;
		if (!worst || until_ns > *ret_until_ns) {
			worst = &due[i];
			*ret_until_ns = until_ns;
		}
	}
	return worst;
}

static void charge_all(struct limits *l, const struct due *due, size_t n, int64_t now_ns)
{
	for (size_t i = 0; i < n; i++) {
		if (due[i].charge->mode == LIMIT_CHECK)
			continue;
		struct slot *s = place(l, due[i].id, now_ns);
		s->empty_ns = empty_at(s, &due[i].rate, now_ns) + due[i].rate.interval_ns;
		s->empty_ns = empty_at(s, &due[i].rate, now_ns); /* what is only recorded may be more than a full bucket */
		mark(l, s);
	}
}

/* "7 days" */
static void period_text(uint64_t s, char out[32])
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };

	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (s % units[i].seconds == 0) {
			uint64_t n = s / units[i].seconds;
			(void)snprintf(out, 32, "%llu %s%s", (unsigned long long)n, units[i].name, n == 1 ? "" : "s");
			return;
		}
}

static enum err_code refuse(const struct settings *s, const struct due *worst, int64_t now_ns, int64_t until_ns, struct err *e)
{
	const struct limit_charge *c = worst->charge;
	const struct settings_rate *r = (const void *)((const char *)s + rows[c->limit].offset);
	struct bytes shown = bytes_slice(c->shown.ptr ? c->shown : c->key, 0, SHOWN_MAX);
	int64_t wait_s = (until_ns - now_ns + NS_OF_S - 1) / NS_OF_S;
	char period[32], time[RFC3339_SIZE];

	period_text(r->period_s, period);
	rfc3339_format((until_ns + NS_OF_S - 1) / NS_OF_S, time);
	if (e)
		e->retry_after_s = wait_s > UINT32_MAX ? UINT32_MAX : (uint32_t)wait_s;
	errno = 0;
	FAIL(e, RATE_LIMITED, "too many %s %.*s: the limit %s is %llu in %s; the next is possible at %s", rows[c->limit].what,
	    BYTES_FMT(shown), rows[c->limit].option, (unsigned long long)r->count, period, time);
}

enum err_code limits_spend(
    struct limits *l, const struct settings *s, const struct limit_charge *charges, size_t n, int64_t now_ms, struct err *e)
{
	struct due due[LIMIT_CHARGES_MAX];
	int64_t now_ns = ns_of(now_ms), until_ns = 0;

	if (n > LIMIT_CHARGES_MAX)
		FAIL(e, BUG, "%zu charges in one request, at most %d are possible", n, LIMIT_CHARGES_MAX);
	size_t n_due = list_due(l, s, charges, n, due);
	pthread_mutex_lock(&l->lock);
	const struct due *worst = find_refused(l, due, n_due, now_ns, &until_ns);
	if (!worst)
		charge_all(l, due, n_due, now_ns);
	pthread_mutex_unlock(&l->lock);
	return worst ? refuse(s, worst, now_ns, until_ns, e) : ERR_OK;
}

void limits_refund(struct limits *l, const struct settings *s, const struct limit_charge *charges, size_t n, int64_t now_ms)
{
	struct due due[LIMIT_CHARGES_MAX];
	int64_t now_ns = ns_of(now_ms);

	size_t n_due = list_due(l, s, charges, n < LIMIT_CHARGES_MAX ? n : LIMIT_CHARGES_MAX, due);
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < n_due; i++) {
		struct slot *slot = due[i].charge->mode == LIMIT_CHECK ? NULL : find(l, due[i].id);
		if (!slot || slot->empty_ns <= now_ns)
			continue;
		slot->empty_ns = empty_at(slot, &due[i].rate, now_ns) - due[i].rate.interval_ns;
		mark(l, slot);
	}
	pthread_mutex_unlock(&l->lock);
}

bool limits_forget(struct limits *l, enum limit limit, struct bytes key, int64_t now_ms)
{
	const struct limit_charge c = { .limit = limit, .key = key };
	uint8_t id[ID_SIZE];

	pthread_mutex_lock(&l->lock);
	make_id(l, &c, id);
	struct slot *s = find(l, id);
	bool counted = s && s->empty_ns > ns_of(now_ms);
	if (counted) {
		s->empty_ns = 0;
		mark(l, s);
	}
	pthread_mutex_unlock(&l->lock);
	return counted;
}

struct limit_state limits_look(struct limits *l, const struct settings *s, enum limit limit, struct bytes key, int64_t now_ms)
{
	const struct settings_rate *r = (const void *)((const char *)s + rows[limit].offset);
	const struct limit_charge c = { .limit = limit, .key = key };
	struct limit_state state = { .next_ms = now_ms };
	int64_t now_ns = ns_of(now_ms);
	uint8_t id[ID_SIZE];
	struct rate rate;

	if (!rate_of(s, limit, &rate))
		return state;
	pthread_mutex_lock(&l->lock);
	make_id(l, &c, id);
	int64_t room_ns = rate.window_ns - (empty_at(find(l, id), &rate, now_ns) - now_ns);
	pthread_mutex_unlock(&l->lock);
	state.count = r->count;
	state.period_s = r->period_s;
	state.left = (uint64_t)(room_ns / rate.interval_ns);
	if (state.left == 0)
		state.next_ms = (now_ns + rate.interval_ns - room_ns + NS_OF_MS - 1) / NS_OF_MS;
	return state;
}

bool limit_from_name(struct bytes name, enum limit *ret)
{
	for (unsigned i = 0; i < LIMIT__MAX; i++)
		if (bytes_eq_str(name, rows[i].option)) {
			*ret = (enum limit)i;
			return true;
		}
	return false;
}

struct limits_counts limits_counts(struct limits *l, int64_t now_ms)
{
	struct limits_counts c = { 0 };
	int64_t now_ns = ns_of(now_ms);

	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->n_slots; i++)
		c.entries += l->slots[i].empty_ns > now_ns;
	c.evicted = l->evicted;
	memcpy(c.refused, l->refused, sizeof c.refused);
	pthread_mutex_unlock(&l->lock);
	return c;
}

/* --- storing --- */

/* The part's counting slots; false when there is no such part, or nothing in it has changed. */
static bool write_part(struct limits *l, uint32_t number, int64_t now_ns, struct buf *out)
{
	pthread_mutex_lock(&l->lock);
	size_t at = number - 1;
	bool changed = at < l->n_slots / PART && l->dirty[at];
	for (size_t i = at * PART; changed && i < (at + 1) * PART; i++) {
		if (l->slots[i].empty_ns <= now_ns)
			continue;
		wire_put_fixed(out, BYTES_ARRAY(l->slots[i].id));
		wire_put_u64(out, (uint64_t)l->slots[i].empty_ns);
	}
	if (changed)
		l->dirty[at] = false;
	pthread_mutex_unlock(&l->lock);
	return changed;
}

static void mark_part(struct limits *l, uint32_t number)
{
	pthread_mutex_lock(&l->lock);
	if (number - 1 < l->n_slots / PART)
		l->dirty[number - 1] = true;
	pthread_mutex_unlock(&l->lock);
}

static uint32_t count_parts(struct limits *l)
{
	pthread_mutex_lock(&l->lock);
	uint32_t n = (uint32_t)(l->n_slots / PART);
	pthread_mutex_unlock(&l->lock);
	return n;
}

static enum err_code save_header(struct limits *l, limits_keep *keep, void *ctx, struct err *e)
{
	CLEANUP(buf_free_p) struct buf part = buf_new_secret(64);

	if (!l->header_dirty)
		return ERR_OK;
	wire_put_u8(&part, FORMAT);
	wire_put_fixed(&part, BYTES_ARRAY(l->mac_key));
	if (!buf_ok(&part))
		FAIL(e, NOMEM, "no memory for the rate limits' state");
	TRY(keep(ctx, HEADER, buf_bytes(&part), e));
	l->header_dirty = false;
	return ERR_OK;
}

static enum err_code save_part(
    struct limits *l, uint32_t number, int64_t now_ns, struct buf *part, limits_keep *keep, void *ctx, struct err *e)
{
	enum err_code rc = ERR_OK;

	buf_reset(part);
	if (!write_part(l, number, now_ns, part))
		return ERR_OK;
	if (!buf_ok(part))
		rc = err_set(e, ERR_NOMEM, __FILE__, __LINE__, "no memory for the rate limits' state");
	else
		rc = keep(ctx, number, buf_bytes(part), e);
	if (rc != ERR_OK)
		mark_part(l, number);
	return rc;
}

enum err_code limits_save(struct limits *l, int64_t now_ms, limits_keep *keep, void *ctx, struct err *e)
{
	CLEANUP(buf_free_p) struct buf part = buf_new(LIMITS_PART_MAX);

	TRY(save_header(l, keep, ctx, e));
	uint32_t n = count_parts(l);
	for (uint32_t i = 1; i <= n; i++)
		TRY(save_part(l, i, ns_of(now_ms), &part, keep, ctx, e));
	while (l->stored > n) { /* of a table that was larger, before a restart */
		TRY(keep(ctx, l->stored, BYTES_LIT(""), e));
		l->stored--;
	}
	l->stored = n;
	return ERR_OK;
}

static enum err_code load_header(struct limits *l, struct bytes part, struct err *e)
{
	struct wire w = wire_of(part);
	uint8_t format = wire_u8(&w);
	struct bytes key = wire_fixed(&w, MAC_KEY_SIZE);

	TRY(wire_end(&w, "the rate limits' state", e));
	if (format != FORMAT)
		FAIL(e, MALFORMED, "the rate limits' state has format %u, not %d", format, FORMAT);
	memcpy(l->mac_key, key.ptr, MAC_KEY_SIZE);
	l->header_dirty = false;
	l->keyed = true;
	return ERR_OK;
}

/* The table has another size than when it was stored: each part is to be stored anew, in place of what is there, good or not. */
static void mark_stored(struct limits *l, uint32_t number)
{
	pthread_mutex_lock(&l->lock);
	memset(l->dirty, true, l->n_slots / PART);
	if (number <= PARTS_MOST && number > l->stored)
		l->stored = number;
	pthread_mutex_unlock(&l->lock);
}

enum err_code limits_load(struct limits *l, uint32_t number, struct bytes part, int64_t now_ms, struct err *e)
{
	struct wire w = wire_of(part);
	int64_t now_ns = ns_of(now_ms);

	errno = 0;
	if (number == HEADER)
		return load_header(l, part, e);
	mark_stored(l, number);
	if (!l->keyed)
		FAIL(e, MALFORMED, "part %u of the rate limits' state came without the key that its entries are by", number);
	if (number > PARTS_MOST || part.len > PART * ENTRY_SIZE || part.len % ENTRY_SIZE != 0)
		FAIL(e, MALFORMED, "part %u of the rate limits' state has %zu bytes: no whole number of entries, or too many", number,
		    part.len);
	pthread_mutex_lock(&l->lock);
	while (w.rest.len > 0) {
		struct bytes id = wire_fixed(&w, ID_SIZE);
		int64_t empty_ns = (int64_t)wire_u64(&w);
		if (empty_ns <= now_ns)
			continue;
		struct slot *s = place(l, id.ptr, now_ns);
		s->empty_ns = empty_ns > s->empty_ns ? empty_ns : s->empty_ns;
	}
	memset(l->dirty, true, l->n_slots / PART); /* of what has grown meanwhile, too */
	pthread_mutex_unlock(&l->lock);
	return ERR_OK;
}

/* --- keys --- */

const char *limit_address_key(const uint8_t address[16], bool range, char out[LIMIT_ADDRESS_SIZE])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool v4 = memcmp(address, mapped, sizeof mapped) == 0;
	uint8_t raw[16] = { 0 };
	char text[INET6_ADDRSTRLEN] = "?";

	memcpy(raw, v4 ? address + 12 : address, v4 ? range ? 3 : 4 : range ? 6 : 8);
	(void)inet_ntop(v4 ? AF_INET : AF_INET6, raw, text, sizeof text);
	(void)snprintf(out, LIMIT_ADDRESS_SIZE, "%s%s", text, v4 ? range ? "/24" : "" : range ? "/48" : "/64");
	return out;
}
