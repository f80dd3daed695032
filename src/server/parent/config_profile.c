/* Profiles and incidents from their sections; what is not written is as profile.def and incident.def have it. */
#include "server/parent/config_profile.h"

#include "acme/identifier.h"
#include "base/clock.h"
#include "crypto/key.h"
#include "server/parent/config_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_WORDS_MAX 16
#define SHORT_LIVED_S  (7 * 86400u)

static uint32_t challenge_bit(const char *name)
{
	enum challenge_type t;

	return challenge_type_from_name(bytes_str(name), &t) ? UINT32_C(1) << t : 0;
}

static uint32_t identifier_bit(const char *name)
{
	return strcmp(name, "dns") == 0        ? PROFILE_DNS
	       : strcmp(name, "wildcard") == 0 ? PROFILE_WILDCARD
	       : strcmp(name, "ip") == 0       ? PROFILE_IP
					       : 0;
}

static uint32_t key_type_bit(const char *name)
{
	enum key_type t;

	return key_type_for_certificates(bytes_str(name), &t, NULL) == ERR_OK ? UINT32_C(1) << t : 0;
}

static uint32_t key_usage_bit(const char *name)
{
	return strcmp(name, "digital-signature") == 0  ? PROFILE_DIGITAL_SIGNATURE
	       : strcmp(name, "key-encipherment") == 0 ? PROFILE_KEY_ENCIPHERMENT
						       : 0;
}

static uint32_t purpose_bit(const char *name)
{
	return strcmp(name, "server-auth") == 0 ? PROFILE_SERVER_AUTH : strcmp(name, "client-auth") == 0 ? PROFILE_CLIENT_AUTH : 0;
}

static const struct {
	const char *option;
	uint32_t (*bit)(const char *name);
} bit_lists[] = { { "challenges", challenge_bit }, { "identifiers", identifier_bit }, { "key-types", key_type_bit },
	{ "key-usage", key_usage_bit }, { "extended-key-usage", purpose_bit } };

uint32_t config_profile_bit(const char *option, const char *value)
{
	for (size_t i = 0; i < sizeof bit_lists / sizeof *bit_lists; i++)
		if (strcmp(bit_lists[i].option, option) == 0)
			return bit_lists[i].bit(value);
	return 0;
}

bool config_profile_is_ready(const char *name)
{
	for (size_t i = 0; i < profile_ready_n; i++)
		if (strcmp(profile_ready[i].profile, name) == 0)
			return true;
	return false;
}

/* A section, and the ready profile that its defaults come from; NULL: none. */
struct source {
	cfg_t *section;
	const char *ready;
};

/* libconfuse cannot parse a list's default while it reads a section that may stand several times, and knows no ready profiles: so
 * defaults are looked up here. */
static const char *default_of(const struct source *f, const char *option)
{
	for (size_t i = 0; f->ready && i < profile_ready_n; i++)
		if (strcmp(profile_ready[i].profile, f->ready) == 0 && strcmp(profile_ready[i].option, option) == 0)
			return profile_ready[i].value;
	for (size_t i = 0; i < profile_rows_n; i++)
		if (strcmp(profile_rows[i].option, option) == 0)
			return profile_rows[i].fallback;
	return "";
}

static const char *text_of(const struct source *f, const char *option)
{
	const char *given = f->section ? cfg_getstr(f->section, option) : NULL;

	return given ? given : default_of(f, option);
}

#define WORD_MAX 128
/* The k-th word of a list, of the file's or, when that has none, of the default's; false behind the last. */
static bool word_of(const struct source *f, const char *option, unsigned k, char out[WORD_MAX])
{
	unsigned n = f->section ? cfg_size(f->section, option) : 0, at = 0;

	if (n > 0) {
		(void)snprintf(out, WORD_MAX, "%s", k < n ? cfg_getnstr(f->section, option, k) : "");
		return k < n;
	}
	for (const char *p = default_of(f, option); (p = strchr(p, '"')); at++) {
		size_t len = strcspn(++p, "\"");
		if (at == k) {
			(void)snprintf(out, WORD_MAX, "%.*s", (int)len, p);
			return true;
		}
		p += len + 1;
	}
	return false;
}

