#include "cli/ca_config.h"

#include "server/parent/config.h"

enum err_code ca_config_read(const struct cli *c, struct arena *a, struct settings *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf messages = buf_new(16384);

	if (!a)
		FAIL(e, NOMEM, "no memory");
	enum err_code rc = config_read(a, cli_value(c, "config", CONFIG_PATH), ret, &messages, e);
	if (messages.len)
		fprintf(stderr, "%.*s", BYTES_FMT(buf_bytes(&messages)));
	return rc;
}
