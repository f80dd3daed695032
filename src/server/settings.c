#include "server/settings.h"

#include "base/wire.h"
#include "server/messages.h"

#include <string.h>

#define F SETTINGS_READER_F
#define V SETTINGS_READER_V
#define S SETTINGS_READER_S
#define P SETTINGS_READER_P
#define K SETTINGS_READER_K
const struct settings_row settings_rows[] = {
#define X(sect, opt, member, type, def, who, text) \
	{ .section = (sect),                       \
		.option = (opt),                   \
		.fallback = (def),                 \
		.doc = (text),                     \
		.kind = SETTINGS_##type,           \
		.readers = (who),                  \
		.offset = offsetof(struct settings, member) },
#include "server/settings.def"
#undef X
};
#undef F
#undef V
#undef S
#undef P
#undef K
const size_t settings_rows_n = sizeof settings_rows / sizeof *settings_rows;

const struct settings_row profile_rows[] = {
#define X(opt, type, def, text) { .section = "profile", .option = (opt), .fallback = (def), .doc = (text), .kind = SETTINGS_##type },
#include "server/profile.def"
#undef X
};
const struct profile_ready profile_ready[] = {
#define X(profile, opt, text) { (profile), (opt), (text) },
#include "server/profile_ready.def"
#undef X
};
const size_t profile_ready_n = sizeof profile_ready / sizeof *profile_ready;
const size_t profile_rows_n = sizeof profile_rows / sizeof *profile_rows;

const struct settings_row incident_rows[] = {
#define X(opt, type, def, text) { .section = "incident", .option = (opt), .fallback = (def), .doc = (text), .kind = SETTINGS_##type },
#include "server/incident.def"
#undef X
};
const size_t incident_rows_n = sizeof incident_rows / sizeof *incident_rows;

#define LIST_MAX  4096
#define VALUE_MAX 65536

static void write_list(const struct settings_list *list, struct buf *out)
{
	wire_put_u16(out, (uint16_t)list->n);
	for (size_t i = 0; i < list->n; i++)
		wire_put_bytes(out, list->v[i]);
}

static void write_value(const void *at, enum settings_kind kind, struct buf *out)
{
	const struct settings_list *list = at;
	const struct settings_rate *rate = at;

	switch (kind) {
	case SETTINGS_STRING:
		wire_put_bytes(out, *(const struct bytes *)at);
		return;
	case SETTINGS_UINT:
	case SETTINGS_SECONDS:
		wire_put_u64(out, *(const uint64_t *)at);
		return;
	case SETTINGS_BOOL:
		wire_put_u8(out, *(const bool *)at);
		return;
	case SETTINGS_RATE:
		wire_put_u64(out, rate->count);
		wire_put_u64(out, rate->period_s);
		return;
	case SETTINGS_LIST:
	case SETTINGS_FILES:
		write_list(list, out);
		return;
	}
}

/* A profile's numbers in the order in which they cross. */
#define PROFILE_NUMBERS 11
static uint32_t *profile_number(struct profile *p, size_t i)
{
	uint32_t *const numbers[PROFILE_NUMBERS] = { &p->lifetime_s, &p->backdate_s, &p->names_max, &p->authz_lifetime_s, &p->challenges,
		&p->identifiers, &p->key_types, &p->rsa_bits_max, &p->key_usage, &p->purposes, &p->contents };

	return numbers[i];
}

static bool wants_profiles(unsigned reader)
{
	return (reader & (SETTINGS_READER_F | SETTINGS_READER_S)) != 0;
}

static void write_incidents(const struct settings *s, struct buf *out)
{
	wire_put_u8(out, (uint8_t)s->n_incidents);
	for (size_t i = 0; i < s->n_incidents; i++) {
		wire_put_bytes(out, s->incidents[i].name);
		wire_put_bytes(out, s->incidents[i].explanation);
		wire_put_u64(out, (uint64_t)s->incidents[i].from_s);
		wire_put_u64(out, (uint64_t)s->incidents[i].until_s);
	}
}

void settings_write(const struct settings *s, unsigned reader, struct buf *out)
{
	for (size_t i = 0; i < settings_rows_n; i++)
		if (settings_rows[i].readers & reader)
			write_value((const char *)s + settings_rows[i].offset, settings_rows[i].kind, out);
	if (reader & SETTINGS_READER_F)
		write_incidents(s, out);
	if (!wants_profiles(reader))
		return;
	wire_put_u8(out, (uint8_t)s->n_profiles);
	for (size_t i = 0; i < s->n_profiles; i++) {
		struct profile p = s->profiles[i];
		wire_put_bytes(out, p.name);
		wire_put_bytes(out, p.doc);
		for (size_t k = 0; k < PROFILE_NUMBERS; k++)
			wire_put_u32(out, *profile_number(&p, k));
		write_list(&(struct settings_list){ p.issuers, p.n_issuers }, out);
		write_list(&(struct settings_list){ p.policies, p.n_policies }, out);
	}
}