static uint32_t bits_of(const struct source *f, const char *option)
{
	char word[WORD_MAX];
	uint32_t bits = 0;

	for (unsigned i = 0; word_of(f, option, i, word); i++)
		bits |= config_profile_bit(option, word);
	return bits;
}

/* "none" alone is an empty list, as an empty one is the default. */
static enum err_code take_words(
    struct arena *a, const struct source *f, const char *option, struct bytes **ret, size_t *ret_n, struct err *e)
{
	struct bytes *v = arena_array(a, LIST_WORDS_MAX, sizeof *v);
	char word[WORD_MAX];
	size_t n = 0;

	if (!v)
		FAIL(e, NOMEM, "no memory for the configuration");
	for (unsigned i = 0; word_of(f, option, i, word); i++) {
		if (i == 0 && strcmp(word, "none") == 0)
			break;
		if (n == LIST_WORDS_MAX)
			FAIL(e, CONFIG, "%s: at most %d are allowed", option, LIST_WORDS_MAX);
		v[n] = arena_copy(a, bytes_str(word));
		if (!v[n++].ptr)
			FAIL(e, NOMEM, "no memory for the configuration");
	}
	*ret = v;
	*ret_n = n;
	return ERR_OK;
}

static enum err_code take_seconds(const struct source *f, const char *option, uint32_t *ret, struct err *e)
{
	uint64_t s;

	TRY(config_seconds(text_of(f, option), &s, e));
	*ret = (uint32_t)s;
	return ERR_OK;
}

static uint32_t number_of(const struct source *f, const char *option)
{
	return (uint32_t)strtoul(text_of(f, option), NULL, 10);
}

static uint32_t contents_of(const struct source *f)
{
	static const struct {
		const char *option, *on;
		uint32_t bit;
	} parts[] = { { "common-name", "first", PROFILE_COMMON_NAME }, { "must-staple", "true", PROFILE_MUST_STAPLE },
		{ "crl", "true", PROFILE_CRL }, { "ocsp", "true", PROFILE_OCSP }, { "ca-issuers", "true", PROFILE_CA_ISSUERS } };
	uint32_t bits = 0;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (strcmp(text_of(f, parts[i].option), parts[i].on) == 0)
			bits |= parts[i].bit;
	return bits;
}

/* What no single option can see. */
static enum err_code check_profile(const struct profile *p, struct err *e)
{
	if ((p->contents & PROFILE_MUST_STAPLE) && !(p->contents & PROFILE_OCSP))
		FAIL(e, CONFIG, "profile \"%.*s\": must-staple needs ocsp = true", BYTES_FMT(p->name));
	if ((p->contents & PROFILE_CA_ISSUERS) && !(p->contents & (PROFILE_CRL | PROFILE_OCSP)) && p->lifetime_s > SHORT_LIVED_S)
		FAIL(e, CONFIG,
		    "profile \"%.*s\": without crl and ocsp at most 7d are allowed (Baseline Requirements 4.9.1), or ca-issuers = false",
		    BYTES_FMT(p->name));
	if (p->n_policies > PROFILE_POLICIES_MAX)
		FAIL(e, CONFIG, "profile \"%.*s\": at most %d policies are allowed", BYTES_FMT(p->name), PROFILE_POLICIES_MAX);
	if (p->purposes == (PROFILE_SERVER_AUTH | PROFILE_CLIENT_AUTH))
		FAIL(e, CONFIG, "profile \"%.*s\": server-auth and client-auth need profiles, and issuers, of their own",
		    BYTES_FMT(p->name));
	return ERR_OK;
}

