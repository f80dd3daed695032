/* A library that is put before libc and SQLite (LD_PRELOAD) and makes a call fail, or the process wait at a message: as a test has it
 * in the page that they share (control.h). Writes down what changes files, too, for a test that cuts the power. Calls go to the kernel directly, so that they hold in each process's jail. */
#include "control.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS        60000 /* a test that has died keeps nobody waiting for ever */
#define MESSAGE_HEADER 16    /* docs/protocol/channels.md, Sockets */

/* libc's own, which it exports for this */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static struct fault_slot *slot; /* NULL until the process has begun */
static int trace_fd = -1;
static int (*real_step)(void *stmt);
static int (*real_prepare)(void *db, const char *sql, int n, unsigned flags, void **stmt, const char **tail);

static uint32_t get(uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void set(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

__attribute__((constructor)) static void begin(void)
{
	static const char *const names[FAULT_SLOTS] = { "chancery-ca-front", "chancery-ca-validator", "chancery-ca-signer",
		"chancery-ca-keyholder" };
	const char *path = getenv(FAULT_CONTROL), *trace = getenv(FAULT_TRACE);
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd >= 0 ? mmap(NULL, FAULT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (p == MAP_FAILED)
		abort();
	close(fd);
	trace_fd = trace ? open(trace, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
	*(void **)&real_step = dlsym(RTLD_NEXT, "sqlite3_step");
	*(void **)&real_prepare = dlsym(RTLD_NEXT, "sqlite3_prepare_v3");
	for (int i = 0; i < FAULT_SLOTS; i++)
		if (strcmp(program_invocation_short_name, names[i]) == 0)
			slot = &((struct fault_page *)p)->slots[i];
}

/* One more call of this kind: whether it must fail. */
static bool fails(enum fault_kind kind)
{
	if (!slot || get(&slot->kind) != (uint32_t)kind)
		return false;
	uint32_t n = __atomic_add_fetch(&slot->count, 1, __ATOMIC_SEQ_CST), nth = get(&slot->nth);
	if (nth == 0 || n < nth || n - nth > get(&slot->more))
		return false;
	set(&slot->failed, 1);
	errno = (int)get(&slot->error);
	return true;
}

/* Of what a descriptor is: 0 where nothing is ever to fail. */
static enum fault_kind kind_of(int fd)
{
	int kept = errno;
	struct stat s;
	bool there = slot && get(&slot->kind) != FAULT_NONE && fd > STDERR_FILENO && fstat(fd, &s) == 0;

	errno = kept;
	return !there ? FAULT_NONE : S_ISREG(s.st_mode) ? FAULT_WRITE : S_ISSOCK(s.st_mode) ? FAULT_SOCKET : FAULT_NONE;
}

static bool file_fails(int fd)
{
	return kind_of(fd) == FAULT_WRITE && fails(FAULT_WRITE);
}

static bool socket_fails(int fd)
{
	return kind_of(fd) == FAULT_SOCKET && fails(FAULT_SOCKET);
}

static bool any_fails(int fd)
{
	return file_fails(fd) || socket_fails(fd);
}

/* --- what a disk may have of all that was written --- */

static void note(enum fault_op op, int fd, const char *path, uint64_t at, const void *p, size_t n)
{
	int kept = errno;
	struct stat s;

	if (slot && get(&slot->trace) && trace_fd >= 0 && fd != trace_fd && (path ? fstatat(fd, path, &s, 0) : fstat(fd, &s)) == 0 &&
	    S_ISREG(s.st_mode)) {
		struct fault_record r = { .op = op, .inode = s.st_ino, .at = at, .size = n };
		const struct iovec v[2] = { { &r, sizeof r }, { (void *)(uintptr_t)p, n } };
		if (syscall(SYS_writev, trace_fd, v, 2) != (long)(sizeof r + n))
			abort();
	}
	errno = kept;
}

/* --- allocation --- */

void *malloc(size_t n)
{
	return fails(FAULT_ALLOCATION) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails(FAULT_ALLOCATION) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails(FAULT_ALLOCATION) ? NULL : __libc_realloc(p, n);
}

/* --- files --- */

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	if (file_fails(fd))
		return -1;
	note(FAULT_OP_WRITE, fd, NULL, (uint64_t)at, p, n);
	return syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return pwrite64(fd, p, n, at);
}

int ftruncate64(int fd, off64_t n)
{
	if (file_fails(fd))
		return -1;
	note(FAULT_OP_TRUNCATE, fd, NULL, (uint64_t)n, NULL, 0);
	return (int)syscall(SYS_ftruncate, fd, n);
}

int ftruncate(int fd, off_t n)
{
	return ftruncate64(fd, n);
}

int fallocate64(int fd, int mode, off64_t at, off64_t n)
{
	return file_fails(fd) ? -1 : (int)syscall(SYS_fallocate, fd, mode, at, n);
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
	return fallocate64(fd, mode, at, n);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	if (fails(FAULT_WRITE))
		return -1;
	note(FAULT_OP_RENAME, from_dir, from, 0, to, strlen(to));
	return (int)syscall(SYS_renameat, from_dir, from, to_dir, to);
}

static int sync_by(long call, int fd)
{
	if (fails(FAULT_SYNC))
		return -1;
	note(FAULT_OP_SYNC_BEGINS, fd, NULL, 0, NULL, 0);
	int rc = (int)syscall(call, fd);
	if (rc == 0)
		note(FAULT_OP_SYNCED, fd, NULL, 0, NULL, 0);
	return rc;
}

int fsync(int fd)
{
	return sync_by(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return sync_by(SYS_fdatasync, fd);
}

/* --- files and sockets --- */

ssize_t write(int fd, const void *p, size_t n)
{
	if (any_fails(fd))
		return -1;
	if (slot && get(&slot->trace) && fd > STDERR_FILENO) {
		off_t at = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR); /* -1: no file */
		note(FAULT_OP_WRITE, fd, NULL, (uint64_t)at, p, n);
	}
	return syscall(SYS_write, fd, p, n);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
	return any_fails(fd) ? -1 : syscall(SYS_writev, fd, v, n);
}

ssize_t read(int fd, void *p, size_t n)
{
	return socket_fails(fd) ? -1 : syscall(SYS_read, fd, p, n);
}

ssize_t readv(int fd, const struct iovec *v, int n)
{
	return socket_fails(fd) ? -1 : syscall(SYS_readv, fd, v, n);
}

/* --- sockets --- */

int socket(int domain, int type, int protocol)
{
	return fails(FAULT_SOCKET) ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}

int connect(int fd, const struct sockaddr *to, socklen_t n)
{
	return fails(FAULT_SOCKET) ? -1 : (int)syscall(SYS_connect, fd, to, n);
}

int accept4(int fd, struct sockaddr *from, socklen_t *n, int flags)
{
	return fails(FAULT_SOCKET) ? -1 : (int)syscall(SYS_accept4, fd, from, n, flags);
}

ssize_t sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *to, socklen_t size)
{
	return fails(FAULT_SOCKET) ? -1 : syscall(SYS_sendto, fd, p, n, flags, to, size);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	return sendto(fd, p, n, flags, NULL, 0);
}

ssize_t recvfrom(int fd, void *p, size_t n, int flags, struct sockaddr *from, socklen_t *size)
{
	return fails(FAULT_SOCKET) ? -1 : syscall(SYS_recvfrom, fd, p, n, flags, from, size);
}

ssize_t recv(int fd, void *p, size_t n, int flags)
{
	return recvfrom(fd, p, n, flags, NULL, NULL);
}

/* --- channels: they alone use sendmsg and recvmsg --- */

static bool is_type(const struct msghdr *m, uint32_t type)
{
	const uint8_t *p = m->msg_iovlen ? m->msg_iov[0].iov_base : NULL;

	return p && m->msg_iov[0].iov_len >= MESSAGE_HEADER && (uint32_t)p[0] << 8 == (type & 0xff00) && p[1] == (type & 0xff) && !p[2] &&
	       !p[3];
}

/* Where a test has asked for it, until it says go on; what is killed meanwhile is its business. */
static void wait_at(const struct msghdr *m, enum fault_when when)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	uint32_t type = slot ? get(&slot->type) : 0;
	int kept = errno;

	if (type == 0 || get(&slot->when) != (uint32_t)when || !is_type(m, type - 1))
		return;
	set(&slot->type, 0);
	set(&slot->waits, 1);
	for (int i = 0; i < WAIT_MS && !get(&slot->go); i++)
		(void)nanosleep(&ms, NULL);
	set(&slot->waits, 0);
	errno = kept;
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	wait_at(m, FAULT_BEFORE);
	if (fails(FAULT_CHANNEL))
		return -1;
	ssize_t n = syscall(SYS_sendmsg, fd, m, flags);
	wait_at(m, FAULT_AFTER);
	return n;
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	return fails(FAULT_CHANNEL) ? -1 : syscall(SYS_recvmsg, fd, m, flags);
}

/* --- SQL --- */

int sqlite3_step(void *stmt);
int sqlite3_step(void *stmt)
{
	return fails(FAULT_SQL) ? errno : real_step(stmt);
}

int sqlite3_prepare_v3(void *db, const char *sql, int n, unsigned flags, void **stmt, const char **tail);
int sqlite3_prepare_v3(void *db, const char *sql, int n, unsigned flags, void **stmt, const char **tail)
{
	if (!fails(FAULT_SQL))
		return real_prepare(db, sql, n, flags, stmt, tail);
	*stmt = NULL;
	return errno;
}
