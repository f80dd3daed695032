#include "db/db_fault.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 8

/* A write or (data NULL) a truncation to `at`, not yet synced. */
struct change {
	struct change *next;
	sqlite3_int64 at;
	size_t n;
	unsigned char *data;
};

/* A file as the disk surely has it, and what came after. */
struct image {
	char *path;
	bool deleted;
	unsigned char *data;
	size_t size, cap;
	struct change *first, **end;
};

struct file {
	sqlite3_file base;
	struct image *image;
	sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs vfs, *below;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for what follows */
static struct image images[FILES_MAX];
static size_t n_images;
static unsigned count, syncs, fail_at;
static enum db_fault fail_kind;

/* True when the operation that comes now must fail. */
static bool faulty(bool sync)
{
	count++;
	syncs += sync;
	return fail_at && (fail_kind == DB_FAULT_ONCE ? count == fail_at : count >= fail_at);
}

static void apply(struct image *m, const struct change *c, size_t n)
{
	size_t end = (size_t)c->at + n;

	if (!c->data) {
		m->size = m->size < (size_t)c->at ? m->size : (size_t)c->at;
		return;
	}
	if (end > m->size) {
		if (end > m->cap)
			m->data = realloc(m->data, m->cap = 2 * end);
		if (!m->data)
			abort();
		memset(m->data + m->size, 0, end - m->size);
		m->size = end;
	}
	memcpy(m->data + c->at, c->data, n);
}

static void drop_changes(struct image *m)
{
	for (struct change *c = m->first, *next; c; c = next) {
		next = c->next;
		free(c->data);
		free(c);
	}
	m->first = NULL;
	m->end = &m->first;
}

static void note(struct image *m, sqlite3_int64 at, const void *data, size_t n)
{
	struct change *c = calloc(1, sizeof *c);

	if (!c || (data && !(c->data = malloc(n))))
		abort();
	c->at = at;
	c->n = n;
	if (data)
		memcpy(c->data, data, n);
	*m->end = c;
	m->end = &c->next;
}

static struct image *image_of(const char *path)
{
	for (size_t i = 0; i < n_images; i++)
		if (strcmp(images[i].path, path) == 0)
			return &images[i];
	if (n_images == FILES_MAX)
		abort();
	struct image *m = &images[n_images++];
	*m = (struct image){ .path = strdup(path), .end = &m->first };
	return m;
}

static struct file *file_of(sqlite3_file *f)
{
	return (struct file *)(void *)f;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
	return file_of(f)->real;
}

static int f_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

/* Every second failure is a full disk. */
static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	pthread_mutex_lock(&lock);
	int rc = faulty(false) ? count % 2 ? SQLITE_IOERR_WRITE : SQLITE_FULL : SQLITE_OK;
	if (rc == SQLITE_OK || fail_kind == DB_FAULT_ONCE)
		/* what a failed write left is torn: half of it */
		note(file_of(f)->image, at, p, (size_t)(rc == SQLITE_OK ? n : n / 2));
	pthread_mutex_unlock(&lock);
	if (rc == SQLITE_OK)
		return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
	if (fail_kind == DB_FAULT_ONCE)
		(void)real_of(f)->pMethods->xWrite(real_of(f), p, n / 2, at);
	return rc;
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	pthread_mutex_lock(&lock);
	bool fails = faulty(false);
	if (!fails)
		note(file_of(f)->image, size, NULL, 0);
	pthread_mutex_unlock(&lock);
	return fails ? SQLITE_IOERR_TRUNCATE : real_of(f)->pMethods->xTruncate(real_of(f), size);
}

/* The disk is the image: nothing needs to reach the real one. */
static int f_sync(sqlite3_file *f, int flags)
{
	struct image *m = file_of(f)->image;

	(void)flags;
	pthread_mutex_lock(&lock);
	bool fails = faulty(true);
	if (!fails) {
		for (struct change *c = m->first; c; c = c->next)
			apply(m, c, c->n);
		drop_changes(m);
	}
	pthread_mutex_unlock(&lock);
	return fails ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int f_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), ret);
}

static int f_lock(sqlite3_file *f, int how)
{
	return real_of(f)->pMethods->xLock(real_of(f), how);
}

static int f_unlock(sqlite3_file *f, int how)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), how);
}

static int f_check_lock(sqlite3_file *f, int *ret)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

