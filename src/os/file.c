#include "os/file.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/seam.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART     16384
#define PATH_LEN 4096

/* Not blocking: a FIFO that an operator named by mistake must not hold the start up. */
static enum err_code open_for_reading(int dir, const char *path, int *ret, struct err *e)
{
	int fd = seam->openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);

	if (fd < 0 && errno == ENOENT)
		FAIL(e, NOT_FOUND, "%s: there is no such file", path);
	if (fd < 0)
		FAIL(e, IO, "%s: %s", path, strerror(errno));
	*ret = fd;
	return ERR_OK;
}

static enum err_code read_all(int fd, const char *path, size_t max, struct buf *out, struct err *e)
{
	enum err_code rc = ERR_OK;
	uint8_t part[PART];
	size_t at = 0;
	ssize_t n;

	while ((n = seam->pread(fd, part, sizeof part, (off_t)at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = err_set(e, ERR_IO, __FILE__, __LINE__, "%s: %s", path, strerror(errno));
			break;
		}
		if ((size_t)n > max - at) {
			errno = 0;
			rc = err_set(e, ERR_TOO_LARGE, __FILE__, __LINE__, "%s: more than %zu bytes", path, max);
			break;
		}
		buf_add(out, (struct bytes){ part, (size_t)n });
		at += (size_t)n;
	}
	if (out->secret)
		explicit_bzero(part, sizeof part);
	TRY(rc);
	errno = 0;
	if (!buf_ok(out))
		FAIL(e, NOMEM, "%s: no memory for it", path);
	return ERR_OK;
}

enum err_code file_read(int dir, const char *path, size_t max, struct buf *out, struct err *e)
{
	CLEANUP(close_p) int fd = -1;

	TRY(open_for_reading(dir, path, &fd, e));
	return read_all(fd, path, max, out, e);
}

enum err_code file_read_private(const char *path, size_t max, struct buf *out, struct err *e)
{
	CLEANUP(close_p) int fd = -1;
	struct stat st;

	TRY(open_for_reading(AT_FDCWD, path, &fd, e));
	if (fstat(fd, &st) != 0)
		FAIL(e, IO, "%s: %s", path, strerror(errno));
	errno = 0;
	if (st.st_mode & 077)
		FAIL(e, CONFIG, "%s: others can read it (mode %04o): chmod 600", path, (unsigned)(st.st_mode & 07777));
	return read_all(fd, path, max, out, e);
}

enum err_code file_write_all(int fd, struct bytes content, struct err *e)
{
	while (content.len > 0) {
		ssize_t n = seam->write(fd, content.ptr, content.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			FAIL(e, IO, "write: %s", strerror(errno));
		content = bytes_slice(content, (size_t)n, content.len);
	}
	return ERR_OK;
}

enum err_code file_sync_dir(int dir, struct err *e)
{
	if (seam->fsync(dir) != 0)
		FAIL(e, IO, "fsync of a folder: %s", strerror(errno));
	return ERR_OK;
}

/* The folder that holds path, for its fsync. */
static enum err_code open_parent(int dir, const char *path, int *ret, struct err *e)
{
	char folder[PATH_LEN] = ".";
	const char *slash = strrchr(path, '/');

	if (slash)
		(void)snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	int fd = seam->openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		FAIL(e, IO, "%s: %s", folder, strerror(errno));
	*ret = fd;
	return ERR_OK;
}

#define DRAFT_RANDOM   8
#define DRAFT_END      ".tmp"
#define DRAFT_IN_USE_S 3600

/* A name of its own for each draft: two writers of one file must not write into each other's. */
static enum err_code draft_name(const char *path, char out[PATH_LEN], struct err *e)
{
	uint8_t random[DRAFT_RANDOM];
	char suffix[HEX_LEN(sizeof random) + 1];