static enum err_code take_profile(struct arena *a, cfg_t *section, const char *name, struct profile *ret, struct err *e)
{
	struct source f = { .section = section, .ready = section ? cfg_getstr(section, "ready") : NULL };

	if (!f.ready || !*f.ready)
		f.ready = config_profile_is_ready(name) ? name : NULL;
	struct profile p = { .name = arena_copy(a, bytes_str(name)),
		.doc = arena_copy(a, bytes_str(text_of(&f, "doc"))),
		.names_max = number_of(&f, "names"),
		.challenges = bits_of(&f, "challenges"),
		.identifiers = bits_of(&f, "identifiers"),
		.key_types = bits_of(&f, "key-types"),
		.rsa_bits_max = number_of(&f, "rsa-bits-max"),
		.key_usage = bits_of(&f, "key-usage"),
		.purposes = bits_of(&f, "extended-key-usage"),
		.contents = contents_of(&f) };

	if (!p.name.ptr || !p.doc.ptr)
		FAIL(e, NOMEM, "no memory for the configuration");
	TRY(take_seconds(&f, "lifetime", &p.lifetime_s, e));
	TRY(take_seconds(&f, "backdate", &p.backdate_s, e));
	TRY(take_seconds(&f, "authz-lifetime", &p.authz_lifetime_s, e));
	TRY(take_words(a, &f, "issuers", &p.issuers, &p.n_issuers, e));
	TRY(take_words(a, &f, "policies", &p.policies, &p.n_policies, e));
	TRY(check_profile(&p, e));
	*ret = p;
	return ERR_OK;
}

enum err_code config_profiles(struct arena *a, cfg_t *cfg, struct settings *s, struct err *e)
{
	s->n_profiles = cfg_size(cfg, "profile");
	if (s->n_profiles == 0) {
		s->n_profiles = 1;
		return take_profile(a, NULL, "tls-server", &s->profiles[0], e);
	}
	if (s->n_profiles > SETTINGS_PROFILES_MAX)
		FAIL(e, CONFIG, "%zu profiles, at most %d are allowed", s->n_profiles, SETTINGS_PROFILES_MAX);
	for (size_t i = 0; i < s->n_profiles; i++) {
		cfg_t *section = cfg_getnsec(cfg, "profile", (unsigned)i);
		TRY(take_profile(a, section, cfg_title(section), &s->profiles[i], e));
	}
	return ERR_OK;
}

static enum err_code take_incident(struct arena *a, cfg_t *section, struct settings_incident *ret, struct err *e)
{
	struct settings_incident v = { .name = arena_copy(a, bytes_str(cfg_title(section))),
		.explanation = arena_copy(a, bytes_str(cfg_getstr(section, "explanation"))) };

	if (!v.name.ptr || !v.explanation.ptr)
		FAIL(e, NOMEM, "no memory for the configuration");
	if (rfc3339_parse(bytes_str(cfg_getstr(section, "issued-from")), &v.from_s, NULL) != ERR_OK ||
	    rfc3339_parse(bytes_str(cfg_getstr(section, "issued-until")), &v.until_s, NULL) != ERR_OK || v.until_s < v.from_s)
		FAIL(e, CONFIG, "incident \"%s\" needs issued-from and issued-until, the second not before the first", cfg_title(section));
	*ret = v;
	return ERR_OK;
}

enum err_code config_incidents(struct arena *a, cfg_t *cfg, struct settings *s, struct err *e)
{
	s->n_incidents = cfg_size(cfg, "incident");
	if (s->n_incidents > SETTINGS_INCIDENTS_MAX)
		FAIL(e, CONFIG, "%zu incidents, at most %d are allowed", s->n_incidents, SETTINGS_INCIDENTS_MAX);
	for (size_t i = 0; i < s->n_incidents; i++)
		TRY(take_incident(a, cfg_getnsec(cfg, "incident", (unsigned)i), &s->incidents[i], e));
	return ERR_OK;
}
