/* What a process is told of the configuration. The parent parses and checks the file; each process gets its own part through its
 * channel and nothing else. */
#ifndef CHANCERY_SERVER_SETTINGS_H
#define CHANCERY_SERVER_SETTINGS_H

#include "acme/policy.h"
#include "base/arena.h"
#include "base/err.h"
#include "pki/profile.h"

#define SETTINGS_PROFILES_MAX  16
#define SETTINGS_INCIDENTS_MAX 16

struct settings_list {
	struct bytes *v;
	size_t n;
};

/* count at once, then one more each period_s / count; count 0: no limit. */
struct settings_rate {
	uint64_t count, period_s;
};

/* Certificates that must be renewed at once (RFC 9773 §4.2): those whose notBefore lies in a span of time. */
struct settings_incident {
	struct bytes name, explanation; /* explanation: a URL, or empty */
	int64_t from_s, until_s;
};

#define SETTINGS_TYPE_STRING  struct bytes
#define SETTINGS_TYPE_UINT    uint64_t
#define SETTINGS_TYPE_SECONDS uint64_t
#define SETTINGS_TYPE_BOOL    bool
#define SETTINGS_TYPE_LIST    struct settings_list
#define SETTINGS_TYPE_RATE    struct settings_rate
#define SETTINGS_TYPE_FILES   struct settings_list

struct settings {
#define X(section, option, member, kind, fallback, readers, doc) SETTINGS_TYPE_##kind member;
#include "server/settings.def"
#undef X
	/* profile "tls-server" { ... }, see profile.def; the first is the default */
	struct profile profiles[SETTINGS_PROFILES_MAX];
	size_t n_profiles;
	/* incident "NAME" { ... }, see incident.def */
	struct settings_incident incidents[SETTINGS_INCIDENTS_MAX];
	size_t n_incidents;
};

enum settings_kind { SETTINGS_STRING, SETTINGS_UINT, SETTINGS_SECONDS, SETTINGS_BOOL, SETTINGS_LIST, SETTINGS_RATE, SETTINGS_FILES };
enum { SETTINGS_READER_F = 1, SETTINGS_READER_V = 2, SETTINGS_READER_S = 4, SETTINGS_READER_P = 8, SETTINGS_READER_K = 16 };

/* The table as data, for parser, init and documents. */
struct settings_row {
	const char *section, *option, *fallback, *doc;
	enum settings_kind kind;
	unsigned readers;
	size_t offset; /* in struct settings */
};
extern const struct settings_row settings_rows[];
extern const size_t settings_rows_n;
/* The options of a profile and of an incident; section, readers and offset are unused. */
extern const struct settings_row profile_rows[];
extern const size_t profile_rows_n;
/* What a ready profile has in another way than profile_rows' defaults. */
struct profile_ready {
	const char *profile, *option, *value;
};
extern const struct profile_ready profile_ready[];
extern const size_t profile_ready_n;
extern const struct settings_row incident_rows[];
extern const size_t incident_rows_n;

/* Writes the options that the reader (one SETTINGS_READER_ bit) gets. */
void settings_write(const struct settings *s, unsigned reader, struct buf *out);
/* What settings_write() wrote; all memory in the arena; options of other readers stay zero. */
enum err_code settings_read(struct arena *a, struct bytes in, unsigned reader, struct settings *ret, struct err *e) MUST_USE;

/* An issuer's name is its folder's too. */
#define ISSUER_NAME_RULE "an issuer's name has 1 to %d lower-case letters, digits and hyphens" /* ISSUER_NAME_MAX */
bool settings_is_issuer_name(const char *name);

/* The section policy's rules for names and addresses; all memory in the arena. CONFIG names the rule at fault. */
enum err_code settings_name_policy(struct arena *a, const struct settings *s, struct name_policy *ret, struct err *e) MUST_USE;

#endif
