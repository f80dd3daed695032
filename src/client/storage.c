#include "client/storage.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/seam.h"
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define GENERATIONS     "generations"
#define LIVE            "live"
#define LIVE_DRAFT      "live.tmp" /* only the lock's holder makes one */
#define TEST_FILE       ".write-test"
#define TEST_SIZE       65536 /* about what a generation takes */
#define GENERATIONS_MAX 1024

struct storage {
	char *path;
	int dir, generations, lock;
};

static const struct {
	const char *name;
	mode_t mode;
} files[STORAGE_FILES] = {
	[STORAGE_PRIVKEY] = { "privkey.pem", 0600 },
	[STORAGE_CERT] = { "cert.pem", 0644 },
	[STORAGE_CHAIN] = { "chain.pem", 0644 },
	[STORAGE_FULLCHAIN] = { "fullchain.pem", 0644 },
	[STORAGE_META] = { "meta.json", 0644 },
};

const char *storage_file_name(enum storage_file f)
{
	return files[f].name;
}

const char *storage_path(const struct storage *s)
{
	return s->path;
}

void storage_free(struct storage *s)
{
	if (!s)
		return;
	close_p(&s->lock); /* and with it the lock */
	close_p(&s->generations);
	close_p(&s->dir);
	free(s->path);
	free(s);
}

/* --- opening --- */

/* Every folder of the path that is missing; all of them durable. */
static enum err_code make_path(const char *path, struct err *e)
{
	char part[4096];

	for (const char *p = path; p;) {
		p = strchr(p + 1, '/');
		int n = snprintf(part, sizeof part, "%.*s", p ? (int)(p - path) : (int)strlen(path), path);
		if (n < 0 || (size_t)n >= sizeof part)
			FAIL(e, CONFIG, "a path of %zu characters", strlen(path));
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			FAIL(e, CONFIG, "%.200s: %s", part, strerror(errno));
	}
	return ERR_OK;
}

static enum err_code open_dir(int at, const char *path, const char *shown, int *ret, struct err *e)
{
	int fd = seam->openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd < 0)
		FAIL(e, CONFIG, "%.200s: %s", shown, strerror(errno));
	*ret = fd;
	return ERR_OK;
}

static enum err_code take_lock(struct storage *s, struct err *e)
{
	s->lock = seam->openat(s->dir, ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock < 0)
		FAIL(e, CONFIG, "%.200s/.lock: %s", s->path, strerror(errno));
	if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return ERR_OK;
	if (errno == EWOULDBLOCK)
		FAIL(e, BUSY, "another run is busy with %.200s", s->path);
	FAIL(e, IO, "%.200s/.lock: %s", s->path, strerror(errno));
}

static enum err_code try_writing(struct storage *s, struct err *e)
{
	struct err why = { 0 };
	uint8_t *zeros = calloc(1, TEST_SIZE);

	if (!zeros)
		FAIL(e, NOMEM, "no memory to try the storage");
	enum err_code rc = file_write(s->generations, TEST_FILE, 0600, (struct bytes){ zeros, TEST_SIZE }, &why);
	(void)unlinkat(s->generations, TEST_FILE, 0);
	free(zeros);
	if (rc != ERR_OK)
		FAIL(e, CONFIG, "%.150s cannot be written to: %.150s", s->path, why.detail);
	return ERR_OK;
}

enum err_code storage_open(const char *folder, const char *name, struct storage **ret, struct err *e)
{
	CLEANUP(storage_free_p) struct storage *s = calloc(1, sizeof *s);

	if (!s)
		FAIL(e, NOMEM, "no memory for the storage");
	s->dir = s->generations = s->lock = -1;
	if (asprintf(&s->path, "%s/%s", folder, name) < 0) {
		s->path = NULL;
		FAIL(e, NOMEM, "no memory for the storage");
	}
	TRY(make_path(s->path, e));
	char *absolute = realpath(s->path, NULL); /* what is shown shall be found from anywhere */
	if (absolute) {
		free(s->path);
		s->path = absolute;
	}
	TRY(open_dir(AT_FDCWD, s->path, s->path, &s->dir, e));
	TRY(take_lock(s, e));
	if (mkdirat(s->dir, GENERATIONS, 0755) != 0 && errno != EEXIST)
		FAIL(e, CONFIG, "%.200s/" GENERATIONS ": %s", s->path, strerror(errno));
	TRY(open_dir(s->dir, GENERATIONS, s->path, &s->generations, e));
	TRY(try_writing(s, e));
	*ret = TAKE(s);
	return ERR_OK;
}

/* --- reading and writing --- */

enum err_code storage_read(struct storage *s, enum storage_file f, struct buf *out, struct err *e)
{
	char path[64];

	(void)snprintf(path, sizeof path, LIVE "/%s", files[f].name);
	return file_read(s->dir, path, STORAGE_FILE_MAX, out, e);
}

