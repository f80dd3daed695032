/* What is neither database nor log: certificates, keys and secrets. Nothing is public unless the table says so. */
#include "server/admin/backup_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX  3
#define OTHERS_MAX 2000
#define SIZE_MAX_  (64u << 20) /* of one of them */

enum kind { KIND_LEFT_OUT, KIND_PUBLIC };
/* The first that fits. What fits none is secret: only a backup with keys has it. */
static const struct {
	const char *pattern;
	enum kind kind;
} rules[] = {
	{ "front/store.db*", KIND_LEFT_OUT }, /* database, log and checkpoint are taken in their order */
	{ "signer/log", KIND_LEFT_OUT },
	{ "signer/checkpoint", KIND_LEFT_OUT },
	{ "signer/root.pem", KIND_PUBLIC },
	{ "signer/issuer.pem", KIND_PUBLIC },
	{ "signer/issuers/*/issuer.pem", KIND_PUBLIC },
	{ "signer/issuers/*/root.pem", KIND_PUBLIC },
	{ "signer/issuers/*/root.crl", KIND_PUBLIC },
	{ "signer/issuers/*/key.uri", KIND_PUBLIC },
};

static void close_dir(DIR *d)
{
	closedir(d);
}
DEFINE_CLEANUP(DIR *, close_dir);

static bool is_wanted(const struct making *m, const char *path)
{
	if (bytes_ends_with(bytes_str(path), BYTES_LIT(".tmp")))
		return false;
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (fnmatch(rules[i].pattern, path, FNM_PATHNAME) == 0)
			return rules[i].kind == KIND_PUBLIC;
	return m->request->keys;
}

/* A folder is gone through for what may be public in it. */
static bool is_left_out(const char *path)
{
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (rules[i].kind == KIND_LEFT_OUT && fnmatch(rules[i].pattern, path, FNM_PATHNAME) == 0)
			return true;
	return false;
}

static enum err_code put_other(struct making *m, int dir, const char *name, const char *path, const char *owner, struct err *e)
{
	CLEANUP(close_p) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat s;

	if (fd < 0 && errno == ENOENT) /* replaced or removed just now, by a server that runs */
		return ERR_OK;
	if (fd < 0 || fstat(fd, &s) != 0)
		FAIL(e, IO, "%s: %s", path, strerror(errno));
	errno = 0;
	if (!S_ISREG(s.st_mode) || s.st_size > (off_t)SIZE_MAX_ || ++m->others > OTHERS_MAX)
		FAIL(e, CONFIG, "%s: a backup takes regular files of at most %u MiB, and %d beside database and log", path, SIZE_MAX_ >> 20,
		    OTHERS_MAX);
	return backup_put_file(m, path, owner, s.st_mode & 0600, fd, (uint64_t)s.st_size, e);
}

static enum err_code put_folder(struct making *m, int dir, const char *path, const char *owner, unsigned depth, struct err *e);

static enum err_code put_entry(
    struct making *m, int dir, const char *name, const char *path, const char *owner, unsigned depth, struct err *e)
{
	struct stat s;

	if (fstatat(dir, name, &s, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? ERR_OK : err_set(e, ERR_IO, __FILE__, __LINE__, "%s: %s", path, strerror(errno));
	if (S_ISREG(s.st_mode))
		return is_wanted(m, path) ? put_other(m, dir, name, path, owner, e) : ERR_OK;
	if (!S_ISDIR(s.st_mode) || depth == DEPTH_MAX || is_left_out(path))
		return ERR_OK; /* no link is followed, no socket read */
	CLEANUP(close_p) int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (sub < 0)
		FAIL(e, IO, "%s: %s", path, strerror(errno));
	return put_folder(m, sub, path, owner, depth + 1, e);
}

static enum err_code put_folder(struct making *m, int dir, const char *path, const char *owner, unsigned depth, struct err *e)
{
	int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(close_dir_p) DIR *d = again >= 0 ? fdopendir(again) : NULL;
	struct dirent *entry;
	char below[TAR_PATH_MAX + 1];

	if (!d)
		FAIL(e, IO, "%s: %s", path, strerror(errno));
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(below, sizeof below, "%s/%s", path, entry->d_name) >= sizeof below)
			FAIL(e, TOO_LARGE, "%s: it has a file with too long a name for a backup", path);
		TRY(put_entry(m, dir, entry->d_name, below, owner, depth, e));
	}
	return ERR_OK;
}

enum err_code backup_files(struct making *m, struct err *e)
{
	for (unsigned who = PROCESS_PARENT + 1; who < PROCESS__MAX; who++) {
		struct place p = { .fd = -1 };
		enum err_code rc = place_open(m->request->settings, (enum process)who, &p, e);
		if (rc == ERR_NOT_FOUND)
			continue; /* a process that this CA does not need */
		TRY(rc);
		rc = put_folder(m, p.fd, process_name((enum process)who), process_name((enum process)who), 0, e);
		place_close(&p);
		TRY(rc);
	}
	return ERR_OK;
}
