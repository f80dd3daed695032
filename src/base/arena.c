#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Under the address sanitizer (GCC and Clang tell it differently) what is not handed out may not be touched. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS
#endif
#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define ALIGNMENT 16u

struct chunk {
	struct chunk *next;
	size_t cap, used;
	_Alignas(ALIGNMENT) uint8_t mem[];
};
struct arena {
	struct chunk *first, *current;
	size_t total, max;
};

static struct chunk *chunk_new(size_t cap)
{
	struct chunk *c = malloc(sizeof *c + cap);

	if (c) {
		c->next = NULL;
		c->cap = cap;
		c->used = 0;
		POISON(c->mem, cap);
	}
	return c;
}

static void chunk_free(struct chunk *c)
{
	UNPOISON(c->mem, c->cap);
	free(c);
}

struct arena *arena_new(size_t first, size_t max)
{
	struct arena *a = calloc(1, sizeof *a);

	if (!a)
		return NULL;
	first = (first + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	a->first = a->current = chunk_new(first);
	if (!a->first) {
		free(a);
		return NULL;
	}
	a->total = first;
	a->max = max > first ? max : first;
	if (a->max > PTRDIFF_MAX) /* no malloc gives more, and sums below cannot overflow */
		a->max = PTRDIFF_MAX;
	return a;
}

/* A fresh chunk with room for n (aligned) bytes: twice the last one if the maximum leaves that much. */
static bool arena_grow(struct arena *a, size_t n)
{
	size_t cap = a->current->cap * 2 > n ? a->current->cap * 2 : n, left = a->max - a->total;

	if (cap > left)
		cap = n;
	struct chunk *c = n <= left ? chunk_new(cap) : NULL;
	if (!c)
		return false;
	a->current->next = c;
	a->current = c;
	a->total += cap;
	return true;
}

void *arena_alloc(struct arena *a, size_t n)
{
	if (n > a->max)
		return NULL;
	size_t step = n ? (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1) : ALIGNMENT;
	if (step > a->current->cap - a->current->used && !arena_grow(a, step))
		return NULL;
	uint8_t *p = a->current->mem + a->current->used;
	a->current->used += step;
	UNPOISON(p, n);
	memset(p, 0, n);
	return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t whole;

	if (__builtin_mul_overflow(n, size, &whole))
		return NULL;
	return arena_alloc(a, whole);
}

void arena_reset(struct arena *a)
{
	for (struct chunk *c = a->first->next, *next; c; c = next) {
		next = c->next;
		a->total -= c->cap;
		chunk_free(c);
	}
	a->first->next = NULL;
	a->first->used = 0;
	a->current = a->first;
	POISON(a->first->mem, a->first->cap);
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct chunk *c = a->first, *next; c; c = next) {
		next = c->next;
		chunk_free(c);
	}
	free(a);
}

struct bytes arena_copy(struct arena *a, struct bytes in)
{
	uint8_t *p = arena_alloc(a, in.len);

	if (!p)
		return BYTES_NONE;
	if (in.len)
		memcpy(p, in.ptr, in.len);
	return (struct bytes){ p, in.len };
}

char *arena_str(struct arena *a, struct bytes in)
{
	char *p = in.len < SIZE_MAX ? arena_alloc(a, in.len + 1) : NULL;

	if (p && in.len)
		memcpy(p, in.ptr, in.len);
	return p;
}

struct bytes arena_fmt(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	char *p = n >= 0 ? arena_alloc(a, (size_t)n + 1) : NULL;
	if (p)
		(void)vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return p ? (struct bytes){ (uint8_t *)p, (size_t)n } : BYTES_NONE;
}
