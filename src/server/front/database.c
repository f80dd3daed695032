#include "server/front/database.h"

#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_DATABASE "store.db"
#define FILE_MADE     "store.made" /* stays when the database is lost */
#define MADE_TEXT     "A database, store.db, was made in this folder. Where it is missing it was lost: see chancery-ca(8), LOG AND DATABASE.\n"

static enum err_code look(int folder, const char *name, bool *ret_there, struct stat *ret, struct err *e)
{
	*ret_there = fstatat(folder, name, ret, AT_SYMLINK_NOFOLLOW) == 0;
	if (!*ret_there && errno != ENOENT)
		FAIL(e, IO, "%s: %s", name, strerror(errno));
	return ERR_OK;
}

enum err_code database_open(int folder, struct store **ret, struct database_file *ret_file, struct err *e)
{
	struct store *store;
	bool there, made;
	struct stat s;

	TRY(look(folder, FILE_DATABASE, &there, &s, e));
	TRY(look(folder, FILE_MADE, &made, &s, e));
	errno = 0;
	if (made && !there)
		FAIL(e, CONFIG,
		    "the database " FILE_DATABASE
		    " is gone: put it back from a backup, or have `chancery-ca reconcile --repair` make it from the "
		    "signer's log");
	TRY(store_open(".", &store, e));
	enum err_code rc = made ? ERR_OK : file_write(folder, FILE_MADE, 0600, BYTES_LIT(MADE_TEXT), e);
	if (rc == ERR_OK)
		rc = look(folder, FILE_DATABASE, &there, &s, e);
	if (rc != ERR_OK) {
		store_close(store);
		return rc;
	}
	*ret = store;
	*ret_file = (struct database_file){ s.st_dev, s.st_ino };
	return ERR_OK;
}

enum err_code database_check(int folder, const struct database_file *file, struct err *e)
{
	struct stat s;
	bool there;

	TRY(look(folder, FILE_DATABASE, &there, &s, e));
	errno = 0;
	if (!there || s.st_dev != file->device || s.st_ino != file->inode)
		FAIL(e, IO, "the database " FILE_DATABASE " was %s while it was open", there ? "replaced" : "removed");
	return ERR_OK;
}
