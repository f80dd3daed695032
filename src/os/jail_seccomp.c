#include "os/jail.h"

#include "os/sanitized.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void release(scmp_filter_ctx c)
{
	seccomp_release(c);
}
DEFINE_CLEANUP(scmp_filter_ctx, release);

/* What the signer does once it is in its jail: reading, writing and syncing its files, its channels, memory, time, randomness.
 * Not here, and so its end: new sockets of any kind, processes, threads, tracing, memory that can be executed. */
static const int allowed[] = {
	/* files, which root directory and Landlock keep below the data folder */
	SCMP_SYS(openat),
	SCMP_SYS(open),
	SCMP_SYS(close),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(fallocate),
	SCMP_SYS(ftruncate),
	SCMP_SYS(lseek),
	SCMP_SYS(fcntl),
	SCMP_SYS(fstat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(fstatfs),
	SCMP_SYS(statfs),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(access),
	SCMP_SYS(getdents64),
	SCMP_SYS(mkdirat),
	SCMP_SYS(linkat),
	SCMP_SYS(unlinkat),
	SCMP_SYS(unlink),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	/* channels: those that it has, and those that come along from the parent */
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(getsockopt),
	/* memory; mmap and mprotect below */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(mlock),
	SCMP_SYS(munlock),
	/* time, randomness, and what libc and libcrypto ask about us and the machine (qsort looks at the memory's size) */
	SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(sched_yield),
	SCMP_SYS(futex),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(sysinfo),
	SCMP_SYS(sched_getaffinity),
	/* signals to itself, and the end; tgkill below */
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
#if SANITIZED_ADDRESS || SANITIZED_THREAD
	/* test builds: the sanitizer's runtime maps its shadow and writes its reports */
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(prctl),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(prlimit64),
	SCMP_SYS(getrusage),
	SCMP_SYS(clone),
	SCMP_SYS(wait4),
	SCMP_SYS(pipe2),
	SCMP_SYS(dup2),
	SCMP_SYS(getppid),
	SCMP_SYS(uname),
#endif
};

/* The same with a condition on one argument; libseccomp's own macros start their structures in a way that Clang warns of. */
static int allow_if(scmp_filter_ctx c, int call, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add_array(c, SCMP_ACT_ALLOW, call, 1, &condition);
}

/* accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), and no other */
static int allow_accept(scmp_filter_ctx c)
{
	const struct scmp_arg_cmp conditions[] = {
		{ .arg = 1, .op = SCMP_CMP_EQ, .datum_a = 0 },
		{ .arg = 2, .op = SCMP_CMP_EQ, .datum_a = 0 },
		{ .arg = 3, .op = SCMP_CMP_EQ, .datum_a = SOCK_CLOEXEC | SOCK_NONBLOCK },
	};

	return seccomp_rule_add_array(c, SCMP_ACT_ALLOW, SCMP_SYS(accept4), sizeof conditions / sizeof *conditions, conditions);
}

static int add_rules(scmp_filter_ctx c)
{
	const struct scmp_arg_cmp no_exec = { .arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC, .datum_b = 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof allowed / sizeof *allowed; i++)
		rc = seccomp_rule_add(c, SCMP_ACT_ALLOW, allowed[i], 0);
	/* abort(): only to ourselves */
	if (rc == 0)
		rc = allow_if(c, SCMP_SYS(tgkill), (struct scmp_arg_cmp){ .arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)getpid() });
	/* the operators' connections come by the one socket that the parent listens on for us; whose they are is asked of the socket */
	if (rc == 0)
		rc = allow_accept(c);
	/* a channel asks how much is left to read when its peer has gone */
	if (rc == 0)
		rc = allow_if(c, SCMP_SYS(ioctl), (struct scmp_arg_cmp){ .arg = 1, .op = SCMP_CMP_EQ, .datum_a = FIONREAD });
	if (SANITIZED_ADDRESS || SANITIZED_THREAD)
		return rc;
	if (rc == 0)
		rc = allow_if(c, SCMP_SYS(mmap), no_exec);
	return rc == 0 ? allow_if(c, SCMP_SYS(mprotect), no_exec) : rc;
}

enum err_code jail_seccomp_signer(struct jail_layers *layers, struct err *e)
{
	CLEANUP(release_p) scmp_filter_ctx c = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = c ? add_rules(c) : -ENOMEM;

	if (rc == 0)
		rc = seccomp_load(c);
	errno = -rc;
	if (rc != 0)
		FAIL(e, CONFIG, "the signer's system calls cannot be limited (seccomp): %s", strerror(-rc));
	layers->seccomp = true;
	return ERR_OK;
}
