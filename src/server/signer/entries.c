#include "server/signer/entries.h"

#include <stdlib.h>
#include <string.h>

void entries_free(struct entries *x)
{
	free(x->v);
	*x = (struct entries){ 0 };
}

static int by_serial(const struct revoked_entry *x, const struct revoked_entry *y)
{
	return memcmp(x->serial, y->serial, SERIAL_SIZE);
}

/* Of those in order from `from` to `to`: the first whose serial is not less. */
static size_t place_of(const struct entries *x, size_t from, size_t to, const uint8_t serial[SERIAL_SIZE])
{
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (memcmp(x->v[middle].serial, serial, SERIAL_SIZE) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static struct revoked_entry *find_in(const struct entries *x, size_t from, size_t to, const uint8_t serial[SERIAL_SIZE])
{
	size_t at = place_of(x, from, to, serial);

	return at < to && memcmp(x->v[at].serial, serial, SERIAL_SIZE) == 0 ? &x->v[at] : NULL;
}

struct revoked_entry *entries_find(const struct entries *x, const uint8_t serial[SERIAL_SIZE])
{
	struct revoked_entry *found = find_in(x, 0, x->sorted, serial);

	return found ? found : find_in(x, x->sorted, x->n, serial);
}

/* By a quarter each time: a million takes 40 MB, and at most 10 more that are not used yet. */
static enum err_code grow(struct entries *x, struct err *e)
{
	size_t capacity = x->capacity + x->capacity / 4 + 16;
	struct revoked_entry *v = realloc(x->v, capacity * sizeof *v);

	if (!v)
		FAIL(e, NOMEM, "no memory for %zu revoked serial numbers", capacity);
	x->v = v;
	x->capacity = capacity;
	return ERR_OK;
}

enum err_code entries_add(struct entries *x, const struct revoked_entry *n, struct err *e)
{
	if (x->n == x->capacity)
		TRY(grow(x, e));
	size_t at = place_of(x, x->sorted, x->n, n->serial);
	memmove(x->v + at + 1, x->v + at, (x->n - at) * sizeof *x->v);
	x->v[at] = *n;
	x->n++;
	if (x->n - x->sorted > ENTRIES_TAIL)
		entries_settle(x);
	return ERR_OK;
}

/* The tail is put aside and merged in from the end: what is in order already moves once at most. */
void entries_settle(struct entries *x)
{
	struct revoked_entry aside[ENTRIES_TAIL + 1];
	size_t left = x->sorted, tail = x->n - x->sorted, to = x->n;

	if (tail > 0 && left > 0 && by_serial(&x->v[left - 1], &x->v[left]) > 0) {
		memcpy(aside, x->v + x->sorted, tail * sizeof *aside);
		while (tail > 0)
			x->v[--to] = left > 0 && by_serial(&x->v[left - 1], &aside[tail - 1]) > 0 ? x->v[--left] : aside[--tail];
	}
	x->sorted = x->n;
}

void entries_keep(struct entries *x, entries_keeps *keeps, void *ctx)
{
	size_t kept = 0, sorted = 0;

	for (size_t i = 0; i < x->n; i++) {
		if (!keeps(ctx, &x->v[i]))
			continue;
		sorted += i < x->sorted;
		x->v[kept++] = x->v[i];
	}
	x->n = kept;
	x->sorted = sorted;
}
