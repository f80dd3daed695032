#include "os/file.h"

#include "base/codec.h"
#include "base/seam.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART 16384

enum err_code file_read(int dir, const char *path, size_t max, struct buf *out, struct err *e)
{
	CLEANUP(close_p) int fd = seam->openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
	off_t at = 0;

	if (fd < 0) {
		if (errno == ENOENT)
			FAIL(e, NOT_FOUND, "%s: there is no such file", path);
		FAIL(e, IO, "%s: %s", path, strerror(errno));
	}
	for (;;) {
		uint8_t part[PART];
		ssize_t n = seam->pread(fd, part, sizeof part, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			FAIL(e, IO, "%s: %s", path, strerror(errno));
		if (n > 0 && (size_t)at + (size_t)n > max)
			FAIL(e, TOO_LARGE, "%s: more than %zu bytes", path, max);
		buf_add(out, (struct bytes){ part, (size_t)n });
		if (out->secret)
			explicit_bzero(part, sizeof part);
		if (n == 0)
			break;
		at += n;
	}
	if (!buf_ok(out))
		FAIL(e, NOMEM, "%s: no memory for it", path);
	return ERR_OK;
}

enum err_code file_write_all(int fd, struct bytes content, struct err *e)
{
	while (content.len > 0) {
		ssize_t n = seam->write(fd, content.ptr, content.len);
		if (n < 0 && errno == EINTR)
			continue;
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
	char folder[4096] = ".";
	const char *slash = strrchr(path, '/');

	if (slash && (size_t)(slash - path) + 2 > sizeof folder)
		FAIL(e, IO, "a path of %zu characters", strlen(path));
	if (slash)
		(void)snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	int fd = seam->openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		FAIL(e, IO, "%s: %s", folder, strerror(errno));
	*ret = fd;
	return ERR_OK;
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

enum err_code file_write(int dir, const char *path, mode_t mode, struct bytes content, struct err *e)
{
	CLEANUP(close_p) int parent = -1;
	uint8_t random[8];
	char suffix[HEX_LEN(sizeof random) + 1], draft[4096];

	random_bytes(random, sizeof random);
	hex_encode(BYTES_ARRAY(random), suffix);
	int n = snprintf(draft, sizeof draft, "%s.%s.tmp", path, suffix);
	if (n < 0 || (size_t)n >= sizeof draft)
		FAIL(e, IO, "a path of %zu characters", strlen(path));
	TRY(open_parent(dir, path, &parent, e));
	enum err_code rc = fill(dir, draft, mode, content, e);
	if (rc == ERR_OK && seam->renameat(dir, draft, dir, path) != 0)
		rc = err_set(e, ERR_IO, __FILE__, __LINE__, "%s: rename: %s", path, strerror(errno));
	if (rc != ERR_OK) {
		(void)unlinkat(dir, draft, 0);
		return rc;
	}
	return file_sync_dir(parent, e);
}

/* link(2) refuses to replace what rename(2) would: so the name appears with its whole content or not at all. */
enum err_code file_create(int dir, const char *path, mode_t mode, struct bytes content, struct err *e)
{
	CLEANUP(close_p) int parent = -1;
	char draft[4096];

	int n = snprintf(draft, sizeof draft, "%s.new.tmp", path);
	if (n < 0 || (size_t)n >= sizeof draft)
		FAIL(e, IO, "a path of %zu characters", strlen(path));
	if (faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		FAIL(e, CONFLICT, "%s: it is there already", path);
	TRY(open_parent(dir, path, &parent, e));
	(void)unlinkat(dir, draft, 0); /* of one that died here */
	enum err_code rc = fill(dir, draft, mode, content, e);
	if (rc == ERR_OK && linkat(dir, draft, dir, path, 0) != 0)
		rc = err_set(e, errno == EEXIST ? ERR_CONFLICT : ERR_IO, __FILE__, __LINE__, "%s: %s", path, strerror(errno));
	(void)unlinkat(dir, draft, 0);
	TRY(rc);
	return file_sync_dir(parent, e);
}
