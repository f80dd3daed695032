/* What a value of the configuration may be, each option by itself. */
#ifndef CHANCERY_SERVER_PARENT_CONFIG_CHECK_H
#define CHANCERY_SERVER_PARENT_CONFIG_CHECK_H

#include "base/err.h"

/* CONFIG: what is wrong and what is allowed. */
enum err_code config_check(const char *section, const char *option, const char *value, struct err *e) MUST_USE;
/* "90s", "10m", "8h", "47d" or plain seconds; at least 1 second, at most 10 years. */
enum err_code config_seconds(const char *text, uint64_t *ret, struct err *e) MUST_USE;

/* "50/7d": count and period; "off": count 0. */
struct settings_rate;
enum err_code config_rate(const char *text, struct settings_rate *ret, struct err *e) MUST_USE;

#endif
