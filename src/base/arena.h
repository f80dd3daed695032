/* All data of one request lives in one bounded arena: freed together, no destructors inside. Never for secrets. */
#ifndef CHANCERY_BASE_ARENA_H
#define CHANCERY_BASE_ARENA_H

#include "base/bytes.h"

struct arena;

/* A first chunk of `first` bytes, growth up to `max` bytes in all. NULL without memory. */
struct arena *arena_new(size_t first, size_t max) MUST_USE;
/* Forgets everything, keeps the first chunk. */
void arena_reset(struct arena *a);
void arena_free(struct arena *a);
DEFINE_CLEANUP(struct arena *, arena_free);
/* n zeroed bytes aligned to 16; NULL past the maximum. */
void *arena_alloc(struct arena *a, size_t n) MUST_USE __attribute__((malloc, alloc_size(2)));
/* An array of n elements; NULL past the maximum or when n * size overflows. */
void *arena_array(struct arena *a, size_t n, size_t size) MUST_USE;
/* A copy that lives as long as the arena; ptr NULL past the maximum (an empty input gives a non-NULL ptr). */
struct bytes arena_copy(struct arena *a, struct bytes in) MUST_USE;
/* A NUL-terminated copy, for libc's and libraries' edges; NULL past the maximum. */
char *arena_str(struct arena *a, struct bytes in) MUST_USE;
/* printf into the arena; ptr NULL past the maximum. The bytes are followed by a NUL that len does not count. */
struct bytes arena_fmt(struct arena *a, const char *fmt, ...) MUST_USE PRINTF(2, 3);

#define arena_new_obj(a, T) ((T *)arena_alloc((a), sizeof(T)))

#endif
