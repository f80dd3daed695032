#include "agent/standing.h"

#include "agent/flow.h"
#include "agent/served_call.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "client/storage.h"
#include "crypto/digest.h"
#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 5000
#define AT_MAX  16 /* CAs that a certificate was ever asked of, and failed at */

const char *standing_name(enum standing_kind k)
{
	static const char *const names[] = { [STANDING_GOOD] = "good",
		[STANDING_DUE] = "due",
		[STANDING_FAILING] = "failing",
		[STANDING_EXPIRED] = "expired",
		[STANDING_MISSING] = "missing",
		[STANDING_UNMANAGED] = "unmanaged",
		[STANDING_BROKEN] = "broken" };

	return names[k];
}

/* --- from files --- */

struct meta {
	struct json_strings names;
	struct bytes server, ca, not_before, not_after;
};
static const struct json_field meta_fields[] = {
	JSON_FIELD(struct meta, names, "names", JSON_STRINGS, true, 100),
	JSON_FIELD(struct meta, server, "server", JSON_STRING, true, 2048),
	JSON_FIELD(struct meta, ca, "ca", JSON_STRING, false, 2048),
	JSON_FIELD(struct meta, not_before, "not_before", JSON_STRING, true, 64),
	JSON_FIELD(struct meta, not_after, "not_after", JSON_STRING, true, 64),
};

static const char *path_of(const struct config *c, struct arena *a, const char *name, const char *file)
{
	const char *path = (const char *)arena_fmt(a, "%s/%s/%s", c->folder, name, file).ptr;

	return path ? path : "";
}

static enum err_code read_meta(const struct config *c, struct arena *a, struct standing *s, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(65536);
	struct meta m = { .server = BYTES_NONE };
	char target[128] = "";

	TRY(file_read(AT_FDCWD, path_of(c, a, s->item->name, "live/" STORAGE_META), text.max, &text, e));
	struct bytes kept = arena_copy(a, buf_bytes(&text));
	TRY(json_read(a, kept, "meta.json", meta_fields, sizeof meta_fields / sizeof *meta_fields, &m, e));
	TRY(rfc3339_parse(m.not_before, &s->not_before_s, e));
	TRY(rfc3339_parse(m.not_after, &s->not_after_s, e));
	const char **names = arena_array(a, m.names.n + 1, sizeof *names);
	for (size_t i = 0; names && i < m.names.n; i++)
		names[i] = arena_str(a, m.names.v[i]);
	const char *server = arena_str(a, m.server), *ca = arena_str(a, m.ca.ptr ? m.ca : m.server);
	if (readlink(path_of(c, a, s->item->name, "live"), target, sizeof target - 1) < 0)
		*target = 0;
	const char *slash = strrchr(target, '/');
	s->generation = arena_str(a, bytes_str(slash ? slash + 1 : target));
	s->not_before = arena_str(a, m.not_before);
	s->not_after = arena_str(a, m.not_after);
	if (!names || !server || !ca || !s->generation || !s->not_before || !s->not_after)
		FAIL(e, NOMEM, "no memory");
	s->names = names;
	s->n_names = m.names.n;
	s->server = server;
	s->ca = ca;
	return ERR_OK;
}

/* As flow_present() has it: by the leaf's chain. */
static uint32_t own_number(const struct config *c, struct arena *a, const char *name)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(STORAGE_FILE_MAX);
	uint8_t digest[SHA256_SIZE];

	if (file_read(AT_FDCWD, path_of(c, a, name, "live/" STORAGE_FULLCHAIN), pem.max, &pem, NULL) != ERR_OK)
		return 0;
	sha256_one(buf_bytes(&pem), digest);
	return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 | digest[3];
}

static enum standing_kind kind_of(const struct standing *s, int64_t now_s)
{
	if (s->wrong)
		return STANDING_BROKEN;
	if (s->not_after_s && now_s > s->not_after_s)
		return STANDING_EXPIRED;
	if (s->item->unmanaged)
		return STANDING_UNMANAGED;
	if (s->state.failures > 0)
		return STANDING_FAILING;
	if (!s->not_after_s)
		return STANDING_MISSING;
	return s->due.now ? STANDING_DUE : STANDING_GOOD;
}

/* What was remembered; what is broken is told, and stays for the next run to move it aside. */
static void remember(struct arena *a, const char *path, struct state *ret, const char **ret_forgotten)
{
	struct err e = { 0 };

	if (state_read(path, ret, &e) != ERR_OK)
		*ret_forgotten = (const char *)arena_fmt(a, "%.300s: %.300s", path, e.detail).ptr;
}

