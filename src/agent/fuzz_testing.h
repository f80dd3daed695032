/* A file that is in memory alone, whatever it is asked for by: for fuzz targets of what reads files through the seam. */
#ifndef CHANCERY_AGENT_FUZZ_TESTING_H
#define CHANCERY_AGENT_FUZZ_TESTING_H

#include "base/seam.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int fuzz_file = -1;

static int fuzz_openat(int dir, const char *path, int flags, mode_t mode)
{
	(void)dir, (void)path, (void)flags, (void)mode;
	return dup(fuzz_file);
}

/* From now on every file that is opened through the seam has these bytes, and is its owner's alone. */
static inline void fuzz_file_is(const uint8_t *data, size_t size)
{
	static struct seam s;

	if (fuzz_file < 0) {
		fuzz_file = memfd_create("file", MFD_CLOEXEC);
		s = seam_libc;
		s.openat = fuzz_openat;
		seam = &s;
	}
	if (fchmod(fuzz_file, 0600) != 0 || ftruncate(fuzz_file, 0) != 0 || pwrite(fuzz_file, data, size, 0) != (ssize_t)size)
		abort();
}

#endif