/* As the usual VFS promises: a write leaves the bytes around it alone. */
static int f_device(sqlite3_file *f)
{
	(void)f;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, ret);
}

static int f_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int f_shm_unmap(sqlite3_file *f, int delete)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), delete);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = f_close,
	.xRead = f_read,
	.xWrite = f_write,
	.xTruncate = f_truncate,
	.xSync = f_sync,
	.xFileSize = f_size,
	.xLock = f_lock,
	.xUnlock = f_unlock,
	.xCheckReservedLock = f_check_lock,
	.xFileControl = f_control,
	.xSectorSize = f_sector,
	.xDeviceCharacteristics = f_device,
	.xShmMap = f_shm_map,
	.xShmLock = f_shm_lock,
	.xShmBarrier = f_shm_barrier,
	.xShmUnmap = f_shm_unmap,
};

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct file *mine = file_of(f);

	(void)v;
	if (!name)
		abort(); /* a temporary file: in the jail there is no place for it */
	mine->real = (sqlite3_file *)(void *)(mine + 1);
	int rc = below->xOpen(below, name, mine->real, flags, ret_flags);
	mine->base.pMethods = rc == SQLITE_OK ? &methods : NULL;
	pthread_mutex_lock(&lock);
	mine->image = image_of(name);
	mine->image->deleted = false;
	pthread_mutex_unlock(&lock);
	return rc;
}

static int v_delete(sqlite3_vfs *v, const char *name, int sync_dir)
{
	(void)v;
	pthread_mutex_lock(&lock);
	bool fails = faulty(false);
	if (!fails) {
		struct image *m = image_of(name);
		m->deleted = true;
		m->size = 0;
		drop_changes(m);
	}
	pthread_mutex_unlock(&lock);
	return fails ? SQLITE_IOERR_DELETE : below->xDelete(below, name, sync_dir);
}

static int v_access(sqlite3_vfs *v, const char *name, int flags, int *ret)
{
	(void)v;
	return below->xAccess(below, name, flags, ret);
}

static int v_full_path(sqlite3_vfs *v, const char *name, int n, char *out)
{
	(void)v;
	return below->xFullPathname(below, name, n, out);
}

void db_fault_install(void)
{
	below = sqlite3_vfs_find(NULL);
	vfs = *below;
	vfs.szOsFile = (int)sizeof(struct file) + below->szOsFile;
	vfs.pNext = NULL;
	vfs.zName = "fault";
	vfs.xOpen = v_open;
	vfs.xDelete = v_delete;
	vfs.xAccess = v_access;
	vfs.xFullPathname = v_full_path;
	if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
		abort();
}

void db_fault_arm(unsigned nth, enum db_fault kind)
{
	pthread_mutex_lock(&lock);
	count = syncs = 0;
	fail_at = nth;
	fail_kind = kind;
	pthread_mutex_unlock(&lock);
}

unsigned db_fault_count(void)
{
	pthread_mutex_lock(&lock);
	unsigned n = count;
	pthread_mutex_unlock(&lock);
	return n;
}

unsigned db_fault_syncs(void)
{
	pthread_mutex_lock(&lock);
	unsigned n = syncs;
	pthread_mutex_unlock(&lock);
	return n;
}

/* The image with what chance leaves of the changes after it. */
static void settle(struct image *m, uint32_t *random)
{
	for (struct change *c = m->first; c; c = c->next) {
		*random = *random * 1664525 + 1013904223;
		unsigned fate = *random >> 30; /* there, torn, or (half of all) missing */
		if (fate == 0)
			apply(m, c, c->n);
		else if (fate == 1)
			apply(m, c, c->n / 512 / 2 * 512);
	}
	drop_changes(m);
}

void db_fault_power_cut(uint32_t seed)
{
	for (struct image *m = images; m < images + n_images; m++) {
		uint32_t random = seed;
		if (m->deleted)
			continue;
		if (seed)
			settle(m, &random);
		drop_changes(m);
		int fd = open(m->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (fd < 0 || write(fd, m->data, m->size) != (ssize_t)m->size)
			abort();
		close(fd);
	}
	db_fault_arm(0, DB_FAULT_ONCE);
}

void db_fault_reset(void)
{
	for (struct image *m = images; m < images + n_images; m++) {
		drop_changes(m);
		free(m->data);
		free(m->path);
	}
	n_images = 0;
	db_fault_arm(0, DB_FAULT_ONCE);
}
