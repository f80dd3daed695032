#include "server/admin/archive.h"
#include "server/admin/place.h"
#include "server/admin/restore.h"

#include "base/seam.h"
#include "os/file.h"
#include "server/signer/signer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG     "chancery-ca.conf"
#define ROOT       "root.pem"
#define CONFIG_MAX (1u << 20)
#define DRAFT      "restore.tmp" /* in the state folder; what a restore that was broken off leaves */

/* What becomes of each file; NULL for what is only checked. */
struct sink {
	int draft; /* the folder that is filled; -1: none */
	const struct settings *settings;
	struct buf *config;
};

/* --- folders and owners --- */

/* The process whose folder the path is in; PROCESS__MAX: none. */
static enum process process_of(const char *path)
{
	struct bytes first, rest;

	if (!bytes_split(bytes_str(path), '/', &first, &rest))
		return PROCESS__MAX;
	for (unsigned who = PROCESS_PARENT + 1; who < PROCESS__MAX; who++)
		if (bytes_eq_str(first, process_name((enum process)who)))
			return (enum process)who;
	return PROCESS__MAX;
}

static enum err_code give(int fd, const char *path, uid_t uid, gid_t gid, mode_t mode, struct err *e)
{
	if (fchmod(fd, mode) != 0 || (getuid() == 0 && fchown(fd, uid, gid) != 0))
		FAIL(e, IO, "%s: %s", path, strerror(errno));
	return ERR_OK;
}

/* The folder of the path, made with those above it. */
static enum err_code make_folders(int draft, const char *path, uid_t uid, gid_t gid, int *ret, struct err *e)
{
	CLEANUP(close_p) int at = openat(draft, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *slash;
	char name[TAR_PATH_MAX + 1];

	if (at < 0)
		FAIL(e, IO, "the state folder: %s", strerror(errno));
	for (; (slash = strchr(path, '/')); path = slash + 1) {
		(void)snprintf(name, sizeof name, "%.*s", (int)(slash - path), path);
		if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
			FAIL(e, IO, "%s: %s", name, strerror(errno));
		int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (next < 0)
			FAIL(e, IO, "%s: %s", name, strerror(errno));
		close(at);
		at = next;
		TRY(give(at, name, uid, gid, 0700, e));
	}
	*ret = at;
	at = -1;
	return ERR_OK;
}

/* A new file for the entry; -1: it is not one that is put anywhere. */
static enum err_code make_file(const struct sink *k, const struct tar_entry *t, int *ret, struct err *e)
{
	enum process who = process_of(t->path);
	bool root = strcmp(t->path, ROOT) == 0;
	CLEANUP(close_p) int folder = -1, fd = -1;
	const char *slash = strrchr(t->path, '/');
	uid_t uid = getuid();
	gid_t gid = getgid();

	*ret = -1;
	if (k->draft < 0)
		return ERR_OK;
	if (who != PROCESS__MAX)
		TRY(place_user(k->settings, who, &uid, &gid, e));
	TRY(make_folders(k->draft, t->path, uid, gid, &folder, e));
	fd = seam->openat(folder, slash ? slash + 1 : t->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		FAIL(e, IO, "%s: %s", t->path, strerror(errno));
	TRY(give(fd, t->path, uid, gid, root ? 0644 : t->mode & 0600, e));
	*ret = fd;
	fd = -1;
	return ERR_OK;
}

/* --- the archive --- */

static enum err_code copy_content(
    struct archive_in *i, struct sha256_run *run, int fd, struct buf *text, uint8_t digest[SHA256_SIZE], struct err *e)
{
	struct bytes part;

