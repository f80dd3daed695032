/* The signer's system calls: what it does goes on, everything else ends it. */
#include "os/channel.h"
#include "os/file.h"
#include "os/jail_testing.h"
#include "os/sanitized.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static bool as_root;
static pid_t parent;

static void enter(const struct jail_world *w)
{
	struct jail j = jail_of(w);
	struct jail_layers l;
	struct err e = { 0 };

	parent = getppid();
	if (!as_root)
		jail_become_ordinary();
	if (jail_enter(&j, &l, &e) != ERR_OK || jail_seccomp_signer(&l, &e) != ERR_OK) {
		fprintf(stderr, "no jail: %s\n", e.detail);
		_exit(2);
	}
	CHECK(l.seccomp);
}

/* --- what the signer does --- */

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void work_with_files(void)
{
	CLEANUP(buf_free_p) struct buf b = buf_new(100);
	struct stat s;

	CHECK(file_write(AT_FDCWD, "log", 0600, BYTES_LIT("record"), NULL) == ERR_OK);
	CHECK(file_read(AT_FDCWD, "log", 100, &b, NULL) == ERR_OK && b.len == 6);
	CHECK(file_create(AT_FDCWD, "log", 0600, BYTES_LIT("x"), NULL) == ERR_CONFLICT);
	CHECK(file_create(AT_FDCWD, "log2", 0600, BYTES_LIT("x"), NULL) == ERR_OK);
	CLEANUP(close_p) int fd = open("log", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 65536) == 0);
	CHECK(pwrite(fd, "R", 1, 0) == 1 && fdatasync(fd) == 0 && ftruncate(fd, 3) == 0 && lseek(fd, 0, SEEK_END) == 3);
	CHECK(fstat(fd, &s) == 0 && s.st_size == 3);
	CHECK(mkdirat(AT_FDCWD, "folder", 0700) == 0);
	CHECK(unlinkat(AT_FDCWD, "folder", AT_REMOVEDIR) == 0 && unlink("log") == 0 && unlink("log2") == 0);
}

static void work_with_channels(int fds[2])
{
	static const struct message_rule rule = { "NEWS", 0, 1, 10, 0, 0, false };
	struct channel *a, *b;
	struct message m;

	CHECK(channel_new(fds[0], 0, 1, &rule, 1, &a, NULL) == ERR_OK && channel_new(fds[1], 1, 0, &rule, 1, &b, NULL) == ERR_OK);
	CHECK(channel_receive(b, &m, NULL) == ERR_AGAIN);
	CHECK(channel_send(a, 0, 0, BYTES_LIT("x"), NULL) == ERR_OK && channel_receive(b, &m, NULL) == ERR_OK);
	channel_free(a);
	CHECK(channel_receive(b, &m, NULL) == ERR_CLOSED); /* FIONREAD */
	channel_free(b);
}

static void work_with_memory(void)
{
	static int numbers[5000];
	uint8_t random[16];
	struct timespec t = { 0, 1000 };
	volatile char *p = malloc(8u << 20);

	CHECK(p);
	memset((char *)(uintptr_t)p, 1, 8u << 20);
	free((char *)(uintptr_t)p);
	for (int i = 0; i < 5000; i++)
		numbers[i] = i * 7919 % 5000;
	qsort(numbers, 5000, sizeof *numbers, compare); /* libc asks for the machine's memory */
	CHECK(numbers[17] == 17);
	CHECK(getrandom(random, sizeof random, 0) == sizeof random);
	CHECK(nanosleep(&t, NULL) == 0 && clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	(void)mlock(random, sizeof random);
}

/* An client who has connected, by a socket that somebody else listens on. */
static void work_with_operators(int listener, int client)
{
	struct ucred who = { 0 };
	socklen_t len = sizeof who;
	char c = 'x';
	struct iovec v = { &c, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	CLEANUP(close_p) int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CHECK(fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.pid == getpid());
	CHECK(sendmsg(fd, &m, MSG_NOSIGNAL) == 1 && recvmsg(client, &m, 0) == 1);
	CHECK(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) == -1 && errno == EAGAIN);
}

static void connect_operator(int *ret_listener, int *ret_operator)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t len = sizeof at;

	*ret_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	*ret_operator = socket(AF_UNIX, SOCK_STREAM, 0);
	/* a name of the kernel's choice (unix(7), autobind) */
	CHECK(bind(*ret_listener, (struct sockaddr *)&at, sizeof(sa_family_t)) == 0 && listen(*ret_listener, 1) == 0);
	CHECK(getsockname(*ret_listener, (struct sockaddr *)&at, &len) == 0);
	CHECK(connect(*ret_operator, (struct sockaddr *)&at, len) == 0);
}

