/* Profiles and incidents from their sections; what is not written is as profile.def and incident.def have it. */
#include "server/parent/config_profile.h"

#include "acme/identifier.h"
#include "base/clock.h"
#include "crypto/key.h"
#include "server/parent/config_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Ed25519 is for accounts alone: the Baseline Requirements §6.1.1.3 know no such certificate. */
static uint32_t key_type_bit(const char *name)
{
	enum key_type t;

	return key_type_from_name(bytes_str(name), &t) && t != KEY_ED25519 ? UINT32_C(1) << t : 0;
}

uint32_t config_profile_bit(const char *option, const char *value)
{
	return strcmp(option, "challenges") == 0    ? challenge_bit(value)
	       : strcmp(option, "identifiers") == 0 ? identifier_bit(value)
						    : key_type_bit(value);
}

/* libconfuse cannot parse a list's default while it reads a section that may stand several times: so it is done here. */
static uint32_t default_bits(const char *option)
{
	char word[32];
	uint32_t bits = 0;

	for (size_t i = 0; i < profile_rows_n; i++)
		for (const char *p = strcmp(profile_rows[i].option, option) == 0 ? profile_rows[i].fallback : ""; (p = strchr(p, '"'));) {
			size_t n = strcspn(++p, "\"");
			(void)snprintf(word, sizeof word, "%.*s", (int)n, p);
			bits |= config_profile_bit(option, word);
			p += n + 1;
		}
	return bits;
}

static uint32_t take_bits(cfg_t *section, const char *option)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < cfg_size(section, option); i++)
		bits |= config_profile_bit(option, cfg_getnstr(section, option, i));
	return bits ? bits : default_bits(option);
}

static enum err_code take_seconds(cfg_t *section, const char *option, uint32_t *ret, struct err *e)
{
	uint64_t s;

	TRY(config_seconds(cfg_getstr(section, option), &s, e));
	*ret = (uint32_t)s;
	return ERR_OK;
}

static uint32_t take_number(cfg_t *section, const char *option)
{
	return (uint32_t)strtoul(cfg_getstr(section, option), NULL, 10);
}

static enum err_code take_profile(struct arena *a, cfg_t *section, const char *name, struct profile *ret, struct err *e)
{
	struct profile p = { .name = arena_copy(a, bytes_str(name)),
		.doc = arena_copy(a, bytes_str(cfg_getstr(section, "doc"))),
		.names_max = take_number(section, "names"),
		.challenges = take_bits(section, "challenges"),
		.identifiers = take_bits(section, "identifiers"),
		.key_types = take_bits(section, "key-types"),
		.rsa_bits_max = take_number(section, "rsa-bits-max") };

	if (!p.name.ptr || !p.doc.ptr)
		FAIL(e, NOMEM, "no memory for the configuration");
	TRY(take_seconds(section, "lifetime", &p.lifetime_s, e));
	TRY(take_seconds(section, "backdate", &p.backdate_s, e));
	TRY(take_seconds(section, "authz-lifetime", &p.authz_lifetime_s, e));
	*ret = p;
	return ERR_OK;
}

static enum err_code take_default(struct arena *a, cfg_opt_t *options, struct settings *s, struct err *e)
{
	cfg_t *section = cfg_init(options, CFGF_NONE);

	if (!section)
		FAIL(e, NOMEM, "no memory for the configuration");
	enum err_code rc = take_profile(a, section, "tls-server", &s->profiles[0], e);
	(void)cfg_free(section);
	s->n_profiles = 1;
	return rc;
}

enum err_code config_profiles(struct arena *a, cfg_t *cfg, cfg_opt_t *options, struct settings *s, struct err *e)
{
	s->n_profiles = cfg_size(cfg, "profile");
	if (s->n_profiles == 0)
		return take_default(a, options, s, e);
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
