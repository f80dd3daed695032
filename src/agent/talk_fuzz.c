/* What the client's processes say to each other: one that was taken over says whatever it likes. */
#include "agent/outcome.h"
#include "agent/talk.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 4u << 20);
	CLEANUP(buf_free_p) struct buf again = buf_new(CHANNEL_BODY_MAX);
	struct bytes in = { data, size }, json;
	struct outcome out;
	struct err e = { 0 };
	const char *name;

	if (!a || size > CHANNEL_BODY_MAX / 2)
		return 0;
	if (talk_split(in, &name, &json, &e) == ERR_OK) {
		require(strlen(name) <= TALK_NAME_MAX && *name);
		talk_join(name, json, &again);
		require(bytes_eq(buf_bytes(&again), in));
		in = json;
	}
	require(talk_take_error(a, in, &e) != ERR_OK);
	require(e.code > ERR_OK && e.code < ERR__MAX);
	if (outcome_read(a, in, &out, NULL) == ERR_OK) {
		require(out.message && out.hint && out.type && out.solver && *outcome_fault_name(out.fault));
		require(out.result == CHANCERY_OK || *blame_about_name(out.blame.about));
	}
	return 0;
}
