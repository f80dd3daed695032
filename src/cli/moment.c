#include "cli/moment.h"

#include "base/clock.h"
#include "server/parent/config_check.h"

#include <errno.h>
#include <string.h>

_Static_assert(MOMENT_SIZE == RFC3339_SIZE, "one is the other");

void moment_text(int64_t unix_s, char out[MOMENT_SIZE])
{
	rfc3339_format(unix_s, out);
	char *t = strchr(out, 'T');
	if (t)
		*t = ' ';
}

enum err_code moment_option(const struct cli *c, const char *name, int64_t fallback_s, int64_t *ret_s, struct err *e)
{
	const char *text = cli_value(c, name, NULL);
	uint64_t ago_s;

	*ret_s = fallback_s;
	if (!text || rfc3339_parse(bytes_str(text), ret_s, NULL) == ERR_OK)
		return ERR_OK;
	errno = 0;
	if (config_seconds(text, &ago_s, NULL) != ERR_OK)
		FAIL(e, CONFIG, "--%s is a time like 2026-11-25T08:00:00Z, or how long ago, like 7d or 12h, not \"%.60s\"", name, text);
	*ret_s = clock_wall_ms() / 1000 - (int64_t)ago_s;
	return ERR_OK;
}
