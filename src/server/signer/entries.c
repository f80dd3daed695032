#include "server/signer/entries.h"

#include <stdlib.h>
#include <string.h>

void entries_free(struct entries *x)
{
	free(x->v);
	*x = (struct entries){ 0 };
}

static int by_serial(const void *a, const void *b)
{
	const struct revoked_entry *x = a, *y = b;

	return memcmp(x->serial, y->serial, SERIAL_SIZE);
}

struct revoked_entry *entries_find(const struct entries *x, const uint8_t serial[SERIAL_SIZE])
{
	size_t from = 0, to = x->sorted;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int c = memcmp(x->v[middle].serial, serial, SERIAL_SIZE);
		if (c == 0)
			return &x->v[middle];
		if (c < 0)
			from = middle + 1;
		else
			to = middle;
	}
	for (size_t i = x->sorted; i < x->n; i++)
		if (memcmp(x->v[i].serial, serial, SERIAL_SIZE) == 0)
			return &x->v[i];
	return NULL;
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
	x->v[x->n++] = *n;
	if (x->n - x->sorted > ENTRIES_TAIL)
		entries_settle(x);
	return ERR_OK;
}

/* The tail is sorted, put aside, and merged in from the end: what is in order already moves once at most. */
void entries_settle(struct entries *x)
{
	struct revoked_entry aside[ENTRIES_TAIL + 1];
	size_t left = x->sorted, tail = x->n - x->sorted, to = x->n;

	if (tail == 0) /* and with none at all no array either, which qsort(3) may not be given */
		return;
	qsort(x->v + x->sorted, tail, sizeof *x->v, by_serial);
	if (left > 0 && by_serial(&x->v[left - 1], &x->v[left]) > 0) {
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
