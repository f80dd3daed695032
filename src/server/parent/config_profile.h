/* The configuration's sections that have a title: profiles and incidents. */
#ifndef CHANCERY_SERVER_PARENT_CONFIG_PROFILE_H
#define CHANCERY_SERVER_PARENT_CONFIG_PROFILE_H

#include "base/arena.h"
#include "server/settings.h"

#include <confuse.h>

/* Without any section there is one, the ready "tls-server". An empty list is the default one. */
enum err_code config_profiles(struct arena *a, cfg_t *cfg, struct settings *s, struct err *e) MUST_USE;
/* CONFIG for one without both times, or whose end is before its beginning. */
enum err_code config_incidents(struct arena *a, cfg_t *cfg, struct settings *s, struct err *e) MUST_USE;
/* The bit of a value of the list options challenges, identifiers, key-types, key-usage, extended-key-usage; 0: there is no such. */
uint32_t config_profile_bit(const char *option, const char *value);
/* Whether there is a ready profile of this name (profile_ready.def). */
bool config_profile_is_ready(const char *name);

#endif