static void add_at(struct arena *a, const char *path, struct standing *s)
{
	struct state state;

	remember(a, path, &state, &s->forgotten);
	const char *ca = state.failures > 0 ? arena_str(a, bytes_str(state.ca)) : NULL;
	if (ca)
		s->at[s->n_at++] = (struct standing_at){ ca, state };
}

/* In the order of the CAs' names. */
static int by_ca(const void *a, const void *b)
{
	return strcmp(((const struct standing_at *)a)->ca, ((const struct standing_at *)b)->ca);
}

static void find_at(const struct config *c, struct arena *a, struct standing *s)
{
	DIR *d = opendir(path_of(c, a, s->item->name, ""));

	s->at = d ? arena_array(a, AT_MAX, sizeof *s->at) : NULL;
	for (const struct dirent *entry = s->at ? readdir(d) : NULL; entry && s->n_at < AT_MAX; entry = readdir(d)) {
		const char *end = strrchr(entry->d_name, '.');
		if (strncmp(entry->d_name, "state@", 6) == 0 && end && strcmp(end, ".json") == 0)
			add_at(a, path_of(c, a, s->item->name, entry->d_name), s);
	}
	if (s->n_at > 0)
		qsort(s->at, s->n_at, sizeof *s->at, by_ca);
	if (d)
		(void)closedir(d);
}

void standing_of(const struct config *c, struct arena *a, const struct inventory_item *item, int64_t now_s, struct standing *ret)
{
	struct standing s = { .item = item, .names = item->names, .n_names = item->n_names, .server = "", .ca = "", .generation = "" };
	struct due_facts facts = { .there = item->live, .fits = true, .now_s = now_s };
	struct err e = { 0 };

	if (item->live && read_meta(c, a, &s, &e) != ERR_OK)
		s.wrong = (const char *)arena_fmt(a, "live/" STORAGE_META ": %.300s", e.detail).ptr;
	if (item->wrong)
		s.wrong = item->wrong;
	remember(a, path_of(c, a, item->name, FLOW_STATE_FILE), &s.state, &s.forgotten);
	find_at(c, a, &s);
	facts.not_before_s = s.not_before_s;
	facts.not_after_s = s.not_after_s;
	facts.window_start_s = s.state.window_start_s;
	facts.window_end_s = s.state.window_end_s;
	if (facts.window_start_s)
		facts.own = own_number(c, a, item->name);
	due_judge(&facts, &s.due);
	s.never = item->configured && !item->live && s.state.failing_since_s != 0;
	s.kind = kind_of(&s, now_s);
	*ret = s;
}

/* --- from outside --- */

static enum err_code live_leaf(const struct config *c, struct arena *a, const char *name, struct bytes *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(STORAGE_FILE_MAX);
	struct bytes text;

	TRY(file_read(AT_FDCWD, path_of(c, a, name, "live/" STORAGE_CERT), pem.max, &pem, e));
	text = buf_bytes(&pem);
	return pem_next(a, &text, "CERTIFICATE", ret, e);
}

static enum err_code look_at(struct crew *crew, struct arena *a, const char *place, struct bytes leaf, struct err *e)
{
	struct endpoint at;
	struct served shown;

	TRY(endpoint_parse(a, place, &at, e));
	TRY(served_call(crew, a, &at, LOOK_MS, &shown, e));
	if (!bytes_eq(shown.certificates[0], leaf))
		FAIL(
		    e, CONFLICT, "another certificate than the one on disk is served: the server was not reloaded, or serves another file");
	return ERR_OK;
}

static const char *place_of(const struct standing *s, size_t i)
{
	const char *given = given_nth(s->item->given, "deploy-endpoint", i);

	if (given || i > 0)
		return given;
	for (size_t k = 0; k < s->n_names; k++)
		if (s->names[k][0] != '*')
			return s->names[k];
	return NULL;
}

void standing_look(const struct config *c, struct crew *crew, struct arena *a, struct standing *s)
{
	const char *place, *path = path_of(c, a, s->item->name, FLOW_STATE_FILE);
	struct err e = { 0 };
	struct bytes leaf;

	if (!s->not_after_s || live_leaf(c, a, s->item->name, &leaf, NULL) != ERR_OK)
		return;
	*s->state.served = 0;
	for (size_t i = 0; (place = place_of(s, i)) != NULL && strcmp(place, "none") != 0; i++) {
		s->state.served_s = clock_wall_ms() / 1000;
		if (look_at(crew, a, place, leaf, &e) != ERR_OK) {
			(void)snprintf(s->state.served, sizeof s->state.served, "%.120s: %.320s", place, e.detail);
			break;
		}
	}
	MAY_FAIL(state_write(path, &s->state, NULL)); /* it is told all the same */
}
