#include "server/admin/backup_inside.h"

#include "base/codec.h"
#include "base/seam.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_MAX     (1u << 20)
#define CHECKPOINT_MAX 4096
#define PART           65536

/* --- files into the archive --- */

static enum err_code begin(struct making *m, const struct tar_entry *t, struct err *e)
{
	errno = 0;
	if (m->report->manifest.files == MANIFEST_FILES_MAX)
		FAIL(e, TOO_LARGE, "a backup has at most %d files", MANIFEST_FILES_MAX);
	return archive_begin(m->out, t, e);
}

static enum err_code end(struct making *m, const struct tar_entry *t, struct err *e)
{
	uint8_t digest[SHA256_SIZE];

	TRY(archive_end(m->out, digest, e));
	manifest_write_file(t, digest, &m->lines);
	m->report->manifest.files++;
	errno = 0;
	if (!buf_ok(&m->lines))
		FAIL(e, NOMEM, "no memory for the backup's manifest");
	return ERR_OK;
}

static enum err_code add_part(struct making *m, int fd, uint8_t *part, uint64_t at, uint64_t size, size_t *ret, struct err *e)
{
	size_t n = size - at < PART ? (size_t)(size - at) : PART;
	ssize_t got = seam->pread(fd, part, n, (off_t)at);

	*ret = 0;
	if (got < 0 && errno == EINTR)
		return ERR_OK;
	if (got <= 0)
		FAIL(e, IO, "%s", got < 0 ? strerror(errno) : "it has become shorter while it was read");
	*ret = (size_t)got;
	return archive_add(m->out, (struct bytes){ part, (size_t)got }, e);
}

static struct tar_entry entry_of(const struct making *m, const char *path, const char *owner, uint32_t mode, uint64_t size)
{
	struct tar_entry t = { .size = size, .mode = mode, .time_s = m->report->manifest.made_s };

	(void)snprintf(t.path, sizeof t.path, "%s", path);
	(void)snprintf(t.owner, sizeof t.owner, "%s", owner);
	return t;
}

enum err_code backup_put_file(struct making *m, const char *path, const char *owner, uint32_t mode, int fd, uint64_t size, struct err *e)
{
	struct tar_entry t = entry_of(m, path, owner, mode, size);
	uint8_t part[PART];
	enum err_code rc = ERR_OK;
	struct err why = { 0 };
	size_t n;

	TRY(begin(m, &t, e));
	for (uint64_t at = 0; rc == ERR_OK && at < size; at += n)
		rc = add_part(m, fd, part, at, size, &n, &why);
	crypto_wipe(part, sizeof part);
	if (rc != ERR_OK)
		return err_set(e, rc, __FILE__, __LINE__, "%s: %s", path, why.detail);
	return end(m, &t, e);
}

enum err_code backup_put_bytes(struct making *m, const char *path, const char *owner, uint32_t mode, struct bytes content, struct err *e)
{
	struct tar_entry t = entry_of(m, path, owner, mode, content.len);

	TRY(begin(m, &t, e));
	TRY(archive_add(m->out, content, e));
	return end(m, &t, e);
}

/* --- the order of things --- */

static enum err_code put_config(struct making *m, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(CONFIG_MAX), root = buf_new(CONFIG_MAX);
	char path[4200];

	TRY(file_read(AT_FDCWD, m->request->config, CONFIG_MAX, &text, e));
	TRY(backup_put_bytes(m, "chancery-ca.conf", "root", 0644, buf_bytes(&text), e));
	(void)snprintf(path, sizeof path, "%.*s/root.pem", BYTES_FMT(m->request->settings->state_folder));
	enum err_code rc = file_read(AT_FDCWD, path, CONFIG_MAX, &root, e);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;
	TRY(rc);
	return backup_put_bytes(m, "root.pem", "root", 0644, buf_bytes(&root), e);
}

static enum err_code put_database(struct making *m, int fd, struct err *e)
{
	struct stat s;

	if (fd < 0)
		return ERR_OK;
	if (fstat(fd, &s) != 0)
		FAIL(e, IO, "the database's copy: %s", strerror(errno));
	m->report->manifest.database = true;
	return backup_put_file(m, "front/store.db", "front", 0600, fd, (uint64_t)s.st_size, e);
}

/* The signer's newest checkpoint is read before its log: what it has seen is in what follows. */
static enum err_code put_log(struct making *m, struct err *e)
{
	CLEANUP(buf_free_p) struct buf checkpoint = buf_new(CHECKPOINT_MAX);

	enum err_code rc = file_read(m->signer.fd, "checkpoint", CHECKPOINT_MAX, &checkpoint, e);
	if (rc != ERR_OK && rc != ERR_NOT_FOUND)
		return rc;
	if (rc == ERR_OK)
		TRY(backup_put_bytes(m, "signer/checkpoint", "signer", 0600, buf_bytes(&checkpoint), e));
	return backup_log(m, e);
}

static enum err_code put_manifest(struct making *m, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(MANIFEST_MAX);
	struct tar_entry t = entry_of(m, MANIFEST_NAME, "root", 0600, 0);
	uint8_t digest[SHA256_SIZE];

	manifest_write_head(&m->report->manifest, &text);
	buf_add(&text, buf_bytes(&m->lines));
	errno = 0;
	if (!buf_ok(&text))
		FAIL(e, NOMEM, "no memory for the backup's manifest");
	t.size = text.len;
	TRY(archive_begin(m->out, &t, e));
	TRY(archive_add(m->out, buf_bytes(&text), e));
	TRY(archive_end(m->out, digest, e));
	return archive_finish(m->out, e);
}

