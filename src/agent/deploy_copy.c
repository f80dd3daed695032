/* Copies of a certificate's files, and servers' bundles: whole or not there, the previous one beside until the new one has proved good. */
#include "agent/deploy_target.h"

#include "base/seam.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREVIOUS ".previous"
#define DRAFT    ".draft"
#define BOTH_MAX (2 * STORAGE_FILE_MAX)

const char *deploy_path(struct deploy_job *j, const char *file)
{
	const char *path = (const char *)arena_fmt(j->arena, "%s/%s", storage_path(j->storage), file).ptr;

	return path ? path : "/nonexistent";
}

static const char *beside(struct deploy_job *j, const char *path, const char *suffix)
{
	const char *name = (const char *)arena_fmt(j->arena, "%s%s", path, suffix).ptr;

	return name ? name : "/nonexistent";
}

/* --- what is ours --- */

static bool same_file(const struct stat *st, const char *path)
{
	struct stat other;

	return stat(path, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* A folder of HAProxy's: when our bundle lies, or is linked, in it. */
static bool is_in_folder(const struct deploy_run *r, const char *folder)
{
	const char *name = r->wish->target->bundle;
	struct stat st;

	for (size_t i = 0; i < r->job->wish->n_copies; i++) {
		const char *path = r->job->wish->copies[i].path, *slash = strrchr(path, '/');
		const char *parent = (const char *)arena_fmt(r->arena, "%.*s/", (int)(slash - path), path).ptr;
		if (parent && stat(folder, &st) == 0 && same_file(&st, parent))
			return true;
	}
	const char *link = (const char *)arena_fmt(r->arena, "%s/%s.pem", folder, r->job->name).ptr;
	return name && link && stat(link, &st) == 0 && same_file(&st, deploy_path(r->job, name));
}

bool deploy_is_ours(const struct deploy_run *r, const char *path)
{
	static const char *const files[] = { "fullchain", "cert", "privkey" };
	const struct deploy_job *j = r->job;
	char file[128];
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	if (S_ISDIR(st.st_mode))
		return is_in_folder(r, path);
	for (size_t i = 0; i < sizeof files / sizeof *files * j->n_suffixes; i++) {
		(void)snprintf(file, sizeof file, "live/%s%.32s.pem", files[i / j->n_suffixes], j->suffixes[i % j->n_suffixes]);
		if (same_file(&st, deploy_path(r->job, file)))
			return true;
	}
	for (size_t i = 0; i < j->wish->n_copies; i++)
		if (same_file(&st, j->wish->copies[i].path))
			return true;
	return r->wish->target->bundle && same_file(&st, deploy_path(r->job, r->wish->target->bundle));
}

/* --- writing --- */

static enum err_code read_what(struct deploy_job *j, enum deploy_what what, struct buf *out, struct err *e)
{
	static const char *const files[] = { "live/privkey.pem", "live/cert.pem", "live/chain.pem", "live/fullchain.pem" };

	if (what != DEPLOY_BOTH)
		return file_read(AT_FDCWD, deploy_path(j, files[what]), STORAGE_FILE_MAX, out, e);
	TRY(file_read(AT_FDCWD, deploy_path(j, "live/fullchain.pem"), STORAGE_FILE_MAX, out, e));
	CLEANUP(buf_free_p) struct buf key = buf_new_secret(STORAGE_FILE_MAX);
	TRY(file_read(AT_FDCWD, deploy_path(j, "live/privkey.pem"), STORAGE_FILE_MAX, &key, e));
	buf_add(out, buf_bytes(&key));
	if (!buf_ok(out))
		FAIL(e, NOMEM, "no memory for a copy");
	return ERR_OK;
}

/* A name or a number. */
static enum err_code find_user(const char *text, uid_t *ret, struct err *e)
{
	char *end;
	const struct passwd *p = getpwnam(text);
	unsigned long n = strtoul(text, &end, 10);

	errno = 0;
	if (!p && (*end || text[0] < '0' || text[0] > '9'))
		FAIL(e, CONFIG, "there is no user %.60s", text);
	*ret = p ? p->pw_uid : (uid_t)n;
	return ERR_OK;
}

static enum err_code find_group(const char *text, gid_t *ret, struct err *e)
{
	char *end;
	const struct group *g = getgrnam(text);
	unsigned long n = strtoul(text, &end, 10);

	errno = 0;
	if (!g && (*end || text[0] < '0' || text[0] > '9'))
		FAIL(e, CONFIG, "there is no group %.60s", text);
	*ret = g ? g->gr_gid : (gid_t)n;
	return ERR_OK;
}

static enum err_code write_draft(const char *draft, const struct deploy_copy *c, struct bytes content, struct err *e)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;

	if (c->owner)
		TRY(find_user(c->owner, &uid, e));
	if (c->group)
		TRY(find_group(c->group, &gid, e));
	(void)unlink(draft);
	CLEANUP(close_p) int fd = seam->openat(AT_FDCWD, draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		FAIL(e, IO, "%.200s: %s", draft, strerror(errno));
	TRY(file_write_all(fd, content, e));
	/* Others may read it only when it has its owner. */
	if (((c->owner || c->group) && fchown(fd, uid, gid) != 0) || fchmod(fd, c->mode) != 0 || seam->fsync(fd) != 0)
		FAIL(e, IO, "%.200s: %s", draft, strerror(errno));
	return ERR_OK;
}

static bool is_same(const char *path, struct bytes content)
{
	CLEANUP(buf_free_p) struct buf present = buf_new_secret(BOTH_MAX);

	return file_read(AT_FDCWD, path, BOTH_MAX, &present, NULL) == ERR_OK && bytes_eq(buf_bytes(&present), content);
}

static enum err_code write_copy(struct deploy_job *j, const struct deploy_copy *c, struct err *e)
{
	CLEANUP(buf_free_p) struct buf content = buf_new_secret(BOTH_MAX);
	const char *draft = beside(j, c->path, DRAFT), *previous = beside(j, c->path, PREVIOUS);

	TRY(read_what(j, c->what, &content, e));
	(void)unlink(previous); /* of a run that did not end: what is there now is what counts */
	if (is_same(c->path, buf_bytes(&content)))
		return ERR_OK;
	enum err_code rc = write_draft(draft, c, buf_bytes(&content), e);
	if (rc == ERR_OK && link(c->path, previous) != 0 && errno != ENOENT)
		rc = err_set(e, ERR_IO, __FILE__, __LINE__, "%.200s: %s", previous, strerror(errno));
	if (rc == ERR_OK && seam->renameat(AT_FDCWD, draft, AT_FDCWD, c->path) != 0)
		rc = err_set(e, ERR_IO, __FILE__, __LINE__, "%.200s: %s", c->path, strerror(errno));
	(void)unlink(draft);
	return rc;
}

/* --- all of them --- */

static bool nth(struct deploy_job *j, size_t i, struct deploy_copy *ret)
{
	const struct deploy_wish *w = j->wish;

	if (i < w->n_copies) {
		*ret = w->copies[i];
		return true;
	}
	for (size_t t = 0, at = w->n_copies; t < w->n_targets; t++) {
		const char *bundle = w->targets[t].target->bundle;
		if (bundle && at++ == i) {
			*ret = (struct deploy_copy){ .what = DEPLOY_BOTH, .path = deploy_path(j, bundle), .mode = 0600 };
			return true;
		}
	}
	return false;
}

enum err_code deploy_copies_write(struct deploy_job *j, struct err *e)
{
	struct deploy_copy c;

	for (size_t i = 0; nth(j, i, &c); i++) {
		struct err why = { 0 };
		enum err_code rc = write_copy(j, &c, &why);
		deploy_note(j, DEPLOY_INSTALL, c.path, rc == ERR_OK, why.detail);
		if (rc != ERR_OK) {
			(void)err_set(e, rc, __FILE__, __LINE__, "a copy cannot be written: %.250s", why.detail);
			return rc;
		}
	}
	return ERR_OK;
}

void deploy_copies_keep(struct deploy_job *j)
{
	struct deploy_copy c;

	for (size_t i = 0; nth(j, i, &c); i++)
		(void)unlink(beside(j, c.path, PREVIOUS));
}

enum err_code deploy_copies_undo(struct deploy_job *j, struct err *e)
{
	struct deploy_copy c;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; nth(j, i, &c); i++)
		if (seam->renameat(AT_FDCWD, beside(j, c.path, PREVIOUS), AT_FDCWD, c.path) != 0 && errno != ENOENT)
			rc = err_set(e, ERR_IO, __FILE__, __LINE__, "%.200s: %s", c.path, strerror(errno));
	return rc;
}
