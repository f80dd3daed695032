/* The folder's identity and the log's key: read, and kept from being swapped out where the kernel lets us. */
#include "server/signer/state.h"

#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_PEM_MAX 8192

/* A private key's file belongs to the folder's owner (or root) and nobody else may read it. */
static enum err_code check_mode(int dir, const char *name, struct err *e)
{
	struct stat folder, st;

	if (fstat(dir, &folder) != 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		FAIL(e, CONFIG, "%s cannot be looked at (%s)%s", name, strerror(errno),
		    errno == ENOENT ? ": put it back from a backup with keys, see chancery-ca(8), BACKUP" : "");
	errno = 0;
	if (!S_ISREG(st.st_mode) || (st.st_mode & 0077) != 0)
		FAIL(e, CONFIG, "%s must be a file that its owner alone may read: chmod 0400", name);
	if (st.st_uid != folder.st_uid && st.st_uid != 0)
		FAIL(e, CONFIG, "%s must belong to the owner of its folder", name);
	return ERR_OK;
}

enum err_code signer_read_key_file(int dir, const char *name, struct buf *out, struct err *e)
{
	TRY(check_mode(dir, name, e));
	TRY(file_read(dir, name, KEY_PEM_MAX, out, e));
	return ERR_OK;
}

static enum err_code load_log_key(struct signer *s, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new_secret(KEY_PEM_MAX);

	TRY(signer_read_key_file(s->dir, FILE_LOG_KEY, &pem, e));
	TRY(key_private_from_pem(buf_bytes(&pem), &s->log_key, e));
	if (key_type(s->log_key) != KEY_ED25519)
		FAIL(e, CONFIG, "%s is not an Ed25519 key", FILE_LOG_KEY);
	s->own.spki[s->own.n++] = key_spki(s->log_key);
	return ERR_OK;
}

enum err_code signer_load(struct signer *s, struct err *e)
{
	(void)mlock(&s->identity, sizeof s->identity);
	TRY(check_mode(s->dir, "identity", e));
	TRY(identity_read(s->dir, &s->identity, e));
	return load_log_key(s, e);
}
