/* The seam to the outside world: clock, files, sockets. Programs use seam_libc; a test puts another table in place to
 * play time or to fail the N-th operation. There is no run-time option for it: nothing in a product sets the pointer. */
#ifndef CHANCERY_BASE_SEAM_H
#define CHANCERY_BASE_SEAM_H

#include "base/attrs.h"

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct seam {
	int64_t (*wall_ms)(void); /* Unix time in milliseconds */
	int64_t (*monotonic_ms)(void);
	int (*open)(const char *path, int flags, mode_t mode);
	int (*openat)(int dir, const char *path, int flags, mode_t mode);
	ssize_t (*pread)(int fd, void *p, size_t n, off_t at);
	ssize_t (*write)(int fd, const void *p, size_t n);
	ssize_t (*pwrite)(int fd, const void *p, size_t n, off_t at);
	int (*fsync)(int fd);
	int (*fdatasync)(int fd);
	int (*ftruncate)(int fd, off_t n);
	int (*renameat)(int from_dir, const char *from, int to_dir, const char *to);
	ssize_t (*sendmsg)(int fd, const struct msghdr *m, int flags);
	ssize_t (*recvmsg)(int fd, struct msghdr *m, int flags);
};

extern const struct seam seam_libc;
extern const struct seam *seam; /* points to seam_libc unless a test moved it */

#endif