/* A copy in the arena; a failure of memory is kept in the reader, like a short read. */
static struct bytes get_string(struct arena *a, struct wire *w)
{
	struct bytes copy = arena_copy(a, wire_bytes(w, VALUE_MAX));

	if (!copy.ptr)
		w->failed = true;
	return copy;
}

static void read_list(struct arena *a, struct wire *w, struct settings_list *ret)
{
	size_t n = wire_u16(w);
	struct bytes *v = n <= LIST_MAX ? arena_array(a, n + 1, sizeof *v) : NULL;

	if (!v) {
		w->failed = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		v[i] = get_string(a, w);
	*ret = (struct settings_list){ v, n };
}

static void read_value(struct arena *a, struct wire *w, enum settings_kind kind, void *at)
{
	switch (kind) {
	case SETTINGS_STRING:
		*(struct bytes *)at = get_string(a, w);
		return;
	case SETTINGS_UINT:
	case SETTINGS_SECONDS:
		*(uint64_t *)at = wire_u64(w);
		return;
	case SETTINGS_BOOL:
		*(bool *)at = wire_u8(w) != 0;
		return;
	case SETTINGS_RATE:
		((struct settings_rate *)at)->count = wire_u64(w);
		((struct settings_rate *)at)->period_s = wire_u64(w);
		return;
	case SETTINGS_LIST:
	case SETTINGS_FILES:
		read_list(a, w, at);
		return;
	}
}

static void read_profiles(struct arena *a, struct wire *w, struct settings *s)
{
	s->n_profiles = wire_u8(w);
	if (s->n_profiles > SETTINGS_PROFILES_MAX) {
		w->failed = true;
		return;
	}
	for (size_t i = 0; i < s->n_profiles; i++) {
		s->profiles[i].name = get_string(a, w);
		s->profiles[i].doc = get_string(a, w);
		for (size_t k = 0; k < PROFILE_NUMBERS; k++)
			*profile_number(&s->profiles[i], k) = wire_u32(w);
		struct settings_list issuers = { 0 }, policies = { 0 };
		read_list(a, w, &issuers);
		read_list(a, w, &policies);
		s->profiles[i].issuers = issuers.v;
		s->profiles[i].n_issuers = issuers.n;
		s->profiles[i].policies = policies.v;
		s->profiles[i].n_policies = policies.n;
	}
}

static void read_incidents(struct arena *a, struct wire *w, struct settings *s)
{
	s->n_incidents = wire_u8(w);
	if (s->n_incidents > SETTINGS_INCIDENTS_MAX) {
		w->failed = true;
		return;
	}
	for (size_t i = 0; i < s->n_incidents; i++) {
		s->incidents[i].name = get_string(a, w);
		s->incidents[i].explanation = get_string(a, w);
		s->incidents[i].from_s = (int64_t)wire_u64(w);
		s->incidents[i].until_s = (int64_t)wire_u64(w);
	}
}

enum err_code settings_read(struct arena *a, struct bytes in, unsigned reader, struct settings *ret, struct err *e)
{
	struct wire w = wire_of(in);
	struct settings s = { 0 };

	for (size_t i = 0; i < settings_rows_n; i++)
		if (settings_rows[i].readers & reader)
			read_value(a, &w, settings_rows[i].kind, (char *)&s + settings_rows[i].offset);
	if (reader & SETTINGS_READER_F)
		read_incidents(a, &w, &s);
	if (wants_profiles(reader))
		read_profiles(a, &w, &s);
	TRY(wire_end(&w, "the settings", e));
	*ret = s;
	return ERR_OK;
}

enum err_code settings_name_policy(struct arena *a, const struct settings *s, struct name_policy *ret, struct err *e)
{
	const struct name_policy_texts texts = { .allow_names = s->policy_allow_names.v,
		.n_allow_names = s->policy_allow_names.n,
		.deny_names = s->policy_deny_names.v,
		.n_deny_names = s->policy_deny_names.n,
		.allow_ips = s->policy_allow_ips.v,
		.n_allow_ips = s->policy_allow_ips.n,
		.deny_ips = s->policy_deny_ips.v,
		.n_deny_ips = s->policy_deny_ips.n };

	return name_policy_read(a, &texts, ret, e);
}

bool settings_is_issuer_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= ISSUER_NAME_MAX && name[n] == '\0';
}
