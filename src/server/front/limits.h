/* Rate limits by GCRA (the leaky bucket as a meter, ITU-T I.371): "50/7d" lets 50 through at once and then one more each fiftieth of
 * seven days. Each counted key has one number, the time at which its bucket will be empty; where that is past there is nothing to keep.
 * All is in memory, for many threads; the front stores it now and then, so that a restart forgives nobody.
 *
 * Memory is bounded: LIMITS_ENTRIES_MAX places of 24 bytes, taken as they are needed. A key may lie in sixteen of them; when all of those
 * count for others and the table is at its largest, it takes the place that would be empty soonest, and that is counted. Keys are kept
 * as a MAC: nobody can choose which ones share places. */
#ifndef CHANCERY_SERVER_FRONT_LIMITS_H
#define CHANCERY_SERVER_FRONT_LIMITS_H

#include "server/settings.h"

enum limit {
#define X(code, member, option, what) LIMIT_##code,
#include "server/front/limits.def"
#undef X
	LIMIT__MAX
};
const char *limit_name(enum limit l);

enum limit_mode {
	LIMIT_SPEND,  /* refused where the limit is reached, else charged */
	LIMIT_CHECK,  /* refused where the limit is reached, never charged */
	LIMIT_RECORD, /* charged, never refused: it has happened */
};
struct limit_charge {
	enum limit limit;
	enum limit_mode mode;
	struct bytes key;   /* what is counted */
	struct bytes shown; /* the same for people; ptr NULL: the key */
};
#define LIMIT_CHARGES_MAX 256 /* of one request */

#define LIMITS_ENTRIES_MAX (1u << 20)
struct limits;

/* Empty, with a MAC key of its own until limits_load() brings the stored one. entries_max: a power of two, at least 1024. */
enum err_code limits_new(uint32_t entries_max, struct limits **ret, struct err *e) MUST_USE;
void limits_free(struct limits *l);
DEFINE_CLEANUP(struct limits *, limits_free);

/* All charges of one request in one step: where any of them is refused, none is charged, and the problem is RATE_LIMITED with the limit's
 * name, what was counted, and the time after which none of them would be refused (retry_after_s). The rates are those of the settings;
 * a limit of count 0 is off. now_ms: wall clock. */
enum err_code limits_spend(
    struct limits *l, const struct settings *s, const struct limit_charge *charges, size_t n, int64_t now_ms, struct err *e) MUST_USE;
/* Gives back what was charged (CHECK charges are passed over). */
void limits_refund(struct limits *l, const struct settings *s, const struct limit_charge *charges, size_t n, int64_t now_ms);

/* Forgets what is counted for this key (as in a charge); false: nothing was. */
bool limits_forget(struct limits *l, enum limit limit, struct bytes key, int64_t now_ms);
bool limit_from_name(struct bytes name, enum limit *ret);

/* How a limit stands for a key (as in a charge). */
struct limit_state {
	uint64_t count, period_s; /* the rate; count 0: the limit is off */
	uint64_t left;            /* how many would pass now */
	int64_t next_ms;          /* when one more will pass; left > 0: now */
};
struct limit_state limits_look(struct limits *l, const struct settings *s, enum limit limit, struct bytes key, int64_t now_ms);

/* Storing: what has changed since the last time, in numbered parts of at most LIMITS_PART_MAX bytes, to be kept under their number in place
 * of what was there; an empty one is to be deleted. A part that could not be kept comes again. One thread at a time. */
#define LIMITS_PART_MAX 32768
typedef enum err_code limits_keep(void *ctx, uint32_t number, struct bytes part, struct err *e);
enum err_code limits_save(struct limits *l, int64_t now_ms, limits_keep *keep, void *ctx, struct err *e) MUST_USE;
/* The parts again, by ascending number, before anything is charged. MALFORMED: this one is not taken; the others may be. */
enum err_code limits_load(struct limits *l, uint32_t number, struct bytes part, int64_t now_ms, struct err *e) MUST_USE;

struct limits_counts {
	uint64_t entries; /* keys that count now */
	uint64_t evicted; /* that were forgotten before their time, for want of room */
	uint64_t refused[LIMIT__MAX];
};
struct limits_counts limits_counts(struct limits *l, int64_t now_ms);

/* An address (IPv4 in its mapped form) as a key: the host, "192.0.2.1" or "2001:db8::/64" (what one customer gets); or its range,
 * "192.0.2.0/24" or "2001:db8::/48". Returns out. */
#define LIMIT_ADDRESS_SIZE 52
const char *limit_address_key(const uint8_t address[16], bool range, char out[LIMIT_ADDRESS_SIZE]);

#endif
