#include "agent/key_file.h"

#include "base/codec.h"
#include "base/seam.h"
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum err_code key_file_open(
    struct crew *c, struct arena *a, const char *path, const struct keys_wish *w, struct bytes *ret_spki, struct err *e)
{
	struct peer *keys;
	struct err why = { 0 };

	TRY(crew_keys(c, &keys, e));
	CLEANUP(close_p) int fd = seam->openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
	if (fd < 0 && errno == ENOENT)
		FAIL(e, NOT_FOUND, "%s: there is no such file", path);
	if (fd < 0)
		FAIL(e, IO, "%s: %s", path, strerror(errno));
	enum err_code rc = keys_open(keys, a, w, fd, ret_spki, &why);
	errno = 0;
	if (rc == ERR_CONFIG)
		FAIL(e, CONFIG, "%.200s: %s", path, why.detail);
	if (rc != ERR_OK && e)
		*e = why;
	return rc;
}

static int open_folder_of(const char *path)
{
	char copy[4096];

	(void)snprintf(copy, sizeof copy, "%s", path);
	return open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* --- drafts --- */

#define DRAFT_RANDOM 6
#define DRAFT_END    ".tmp"

/* "KEY.RANDOM.tmp", or of the key that is to follow it (account.h) "KEY.new.RANDOM.tmp". */
static bool is_draft(const char *name, const char *key)
{
	size_t n = strlen(key);

	if (strncmp(name, key, n) != 0)
		return false;
	name += n;
	if (strncmp(name, ".new.", 5) == 0)
		name += 4;
	return name[0] == '.' && strspn(name + 1, "0123456789abcdef") == HEX_LEN(DRAFT_RANDOM) &&
	       strcmp(name + 1 + HEX_LEN(DRAFT_RANDOM), DRAFT_END) == 0;
}

/* Those that runs have left that were killed. As long as a run has a draft it holds its folder's lock, shared: whoever has it alone finds none that is in use. */
static void clear_drafts(const char *path)
{
	CLEANUP(close_p) int dir = open_folder_of(path);
	const char *slash = strrchr(path, '/');
	int listed = dir >= 0 && flock(dir, LOCK_EX | LOCK_NB) == 0 ? openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	DIR *d = listed >= 0 ? fdopendir(listed) : NULL;

	if (!d)
		close_p(&listed);
	for (struct dirent *entry = d ? readdir(d) : NULL; entry; entry = readdir(d))
		if (is_draft(entry->d_name, slash ? slash + 1 : path))
			(void)unlinkat(dir, entry->d_name, 0);
	if (d)
		(void)closedir(d);
	errno = 0;
}

static enum err_code fill_and_link(
    struct peer *keys, struct arena *a, const char *draft, const char *path, const struct keys_wish *w, struct err *e)
{
	struct bytes spki;
	CLEANUP(close_p) int fd = seam->openat(AT_FDCWD, draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		FAIL(e, IO, "%s: %s", path, strerror(errno));
	enum err_code rc = keys_make(keys, a, w, fd, &spki, e);
	if (rc == ERR_OK && linkat(AT_FDCWD, draft, AT_FDCWD, path, 0) != 0 && errno != EEXIST)
		rc = err_set(e, ERR_IO, __FILE__, __LINE__, "%s: %s", path, strerror(errno));
	(void)unlink(draft);
	return rc;
}

/* Under another name until it is whole; a link then, which takes nobody's place. */
static enum err_code make(struct crew *c, struct arena *a, const char *path, const struct keys_wish *w, struct err *e)
{
	uint8_t random[DRAFT_RANDOM];
	char hex[HEX_LEN(sizeof random) + 1], draft[4096];
	struct peer *keys;

	TRY(crew_keys(c, &keys, e));
	CLEANUP(close_p) int dir = open_folder_of(path);
	if (dir >= 0)
		(void)flock(dir, LOCK_SH); /* where there are no such locks, nobody clears either */
	random_bytes(random, sizeof random);
	hex_encode(BYTES_ARRAY(random), hex);
	errno = 0;
	if (snprintf(draft, sizeof draft, "%s.%s" DRAFT_END, path, hex) >= (int)sizeof draft)
		FAIL(e, CONFIG, "%.200s: its path is too long", path);
	TRY(fill_and_link(keys, a, draft, path, w, e));
	return dir < 0 ? ERR_OK : file_sync_dir(dir, e);
}

enum err_code key_file_need(
    struct crew *c, struct arena *a, const char *path, const struct keys_wish *w, struct bytes *ret_spki, struct err *e)
{
	clear_drafts(path);
	enum err_code rc = key_file_open(c, a, path, w, ret_spki, e);
	if (rc != ERR_NOT_FOUND)
		return rc;
	TRY(make(c, a, path, w, e));
	return key_file_open(c, a, path, w, ret_spki, e);
}

enum err_code key_file_account(struct crew *c, struct arena *a, const char *path, unsigned may, struct bytes *ret_spki, struct err *e)
{
	const struct keys_wish key = { .slot = "account", .use = KEYS_ACCOUNT, .may = may };
	enum err_code rc = key_file_open(c, a, path, &key, ret_spki, e);

	errno = 0;
	if (rc == ERR_NOT_FOUND)
		FAIL(e, NOT_FOUND, "there is no account key at %s: chancery issue makes one, or name it by --account-key", path);
	return rc;
}
