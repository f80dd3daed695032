#include "server/signer/orders.h"

#include "base/codec.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_MS   3600000
#define FIRST_CAP 64

/* Open addressing, at most half full. */
struct hour {
	int64_t hour; /* since 1970; tells a place of the ring that holds an older one */
	struct order_done *v;
	size_t cap, n;
};

struct orders {
	uint64_t seed[4]; /* the ids are chosen by the front: it must not be able to choose collisions */
	struct hour hours[ORDERS_HOURS];
};

struct orders *orders_new(void)
{
	struct orders *o = calloc(1, sizeof *o);

	if (!o)
		return NULL;
	random_bytes(o->seed, sizeof o->seed);
	for (size_t i = 0; i < ORDERS_HOURS; i++)
		o->hours[i].hour = -1;
	return o;
}

void orders_free(struct orders *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < ORDERS_HOURS; i++)
		free(o->hours[i].v);
	free(o);
}

static int64_t hour_of(const uint8_t order[ORDER_ID_SIZE])
{
	return order_id_time_ms(order) / HOUR_MS;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint64_t hash(const struct orders *o, const uint8_t order[ORDER_ID_SIZE])
{
	uint64_t w[4] = { 0 };

	memcpy(w, order, ORDER_ID_SIZE);
	return fold(fold(w[0] ^ o->seed[0], w[1] ^ o->seed[1]) ^ o->seed[2], fold(w[2] ^ o->seed[2], w[3] ^ o->seed[3]) ^ o->seed[1]);
}

/* The order's place, or the empty one where it belongs. The hour has a table, and it is not full. */
static struct order_done *place(const struct orders *o, const struct hour *h, const uint8_t order[ORDER_ID_SIZE])
{
	size_t i = (size_t)hash(o, order) & (h->cap - 1);

	while (h->v[i].segment != 0 && memcmp(h->v[i].order, order, ORDER_ID_SIZE) != 0)
		i = (i + 1) & (h->cap - 1);
	return &h->v[i];
}

const struct order_done *orders_find(const struct orders *o, const uint8_t order[ORDER_ID_SIZE])
{
	const struct hour *h = &o->hours[hour_of(order) % ORDERS_HOURS];

	if (h->hour != hour_of(order) || h->n == 0)
		return NULL;
	const struct order_done *d = place(o, h, order);
	return d->segment != 0 ? d : NULL;
}

static enum err_code grow(struct orders *o, struct hour *h, size_t cap, struct err *e)
{
	struct hour bigger = { .hour = h->hour, .cap = cap, .n = h->n, .v = calloc(cap, sizeof *bigger.v) };

	if (!bigger.v)
		FAIL(e, NOMEM, "no memory for the table of orders");
	for (size_t i = 0; i < h->cap; i++)
		if (h->v[i].segment != 0)
			*place(o, &bigger, h->v[i].order) = h->v[i];
	free(h->v);
	*h = bigger;
	return ERR_OK;
}

enum err_code orders_reserve(struct orders *o, const uint8_t order[ORDER_ID_SIZE], size_t n, struct err *e)
{
	struct hour *h = &o->hours[hour_of(order) % ORDERS_HOURS];

	if (h->hour > hour_of(order))
		FAIL(e, BUSY, "the table of orders holds newer ones in the place of this order's hour");
	if (h->hour != hour_of(order)) {
		free(h->v);
		*h = (struct hour){ .hour = hour_of(order) };
	}
	if (h->n + n > ORDERS_PER_HOUR)
		FAIL(e, BUSY, "too many orders in one hour: at most %u", ORDERS_PER_HOUR);
	size_t cap = h->cap ? h->cap : FIRST_CAP;
	while (cap < 2 * (h->n + n))
		cap *= 2;
	return cap > h->cap ? grow(o, h, cap, e) : ERR_OK;
}

void orders_add(struct orders *o, const struct order_done *d)
{
	struct hour *h = &o->hours[hour_of(d->order) % ORDERS_HOURS];

	if (h->hour != hour_of(d->order) || h->cap <= h->n)
		return;
	struct order_done *at = place(o, h, d->order);
	if (at->segment != 0)
		return;
	*at = *d;
	h->n++;
}

size_t orders_count(const struct orders *o)
{
	size_t n = 0;

	for (size_t i = 0; i < ORDERS_HOURS; i++)
		n += o->hours[i].n;
	return n;
}
