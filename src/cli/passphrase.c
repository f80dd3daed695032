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
	struct stat s;

	*ret = BYTES_LIT("");
	if (!path)
		return ERR_OK;
	if (stat(path, &s) != 0)
		FAIL(e, CONFIG, "%s: %s", path, strerror(errno));
	errno = 0;
	if (s.st_mode & 077)
		FAIL(e, CONFIG, "%s: others can read it (mode %04o): chmod 600", path, (unsigned)(s.st_mode & 07777));
	TRY(file_read(AT_FDCWD, path, text->max, text, e));
	if (!bytes_split(buf_bytes(text), '\n', ret, &rest))
		*ret = buf_bytes(text);
	if (ret->len < PASSPHRASE_MIN)
		FAIL(e, CONFIG, "%s: the passphrase has %zu characters, at least %d are needed", path, ret->len, PASSPHRASE_MIN);
	return ERR_OK;
}