static void look_at_work(const struct jail_world *w)
{
	int fds[2], listener, client;

	CHECK(channel_pair(fds, NULL) == ERR_OK);
	connect_operator(&listener, &client);
	enter(w);
	work_with_operators(listener, client);
	work_with_files();
	work_with_channels(fds);
	work_with_memory();
	signal(SIGUSR1, SIG_IGN);
	CHECK(raise(SIGUSR1) == 0);
}

static void look_at_abort(const struct jail_world *w)
{
	enter(w);
	signal(SIGABRT, SIG_DFL);
	abort();
}

/* --- what ends it --- */

static void look_at_socket(const struct jail_world *w)
{
	enter(w);
	(void)!socket(AF_INET, SOCK_STREAM, 0);
}

static void look_at_socketpair(const struct jail_world *w)
{
	int fds[2];

	enter(w);
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

static void look_at_accept(const struct jail_world *w)
{
	enter(w);
	(void)!accept(w->listener, NULL, NULL);
}

/* Only as the operators' connections are accepted. */
static void look_at_accept_with_address(const struct jail_world *w)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof from;

	enter(w);
	(void)!accept4(w->listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void look_at_accept_that_blocks(const struct jail_world *w)
{
	enter(w);
	(void)!accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
}

static void look_at_exec(const struct jail_world *w)
{
	char *const none[] = { NULL };

	enter(w);
	syscall(SYS_execve, "file", none, none);
}

static void look_at_ptrace(const struct jail_world *w)
{
	enter(w);
	syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
}

static void look_at_unshare(const struct jail_world *w)
{
	enter(w);
	syscall(SYS_unshare, 0);
}

static void look_at_kill(const struct jail_world *w)
{
	enter(w);
	syscall(SYS_kill, parent, 0);
}

static void look_at_tgkill(const struct jail_world *w)
{
	enter(w);
	syscall(SYS_tgkill, parent, parent, 0);
}

static void look_at_ioctl(const struct jail_world *w)
{
	enter(w);
	syscall(SYS_ioctl, 0, 0x5401 /* TCGETS */, 0);
}

static void look_at_bpf(const struct jail_world *w)
{
	enter(w);
	syscall(SYS_bpf, 0, NULL, 0);
}

/* The sanitizers' runtimes need these three themselves. */
static void look_at_clone(const struct jail_world *w)
{
	enter(w);
	syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static void look_at_executable_memory(const struct jail_world *w)
{
	enter(w);
	(void)!mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void look_at_made_executable(const struct jail_world *w)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	enter(w);
	CHECK(mprotect(p, 4096, PROT_READ) == 0);
	(void)!mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

/* --- running them --- */

static void expect_signal(const struct jail_world *w, const char *what, void (*look)(const struct jail_world *w), int number)
{
	for (int root = 0; root <= (geteuid() == 0); root++) {
		as_root = root;
		int status = jail_child(look, w);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != number)
			fail_msg("%s, as %s: status %#x", what, root ? "root" : "an ordinary user", (unsigned)status);
	}
}

static void test_the_signers_work(void **state)
{
	for (int root = 0; root <= (geteuid() == 0); root++) {
		as_root = root;
		assert_int_equal(jail_child(look_at_work, *state), 0);
	}
}

static void test_abort_is_abort(void **state)
{
	expect_signal(*state, "abort", look_at_abort, SIGABRT);
}

static void test_everything_else_ends_it(void **state)
{
	const struct {
		const char *what;
		void (*look)(const struct jail_world *w);
		bool sanitizers_too;
	} calls[] = {
		{ "socket", look_at_socket, true },
		{ "socketpair", look_at_socketpair, true },
		{ "accept", look_at_accept, true },
		{ "accept4 with an address", look_at_accept_with_address, true },
		{ "accept4 without its flags", look_at_accept_that_blocks, true },
		{ "execve", look_at_exec, true },
		{ "ptrace", look_at_ptrace, true },
		{ "unshare", look_at_unshare, true },
		{ "kill", look_at_kill, true },
		{ "tgkill of another", look_at_tgkill, true },
		{ "ioctl", look_at_ioctl, true },
		{ "bpf", look_at_bpf, true },
		{ "clone", look_at_clone, false },
		{ "mmap of executable memory", look_at_executable_memory, false },
		{ "mprotect to executable", look_at_made_executable, false },
	};

	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (calls[i].sanitizers_too || !(SANITIZED_ADDRESS || SANITIZED_THREAD))
			expect_signal(*state, calls[i].what, calls[i].look, SIGSYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_signers_work),
		cmocka_unit_test(test_abort_is_abort),
		cmocka_unit_test(test_everything_else_ends_it),
	};

	return cmocka_run_group_tests(tests, jail_world_make, jail_world_clear);
}