	for (;;) {
		TRY(archive_read(i, &part, e));
		if (part.len == 0)
			break;
		sha256_run_add(run, part);
		if (text)
			buf_add(text, part);
		if (fd >= 0)
			TRY(file_write_all(fd, part, e));
	}
	sha256_run_end(run, digest);
	if (fd >= 0 && seam->fsync(fd) != 0)
		FAIL(e, IO, "fsync: %s", strerror(errno));
	return ERR_OK;
}

static enum err_code take_file(
    const struct sink *k, struct archive_in *i, struct sha256_run *run, const struct tar_entry *t, struct buf *lines, struct err *e)
{
	bool config = strcmp(t->path, CONFIG) == 0;
	CLEANUP(close_p) int fd = -1;
	uint8_t digest[SHA256_SIZE];
	struct err why = { 0 };

	errno = 0;
	if (!config && strcmp(t->path, ROOT) != 0 && process_of(t->path) == PROCESS__MAX)
		FAIL(e, MALFORMED, "the backup has a file \"%s\", which is of no process that this program knows", t->path);
	if (!config)
		TRY(make_file(k, t, &fd, e));
	enum err_code rc = copy_content(i, run, fd, config ? k->config : NULL, digest, &why);
	if (rc != ERR_OK)
		return err_set(e, rc, __FILE__, __LINE__, "%s: %s", t->path, why.detail);
	manifest_write_file(t, digest, lines);
	errno = 0;
	if (!buf_ok(lines) || (k->config && !buf_ok(k->config)))
		FAIL(e, TOO_LARGE, "the backup has more files, or a larger configuration, than any that chancery-ca makes");
	return ERR_OK;
}

/* The manifest is the last file. */
static enum err_code take_manifest(struct archive_in *i, struct sha256_run *run, struct bytes lines, struct manifest *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(MANIFEST_MAX);
	uint8_t digest[SHA256_SIZE];
	struct tar_entry t;

	TRY(copy_content(i, run, -1, &text, digest, e));
	errno = 0;
	if (!buf_ok(&text))
		FAIL(e, TOO_LARGE, "the backup's " MANIFEST_NAME " is larger than any that chancery-ca makes");
	TRY(manifest_check(buf_bytes(&text), lines, ret, e));
	enum err_code rc = archive_next(i, &t, e);
	if (rc == ERR_OK)
		FAIL(e, MALFORMED, "the backup goes on behind its " MANIFEST_NAME);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code take_all(const struct sink *k, struct archive_in *i, struct manifest *ret, struct err *e)
{
	CLEANUP(sha256_run_free_p) struct sha256_run *run = sha256_run_new();
	CLEANUP(buf_free_p) struct buf lines = buf_new(MANIFEST_MAX);
	struct tar_entry t;

	errno = 0;
	if (!run)
		FAIL(e, NOMEM, "no memory to read a backup");
	for (;;) {
		enum err_code rc = archive_next(i, &t, e);
		errno = 0;
		if (rc == ERR_NOT_FOUND)
			FAIL(e, MALFORMED, "the backup has no " MANIFEST_NAME ": it is cut off");
		TRY(rc);
		if (strcmp(t.path, MANIFEST_NAME) == 0)
			return take_manifest(i, run, buf_bytes(&lines), ret, e);
		TRY(take_file(k, i, run, &t, &lines, e));
	}
}

static enum err_code read_archive(const struct restore *r, const struct sink *k, struct manifest *ret, struct err *e)
{
	CLEANUP(archive_in_free_p) struct archive_in *i = NULL;
	CLEANUP(close_p) int fd = open(r->from, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		FAIL(e, CONFIG, "%s: %s", r->from, strerror(errno));
	TRY(archive_in_new(fd, r->passphrase, &i, e));
	return take_all(k, i, ret, e);
}

enum err_code restore_check(const struct restore *r, struct manifest *ret, struct buf *config, struct err *e)
{
	const struct sink k = { .draft = -1, .config = config };

	TRY(read_archive(r, &k, ret, e));
	errno = 0;
	if (config->len == 0)
		FAIL(e, MALFORMED, "the backup has no configuration");
	return ERR_OK;
}

/* --- into the state folder --- */

static void close_dir(DIR *d)
{
	closedir(d);
}
DEFINE_CLEANUP(DIR *, close_dir);

/* The name of something that is in the folder; empty: nothing. */
static enum err_code first_entry(int folder, char out[300], struct err *e)
{
	int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(close_dir_p) DIR *d = again >= 0 ? fdopendir(again) : NULL;
	struct dirent *entry;

	out[0] = 0;
	if (!d)
		FAIL(e, IO, "the state folder cannot be read: %s", strerror(errno));
	while (!out[0] && (entry = readdir(d)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, "lost+found") != 0)
			(void)snprintf(out, 300, "%s", entry->d_name);
	return ERR_OK;
}

static enum err_code open_state(const char *path, int *ret, struct err *e)
{
	char name[300];

	if (mkdir(path, 0755) != 0 && errno != EEXIST)
		FAIL(e, CONFIG, "%s: %s", path, strerror(errno));
	CLEANUP(close_p) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		FAIL(e, CONFIG, "%s: %s", path, strerror(errno));
	TRY(first_entry(fd, name, e));
	errno = 0;
	if (name[0])
		FAIL(e, CONFLICT, "%s is not empty, it has \"%s\": restore never overwrites a CA; move what is there away first", path,
		    name);
	*ret = fd;
	fd = -1;
	return ERR_OK;
}

static enum err_code check_log(int draft, struct err *e)
{
	CLEANUP(close_p) int signer = openat(draft, process_name(PROCESS_SIGNER), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct err why = { 0 };

	if (signer < 0)
		FAIL(e, MALFORMED, "the backup has no signer's folder");
	enum err_code rc = signer_log_walk(signer, NULL, NULL, NULL, &why);
	if (rc != ERR_OK)
		return err_set(e, rc, __FILE__, __LINE__, "the backup's log is not whole: %s", why.detail);
	return ERR_OK;
}

/* A process's folder that had nothing to be kept in it. */
static enum err_code make_empty(const struct settings *s, int draft, enum process who, struct err *e)
{
	CLEANUP(close_p) int folder = -1;
	char path[64];
	uid_t uid;
	gid_t gid;

	TRY(place_user(s, who, &uid, &gid, e));
	(void)snprintf(path, sizeof path, "%s/", process_name(who));
	return make_folders(draft, path, uid, gid, &folder, e);
}

/* The signer's folder is the last: without it nothing starts. */
static enum err_code move_up(const struct settings *s, int state, int draft, struct err *e)
{
	if (renameat(draft, ROOT, state, ROOT) != 0 && errno != ENOENT)
		FAIL(e, IO, "%s: %s", ROOT, strerror(errno));
	for (unsigned who = PROCESS_PARENT + 1; who < PROCESS__MAX; who++) {
		const char *name = process_name((enum process)who);
		if (who == PROCESS_SIGNER || !place_has_user(s, (enum process)who))
			continue;
		if (who == PROCESS_KEYHOLDER && faccessat(draft, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
			continue; /* the parent makes it when it is needed */
		TRY(make_empty(s, draft, (enum process)who, e));
		if (renameat(draft, name, state, name) != 0)
			FAIL(e, IO, "%s: %s", name, strerror(errno));
	}
	TRY(file_sync_dir(state, e));
	const char *name = process_name(PROCESS_SIGNER);
	if (renameat(draft, name, state, name) != 0 || unlinkat(state, DRAFT, AT_REMOVEDIR) != 0)
		FAIL(e, IO, "%s: %s", name, strerror(errno));
	return file_sync_dir(state, e);
}

static enum err_code fill_draft(const struct restore *r, const struct settings *s, int state, struct manifest *ret, struct err *e)
{
	CLEANUP(close_p) int draft = -1;
	struct sink k = { .settings = s };

	if (mkdirat(state, DRAFT, 0700) != 0 || (draft = openat(state, DRAFT, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		FAIL(e, IO, "the state folder: %s", strerror(errno));
	k.draft = draft;
	TRY(read_archive(r, &k, ret, e));
	TRY(check_log(draft, e));
	return move_up(s, state, draft, e);
}

enum err_code restore_put(const struct restore *r, const struct settings *s, struct manifest *ret, struct err *e)
{
	CLEANUP(close_p) int state = -1;
	char path[4096];
	struct err why = { 0 };

	errno = 0;
	if ((size_t)snprintf(path, sizeof path, "%.*s", BYTES_FMT(s->state_folder)) >= sizeof path)
		FAIL(e, CONFIG, "the state folder has too long a name");
	TRY(open_state(path, &state, e));
	enum err_code rc = fill_draft(r, s, state, ret, &why);
	if (rc == ERR_OK)
		return ERR_OK;
	errno = why.sys;
	return err_set(
	    e, rc, __FILE__, __LINE__, "%s; what was restored so far is in %s/" DRAFT ": remove it before the next try", why.detail, path);
}