/* The time first, so that names sort by age; the random part keeps two of one second apart. */
static void make_id(char id[STORAGE_ID_SIZE])
{
	uint8_t random[4];
	char hex[HEX_LEN(sizeof random) + 1];
	struct civil c = civil_from_unix(clock_wall_ms() / 1000);

	random_bytes(random, sizeof random);
	hex_encode(BYTES_ARRAY(random), hex);
	(void)snprintf(id, STORAGE_ID_SIZE, "%04u%02u%02uT%02u%02u%02uZ-%s", (unsigned)c.year % 10000, (unsigned)c.month % 100,
	    (unsigned)c.day % 100, (unsigned)c.hour % 100, (unsigned)c.minute % 100, (unsigned)c.second % 100, hex);
}

static void remove_generation(struct storage *s, const char *id)
{
	CLEANUP(close_p) int dir = openat(s->generations, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	for (size_t f = 0; dir >= 0 && f < STORAGE_FILES; f++)
		(void)unlinkat(dir, files[f].name, 0);
	(void)unlinkat(s->generations, id, AT_REMOVEDIR);
}

static enum err_code fill(struct storage *s, const char *id, const struct bytes content[STORAGE_FILES], struct err *e)
{
	CLEANUP(close_p) int dir = -1;

	if (mkdirat(s->generations, id, 0755) != 0)
		FAIL(e, IO, "%.200s/" GENERATIONS "/%s: %s", s->path, id, strerror(errno));
	TRY(open_dir(s->generations, id, id, &dir, e));
	for (size_t f = 0; f < STORAGE_FILES; f++)
		TRY(file_create(dir, files[f].name, files[f].mode, content[f], e)); /* with fsync of file and folder */
	return file_sync_dir(s->generations, e);
}

/* The one step: rename(2) replaces the old link by the new one. */
static enum err_code switch_live(struct storage *s, const char *id, struct err *e)
{
	char target[64];

	(void)snprintf(target, sizeof target, GENERATIONS "/%s", id);
	(void)unlinkat(s->dir, LIVE_DRAFT, 0);
	if (symlinkat(target, s->dir, LIVE_DRAFT) != 0)
		FAIL(e, IO, "%.200s/" LIVE_DRAFT ": %s", s->path, strerror(errno));
	if (seam->renameat(s->dir, LIVE_DRAFT, s->dir, LIVE) != 0) {
		(void)err_set(e, ERR_IO, __FILE__, __LINE__, "%.200s/" LIVE ": %s", s->path, strerror(errno));
		(void)unlinkat(s->dir, LIVE_DRAFT, 0);
		return ERR_IO;
	}
	return file_sync_dir(s->dir, e);
}

static bool is_live(struct storage *s, const char *id)
{
	char target[128] = "", expected[64];

	(void)snprintf(expected, sizeof expected, GENERATIONS "/%s", id);
	ssize_t n = readlinkat(s->dir, LIVE, target, sizeof target - 1);
	return n > 0 && strcmp(target, expected) == 0;
}

enum err_code storage_put(struct storage *s, const struct bytes content[STORAGE_FILES], char id[STORAGE_ID_SIZE], struct err *e)
{
	char own[STORAGE_ID_SIZE];

	make_id(own);
	enum err_code rc = fill(s, own, content, e);
	if (rc == ERR_OK)
		rc = switch_live(s, own, e);
	if (rc != ERR_OK) {
		/* After a failed fsync the switch may have happened: then the generation stays, whole as it is. */
		if (!is_live(s, own))
			remove_generation(s, own);
		return rc;
	}
	if (id)
		memcpy(id, own, sizeof own);
	return ERR_OK;
}

/* --- pruning --- */

static bool is_id(const char *name)
{
	return strlen(name) == STORAGE_ID_SIZE - 1 && strspn(name, "0123456789abcdefTZ-") == STORAGE_ID_SIZE - 1;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t list(struct storage *s, char *v[GENERATIONS_MAX])
{
	int fd = openat(s->generations, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	size_t n = 0;

	if (!d) {
		close_p(&fd);
		return 0;
	}
	for (struct dirent *entry = readdir(d); entry && n < GENERATIONS_MAX; entry = readdir(d))
		if (is_id(entry->d_name) && (v[n] = strdup(entry->d_name)) != NULL)
			n++;
	(void)closedir(d);
	qsort(v, n, sizeof *v, compare);
	return n;
}

void storage_prune(struct storage *s)
{
	char *v[GENERATIONS_MAX];
	size_t n = list(s, v);

	for (size_t i = 0; i < n; i++) {
		if (i + STORAGE_KEPT < n && !is_live(s, v[i]))
			remove_generation(s, v[i]);
		free(v[i]);
	}
}
