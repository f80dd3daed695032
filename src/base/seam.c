#include "base/seam.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

static int64_t monotonic_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

/* open and openat take their mode as a variable argument, so they need a function of their own. */
static int open_libc(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}

static int openat_libc(int dir, const char *path, int flags, mode_t mode)
{
	return openat(dir, path, flags, mode);
}

const struct seam seam_libc = { .wall_ms = wall_ms,
	.monotonic_ms = monotonic_ms,
	.open = open_libc,
	.openat = openat_libc,
	.pread = pread,
	.write = write,
	.pwrite = pwrite,
	.fsync = fsync,
	.fdatasync = fdatasync,
	.ftruncate = ftruncate,
	.renameat = renameat,
	.sendmsg = sendmsg,
	.recvmsg = recvmsg };
const struct seam *seam = &seam_libc;
