#include "server/front/limits_state.h"

#include "base/clock.h"
#include "base/event.h"
#include "base/json.h"

#define PART_ARENA (LIMITS_PART_MAX + 8192)

enum err_code limits_state_load(struct front *f, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(PART_ARENA, PART_ARENA);
	struct store_limits part;
	struct err why = { 0 };
	enum err_code rc;

	if (!a)
		FAIL(e, NOMEM, "no memory for the rate limits' state");
	for (int64_t after = -1; (rc = store_next_limits(f->store, a, after, &part, &why)) == ERR_OK; after = part.number) {
		if (limits_load(f->limits, part.number, part.part, clock_wall_ms(), &why) != ERR_OK)
			event_error(EVENT_WARNING, "limits.not_loaded", &why);
		arena_reset(a);
	}
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	if (e)
		*e = why;
	return rc;
}

static enum err_code keep(void *ctx, uint32_t number, struct bytes part, struct err *e)
{
	struct front *f = ctx;

	return store_put_limits(f->store, number, part, e);
}

void limits_state_save(void *ctx)
{
	struct front *f = ctx;
	struct err e = { 0 };

	if (atomic_exchange(&f->limits_saving, true))
		return;
	if (limits_save(f->limits, clock_wall_ms(), keep, f, &e) != ERR_OK)
		event_error(EVENT_WARNING, "limits.not_stored", &e);
	atomic_store(&f->limits_saving, false);
}

void limits_state_put(struct front *f, struct json_out *w)
{
	struct limits_counts c = limits_counts(f->limits, clock_wall_ms());

	json_put_key(w, "limits");
	json_put_object(w);
	json_put_member_uint(w, "keys", c.entries);
	json_put_member_uint(w, "evicted", c.evicted);
	json_put_key(w, "refused");
	json_put_object(w);
	for (unsigned i = 0; i < LIMIT__MAX; i++)
		json_put_member_uint(w, limit_name((enum limit)i), c.refused[i]);
	json_end_object(w);
	json_end_object(w);
}