static enum err_code put_all(struct making *m, int database, struct err *e)
{
	TRY(put_config(m, e));
	TRY(put_database(m, database, e));
	TRY(put_log(m, e));
	TRY(backup_files(m, e));
	return put_manifest(m, e);
}

/* --- the file --- */

struct target {
	char folder[4096], name[256], draft[300];
	int dir;
};

static void name_by_time(const struct backup_request *q, int64_t made_s, char out[256])
{
	struct civil c = civil_from_unix(made_s);

	(void)snprintf(out, 256, "chancery-%04d%02d%02dT%02d%02d%02dZ.tar%s", c.year, c.month, c.day, c.hour, c.minute, c.second,
	    q->passphrase.len > 0 ? ".sealed" : "");
}

static enum err_code find_target(const struct backup_request *q, int64_t made_s, struct target *ret, struct err *e)
{
	struct target t = { .dir = -1 };
	const char *slash = strrchr(q->to, '/');
	struct stat s;

	errno = 0;
	if (strlen(q->to) >= sizeof t.folder || !*q->to)
		FAIL(e, CONFIG, "the backup's path is empty or too long");
	if (stat(q->to, &s) == 0 && S_ISDIR(s.st_mode)) {
		(void)snprintf(t.folder, sizeof t.folder, "%s", q->to);
		name_by_time(q, made_s, t.name);
	} else {
		(void)snprintf(
		    t.folder, sizeof t.folder, "%.*s", slash ? (int)(slash == q->to ? 1 : slash - q->to) : 1, slash ? q->to : ".");
		if ((size_t)snprintf(t.name, sizeof t.name, "%s", slash ? slash + 1 : q->to) >= sizeof t.name || !*t.name)
			FAIL(e, CONFIG, "%s: this is no name for a file", q->to);
	}
	t.dir = open(t.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t.dir < 0)
		FAIL(e, CONFIG, "%s: %s", t.folder, strerror(errno));
	*ret = t;
	return ERR_OK;
}

static enum err_code check_target(const struct target *t, struct err *e)
{
	errno = 0;
	if (faccessat(t->dir, t->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		FAIL(e, CONFLICT, "%s/%s is there already: a backup never overwrites anything", t->folder, t->name);
	return ERR_OK;
}

static enum err_code fill(struct making *m, struct target *t, int fd, int database, struct err *e)
{
	struct stat s;

	TRY(archive_out_new(fd, m->request->passphrase, &m->out, e));
	TRY(put_all(m, database, e));
	if (seam->fsync(fd) != 0 || fstat(fd, &s) != 0)
		FAIL(e, IO, "%s/%s: %s", t->folder, t->name, strerror(errno));
	m->report->size = (uint64_t)s.st_size;
	/* link(2) refuses to replace what rename(2) would */
	if (linkat(t->dir, t->draft, t->dir, t->name, 0) != 0)
		FAIL(e, IO, "%s/%s: %s", t->folder, t->name, strerror(errno));
	return ERR_OK;
}

static enum err_code write_file(struct making *m, struct target *t, struct err *e)
{
	CLEANUP(close_p) int database = -1, fd = -1;
	uint8_t random[8];
	char suffix[HEX_LEN(sizeof random) + 1];

	TRY(check_target(t, e));
	TRY(backup_database(&m->front, t->folder, &database, e));
	random_bytes(random, sizeof random);
	hex_encode(BYTES_ARRAY(random), suffix);
	(void)snprintf(t->draft, sizeof t->draft, "%s.%s.tmp", t->name, suffix);
	fd = seam->openat(t->dir, t->draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		FAIL(e, IO, "%s/%s: %s", t->folder, t->draft, strerror(errno));
	enum err_code rc = fill(m, t, fd, database, e);
	(void)unlinkat(t->dir, t->draft, 0);
	TRY(rc);
	return file_sync_dir(t->dir, e);
}

static enum err_code run(struct making *m, struct target *t, struct err *e)
{
	TRY(place_open(m->request->settings, PROCESS_FRONT, &m->front, e));
	TRY(place_open(m->request->settings, PROCESS_SIGNER, &m->signer, e));
	TRY(find_target(m->request, m->report->manifest.made_s, t, e));
	TRY(write_file(m, t, e));
	(void)snprintf(m->report->path, sizeof m->report->path, "%s%s%s", t->folder, strcmp(t->folder, "/") == 0 ? "" : "/", t->name);
	return ERR_OK;
}

enum err_code backup(const struct backup_request *q, struct backup_report *ret, struct err *e)
{
	struct backup_report report = { .sealed = q->passphrase.len > 0,
		.manifest = { .made_s = clock_wall_ms() / 1000, .keys = q->keys } };
	struct making m = {
		.request = q, .report = &report, .front = { .fd = -1 }, .signer = { .fd = -1 }, .lines = buf_new(MANIFEST_MAX)
	};
	struct target t = { .dir = -1 };

	errno = 0;
	if (q->keys && q->passphrase.len == 0)
		FAIL(e, CONFIG, "a backup with keys is encrypted: it needs a passphrase");
	enum err_code rc = run(&m, &t, e);
	archive_out_free(m.out);
	buf_free(&m.lines);
	place_close(&m.front);
	place_close(&m.signer);
	close_p(&t.dir);
	if (rc == ERR_OK)
		*ret = report;
	return rc;
}
