#include "server/signer/test_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct test_seam test_seam;

/* Counts, notes what writes, and says whether this one is to fail. */
static bool fails(enum test_op op)
{
	struct test_seam *t = &test_seam;

	t->ops++;
	if (op != OP_OPEN && op != OP_PREAD && t->n_trace < sizeof t->trace / sizeof *t->trace)
		t->trace[t->n_trace++] = op;
	if (t->fail_at == 0 || (t->ops != t->fail_at && !(t->fail_all_after && t->ops > t->fail_at)))
		return false;
	t->failed = true;
	errno = EIO;
	return true;
}

static int64_t wall_ms(void)
{
	return test_seam.wall_ms;
}

static int fail_open(const char *path, int flags, mode_t mode)
{
	return fails(OP_OPEN) ? -1 : open(path, flags, mode);
}

static int fail_openat(int dir, const char *path, int flags, mode_t mode)
{
	return fails(OP_OPEN) ? -1 : openat(dir, path, flags, mode);
}

static ssize_t fail_pread(int fd, void *p, size_t n, off_t at)
{
	return fails(OP_PREAD) ? -1 : pread(fd, p, n, at);
}

static ssize_t fail_write(int fd, const void *p, size_t n)
{
	if (!fails(OP_WRITE))
		return write(fd, p, n);
	if (test_seam.tear && write(fd, p, n / 2) < 0)
		return -1;
	errno = EIO;
	return -1;
}

/* --- what a power cut takes back --- */

#define SECTOR 512

struct undo {
	struct undo *next; /* older */
	int fd;            /* a copy: the file may have been closed meanwhile */
	dev_t dev;
	ino_t inode;
	off_t at;
	size_t n;
	bool lost; /* its sync has failed: the kernel counts the pages as clean, and no later sync writes them */
	uint8_t before[];
};
static struct undo *undos;

static void forget(struct undo **at)
{
	struct undo *u = *at;

	*at = u->next;
	close(u->fd);
	free(u);
}

static void note_undo(int fd, size_t n, off_t at)
{
	struct undo *u = calloc(1, sizeof *u + n);
	struct stat st;

	if (!test_seam.journal || !u || fstat(fd, &st) != 0) {
		free(u);
		return;
	}
	*u = (struct undo){ .next = undos, .fd = dup(fd), .dev = st.st_dev, .inode = st.st_ino, .at = at, .n = n };
	if (pread(fd, u->before, n, at) < 0) /* what the file did not have yet is zeros */
		abort();
	undos = u;
}

static bool same_file(const struct undo *u, const struct stat *st)
{
	return u->dev == st->st_dev && u->inode == st->st_ino;
}

/* Whether newer writes have covered all of a lost one, so that its pages are dirty again. */
static bool is_rewritten(const struct undo *lost, const struct stat *st)
{
	for (off_t at = lost->at; at < lost->at + (off_t)lost->n;) {
		off_t from = at;
		for (const struct undo *u = undos; u != lost; u = u->next)
			if (same_file(u, st) && !u->lost && u->at <= at && at < u->at + (off_t)u->n)
				at = u->at + (off_t)u->n;
		if (at == from)
			return false;
	}
	return true;
}

static void synced(int fd)
{
	struct stat st;

	if (!undos || fstat(fd, &st) != 0)
		return;
	for (struct undo *u = undos; u; u = u->next)
		if (u->lost && same_file(u, &st) && is_rewritten(u, &st))
			u->lost = false;
	for (struct undo **u = &undos; *u;)
		if (!(*u)->lost && same_file(*u, &st))
			forget(u);
		else
			u = &(*u)->next;
}

static void sync_failed(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return;
	for (struct undo *u = undos; u; u = u->next)
		if (same_file(u, &st))
			u->lost = true;
	errno = EIO;
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

void test_seam_power_cut(unsigned keep, uint64_t seed)
{
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	while (undos) {
		struct undo *u = undos;
		for (size_t i = 0; i < u->n;) {
			size_t n = SECTOR - (size_t)(((uint64_t)u->at + i) % SECTOR);
			n = n < u->n - i ? n : u->n - i;
			if (next_random(&x) % 256 >= keep && pwrite(u->fd, u->before + i, n, u->at + (off_t)i) < 0)
				abort();
			i += n;
		}
		forget(&undos);
	}
}

static ssize_t fail_pwrite(int fd, const void *p, size_t n, off_t at)
{
	note_undo(fd, n, at);
	if (!fails(OP_PWRITE))
		return pwrite(fd, p, n, at);
	if (test_seam.tear && pwrite(fd, p, n / 2, at) < 0)
		return -1;
	errno = EIO;
	return -1;
}

static int fail_fsync(int fd)
{
	if (fails(OP_FSYNC)) {
		sync_failed(fd);
		return -1;
	}
	synced(fd);
	return test_seam.real_sync ? fsync(fd) : 0;
}

static int fail_fdatasync(int fd)
{
	if (fails(OP_FDATASYNC)) {
		sync_failed(fd);
		return -1;
	}
	synced(fd);
	return test_seam.real_sync ? fdatasync(fd) : 0;
}

static int fail_truncate(int fd, off_t n)
{
	return fails(OP_TRUNCATE) ? -1 : ftruncate(fd, n);
}

static int fail_rename(int from_dir, const char *from, int to_dir, const char *to)
{
	return fails(OP_RENAME) ? -1 : renameat(from_dir, from, to_dir, to);
}

void test_seam_install(void)
{
	static struct seam s;

	s = seam_libc;
	s.wall_ms = wall_ms;
	s.open = fail_open;
	s.openat = fail_openat;
	s.pread = fail_pread;
	s.write = fail_write;
	s.pwrite = fail_pwrite;
	s.fsync = fail_fsync;
	s.fdatasync = fail_fdatasync;
	s.ftruncate = fail_truncate;
	s.renameat = fail_rename;
	seam = &s;
}

void test_seam_reset(void)
{
	int64_t now_ms = test_seam.wall_ms;

	while (undos)
		forget(&undos);
	test_seam = (struct test_seam){ .wall_ms = now_ms };
}
