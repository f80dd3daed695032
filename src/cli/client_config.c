#include "cli/client_config.h"

#include <errno.h>
#include <string.h>

enum err_code client_config(const struct given *g, struct arena *a, struct config *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf messages = buf_new(65536);
	struct bytes first, rest;

	enum err_code rc = config_load(g, a, ret, &messages, e);
	errno = 0;
	if (rc == ERR_OK || messages.len == 0)
		return rc;
	if (!bytes_split(buf_bytes(&messages), '\n', &first, &rest))
		return rc;
	FAIL(e, CONFIG, "%.*s%s", (int)(first.len < 250 ? first.len : 250), (const char *)first.ptr,
	    rest.len ? "; `chancery check-config` tells all" : "");
}
