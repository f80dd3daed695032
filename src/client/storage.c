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
	TRY(file_make_folder(s->path, 0755, e));
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
	file_clear_drafts(s->dir, ".");
	file_clear_drafts(s->generations, ".");
	TRY(try_writing(s, e));
	*ret = TAKE(s);
	return ERR_OK;
}

/* --- drafts --- */

enum err_code storage_read(struct storage *s, const char *file, struct buf *out, struct err *e)
{
	char path[128];

	(void)snprintf(path, sizeof path, LIVE "/%s", file);
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

/* NULL: it cannot be read. */
static DIR *open_list(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (!d)
		close_p(&fd);
	return d;
}

/* It has no folders in it. */
static void remove_generation(struct storage *s, const char *id)
{
	DIR *d = open_list(s->generations, id);

	for (struct dirent *entry = d ? readdir(d) : NULL; entry; entry = readdir(d))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void)unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		(void)closedir(d);
	(void)unlinkat(s->generations, id, AT_REMOVEDIR);
}

enum err_code storage_draft(struct storage *s, char ret_id[STORAGE_ID_SIZE], struct err *e)
{
	char id[STORAGE_ID_SIZE];

	make_id(id);
	if (mkdirat(s->generations, id, 0755) != 0)
		FAIL(e, IO, "%.200s/" GENERATIONS "/%s: %s", s->path, id, strerror(errno));
	enum err_code rc = file_sync_dir(s->generations, e);
	if (rc != ERR_OK)
		remove_generation(s, id);
	else
		memcpy(ret_id, id, sizeof id);
	return rc;
}

static bool has(const struct storage *s, const char *id, const char *file)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", id, file);
	return faccessat(s->generations, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void storage_drop_draft(struct storage *s, const char *id)
{
	if (!has(s, id, STORAGE_META))
		remove_generation(s, id);
}

enum err_code storage_open_file(struct storage *s, const char *id, const char *file, bool make, int *ret_fd, struct err *e)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", id, file);
	int fd = seam->openat(s->generations, path, (make ? O_WRONLY | O_CREAT | O_EXCL : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == EEXIST)
		FAIL(e, CONFLICT, "%.200s/" GENERATIONS "/%s is there already", s->path, path);
	if (fd < 0)
		FAIL(e, IO, "%.200s/" GENERATIONS "/%s: %s", s->path, path, strerror(errno));
	*ret_fd = fd;
	return ERR_OK;
}

void storage_drop_file(struct storage *s, const char *id, const char *file)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", id, file);
	if (!has(s, id, STORAGE_META))
		(void)unlinkat(s->generations, path, 0);
}

enum err_code storage_link_file(struct storage *s, const char *id, const char *file, const char *path, struct err *e)
{
	char to[128];

	(void)snprintf(to, sizeof to, "%s/%s", id, file);
	if (linkat(AT_FDCWD, path, s->generations, to, 0) == 0)
		return ERR_OK;
	if (errno == ENOENT)
		FAIL(e, NOT_FOUND, "%.200s: there is no such file", path);
	FAIL(e, IO, "%.200s/" GENERATIONS "/%s: %s", s->path, to, strerror(errno));
}

enum err_code storage_put_file(struct storage *s, const char *id, const char *file, mode_t mode, struct bytes content, struct err *e)
{
	CLEANUP(close_p) int dir = -1;

	TRY(open_dir(s->generations, id, id, &dir, e));
	return file_write(dir, file, mode, content, e); /* with fsync of file and folder */
}

enum err_code storage_read_file(struct storage *s, const char *id, const char *file, struct buf *out, struct err *e)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", id, file);
	return file_read(s->generations, path, STORAGE_FILE_MAX, out, e);
}

/* --- the switch --- */

/* The one step: rename(2) replaces the old link by the new one. */
enum err_code storage_switch(struct storage *s, const char *id, struct err *e)
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
	DIR *d = open_list(s->generations, ".");
	size_t n = 0;

	for (struct dirent *entry = d ? readdir(d) : NULL; entry && n < GENERATIONS_MAX; entry = readdir(d))
		if (is_id(entry->d_name) && (v[n] = strdup(entry->d_name)) != NULL)
			n++;
	if (d)
		(void)closedir(d);
	if (n > 0)
		qsort(v, n, sizeof *v, compare);
	return n;
}

static void list_free(char *v[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
}

enum err_code storage_live(struct storage *s, char ret_id[STORAGE_ID_SIZE], struct err *e)
{
	char target[128] = "";
	ssize_t n = readlinkat(s->dir, LIVE, target, sizeof target - 1);
	const char *id = n > 0 && strncmp(target, GENERATIONS "/", sizeof GENERATIONS) == 0 ? target + sizeof GENERATIONS : "";

	errno = 0;
	if (!is_id(id))
		FAIL(e, NOT_FOUND, "%.200s/" LIVE ": there is no certificate yet", s->path);
	memcpy(ret_id, id, STORAGE_ID_SIZE);
	return ERR_OK;
}

enum err_code storage_find_draft(struct storage *s, char ret_id[STORAGE_ID_SIZE], struct err *e)
{
	char *v[GENERATIONS_MAX];
	size_t n = list(s, v), i = n;
	bool found = false;

	while (i > 0 && !found) {
		i--;
		found = !has(s, v[i], STORAGE_META) && has(s, v[i], STORAGE_PRIVKEY) && has(s, v[i], STORAGE_ORDER);
	}
	if (found)
		memcpy(ret_id, v[i], STORAGE_ID_SIZE);
	list_free(v, n);
	errno = 0;
	if (!found)
		FAIL(e, NOT_FOUND, "%.200s: nothing is on its way", s->path);
	return ERR_OK;
}

void storage_prune(struct storage *s, const char *keep)
{
	char *v[GENERATIONS_MAX], live[STORAGE_ID_SIZE] = "";
	size_t n = list(s, v), whole = 0;

	MAY_FAIL(storage_live(s, live, NULL)); /* then nothing is live */
	for (size_t i = n; i-- > 0;) {
		bool is_whole = has(s, v[i], STORAGE_META);
		whole += is_whole;
		if ((!is_whole || whole > STORAGE_KEPT) && strcmp(v[i], live) != 0 && (!keep || strcmp(v[i], keep) != 0))
			remove_generation(s, v[i]);
	}
	list_free(v, n);
}