	random_bytes(random, sizeof random);
	hex_encode(BYTES_ARRAY(random), suffix);
	int n = snprintf(out, PATH_LEN, "%s.%s" DRAFT_END, path, suffix);
	errno = ENAMETOOLONG;
	if (n < 0 || n >= PATH_LEN)
		FAIL(e, IO, "a path of %zu characters", strlen(path));
	return ERR_OK;
}

static bool is_draft(const char *name)
{
	const size_t tail = 1 + HEX_LEN(DRAFT_RANDOM) + strlen(DRAFT_END), len = strlen(name);
	const char *at = len > tail ? name + len - tail : "";

	return at[0] == '.' && strspn(at + 1, "0123456789abcdef") == HEX_LEN(DRAFT_RANDOM) &&
	       strcmp(at + 1 + HEX_LEN(DRAFT_RANDOM), DRAFT_END) == 0;
}

static bool is_left_over(int dir, const char *name, int64_t now_s)
{
	struct stat s;

	return is_draft(name) && fstatat(dir, name, &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(s.st_mode) &&
	       s.st_mtim.tv_sec < now_s - DRAFT_IN_USE_S;
}

void file_clear_drafts(int dir, const char *folder)
{
	int64_t now_s = clock_wall_ms() / 1000;
	int fd = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (!d)
		close_p(&fd);
	for (struct dirent *entry = d ? readdir(d) : NULL; entry; entry = readdir(d))
		if (is_left_over(dirfd(d), entry->d_name, now_s))
			(void)unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		(void)closedir(d);
	errno = 0;
}

static enum err_code fill(int dir, const char *path, mode_t mode, struct bytes content, struct err *e)
{
	CLEANUP(close_p) int fd = seam->openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		FAIL(e, IO, "%s: %s", path, strerror(errno));
	TRY(file_write_all(fd, content, e));
	if (seam->fsync(fd) != 0)
		FAIL(e, IO, "%s: fsync: %s", path, strerror(errno));
	return ERR_OK;
}

/* Gives the draft its name. link(2) refuses to replace what rename(2) would. */
static enum err_code put_in_place(int dir, const char *draft, const char *path, bool replace, struct err *e)
{
	if (replace ? seam->renameat(dir, draft, dir, path) == 0 : linkat(dir, draft, dir, path, 0) == 0)
		return ERR_OK;
	if (!replace && errno == EEXIST)
		FAIL(e, CONFLICT, "%s: it is there already", path);
	FAIL(e, IO, "%s: %s: %s", path, replace ? "rename" : "link", strerror(errno));
}

static enum err_code put(int dir, const char *path, mode_t mode, struct bytes content, bool replace, struct err *e)
{
	CLEANUP(close_p) int parent = -1;
	char draft[PATH_LEN];

	TRY(draft_name(path, draft, e));
	TRY(open_parent(dir, path, &parent, e));
	enum err_code rc = fill(dir, draft, mode, content, e);
	if (rc == ERR_OK)
		rc = put_in_place(dir, draft, path, replace, e);
	if (rc != ERR_OK || !replace)
		(void)unlinkat(dir, draft, 0); /* what stays behind is a draft that no one reads */
	TRY(rc);
	return file_sync_dir(parent, e);
}

enum err_code file_write(int dir, const char *path, mode_t mode, struct bytes content, struct err *e)
{
	return put(dir, path, mode, content, true, e);
}

enum err_code file_create(int dir, const char *path, mode_t mode, struct bytes content, struct err *e)
{
	errno = 0;
	/* not the guard, which is link(2), but then a refusal costs no draft */
	if (faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		FAIL(e, CONFLICT, "%s: it is there already", path);
	return put(dir, path, mode, content, false, e);
}

enum err_code file_make_folder(const char *path, mode_t mode, struct err *e)
{
	char part[4096];

	errno = 0;
	for (const char *p = path; p;) {
		p = strchr(p + 1, '/');
		int n = snprintf(part, sizeof part, "%.*s", p ? (int)(p - path) : (int)strlen(path), path);
		if (n < 0 || (size_t)n >= sizeof part)
			FAIL(e, CONFIG, "a path of %zu characters", strlen(path));
		if (mkdir(part, p ? 0755 : mode) != 0 && errno != EEXIST)
			FAIL(e, CONFIG, "%.200s: %s", part, strerror(errno));
	}
	return ERR_OK;
}

enum err_code file_make_folder_of(const char *path, struct err *e)
{
	char folder[4096];

	errno = 0;
	if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder)
		FAIL(e, CONFIG, "%.200s: its path is too long", path);
	return file_make_folder(dirname(folder), 0755, e);
}
