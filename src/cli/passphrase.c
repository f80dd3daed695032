#include "cli/passphrase.h"

#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum err_code passphrase_read(const struct cli *c, struct buf *text, struct bytes *ret, struct err *e)
{
	const char *path = cli_value(c, "passphrase-file", NULL);
	struct bytes rest;

	*ret = BYTES_LIT("");
	if (!path)
		return ERR_OK;
	TRY(file_read_private(path, text->max, text, e));
	if (!bytes_split(buf_bytes(text), '\n', ret, &rest))
		*ret = buf_bytes(text);
	if (ret->len < PASSPHRASE_MIN)
		FAIL(e, CONFIG, "%s: the passphrase has %zu characters, at least %d are needed", path, ret->len, PASSPHRASE_MIN);
	return ERR_OK;
}
