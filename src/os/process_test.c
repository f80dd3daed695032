/* The program starts itself under other names, which say what it does then. */
#include "os/process.h"

#include "base/clock.h"
#include "os/channel.h"
#include "os/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the three above first */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_MAX 4096

/* --- what the children do --- */

static void tell(const char *text)
{
	(void)!send(PROCESS_CHANNEL_FD, text, strlen(text), MSG_NOSIGNAL);
}

static void report_signals(struct buf *b)
{
	sigset_t mask;
	struct sigaction a;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int s = 1; s < NSIG; s++) {
		if (sigismember(&mask, s) == 1)
			buf_add_fmt(b, " blocked:%d", s);
		/* the sanitizers have handlers of their own for these faults */
		if (s != SIGSEGV && s != SIGBUS && s != SIGFPE && s != SIGILL && sigaction(s, NULL, &a) == 0 && a.sa_handler != SIG_DFL)
			buf_add_fmt(b, " action:%d", s);
	}
}

/* "fds:0123 null env:LC_ALL=C env:TZ=UTC" */
static void report(void)
{
	struct buf b = buf_new(TEXT_MAX);
	struct stat s;

	buf_add_str(&b, "fds:");
	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			buf_add_fmt(&b, "%d", fd);
	if (fstat(STDIN_FILENO, &s) == 0 && S_ISCHR(s.st_mode) && s.st_rdev == makedev(1, 3))
		buf_add_str(&b, " null");
	for (char **v = environ; *v; v++)
		buf_add_fmt(&b, " env:%s", *v);
	report_signals(&b);
	buf_add_u8(&b, 0);
	tell((const char *)b.ptr);
	_exit(7);
}

/* Looks for "found" as a process of ours looks for another; tells what is in it. */
static void find(void)
{
	char at[32] = "none";
	int fd;

	if (process_find("found", "/nowhere", &fd, NULL) == ERR_OK) {
		ssize_t n = read(fd, at, sizeof at - 1);
		at[n > 0 ? n : 0] = 0;
	}
	tell(at);
	_exit(0);
}

static void wait_for_ever(void)
{
	tell("here");
	for (;;)
		pause();
}

static const struct {
	const char *name;
	void (*run)(void);
} roles[] = { { "chancery-test-report", report }, { "chancery-test-find", find }, { "chancery-test-wait", wait_for_ever } };

/* --- starting --- */

static int ourselves(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* What the child says first; then it is waited for. */
static void start_and_hear(int executable, const char *role, char text[TEXT_MAX], int *ret_status)
{
	int pair[2];
	pid_t pid;

	assert_int_equal(channel_pair(pair, NULL), ERR_OK);
	assert_int_equal(process_start(executable, role, pair[1], &pid, NULL), ERR_OK);
	close(pair[1]);
	assert_int_equal(wait_fd(pair[0], false, clock_monotonic_ms() + 20000, NULL), ERR_OK);
	ssize_t n = recv(pair[0], text, TEXT_MAX - 1, 0);
	assert_true(n >= 0);
	text[n] = 0;
	assert_int_equal(waitpid(pid, ret_status, 0), pid);
	close(pair[0]);
}

static void handler(int number)
{
	(void)number;
}

static void test_nothing_is_inherited(void **state)
{
	CLEANUP(close_p) int self = ourselves();
	char text[TEXT_MAX];
	int status, extra[] = { dup(self), fcntl(self, F_DUPFD, 300), fcntl(self, F_DUPFD, 900) };
	sigset_t mask, before;

	(void)state;
	setenv("CHANCERY_SECRET", "x", 1);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &before);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, handler);
	start_and_hear(self, "chancery-test-report", text, &status);
	assert_string_equal(text, "fds:0123 null env:LC_ALL=C env:TZ=UTC");
	assert_int_equal(WEXITSTATUS(status), 7);
	sigset_t now;
	sigprocmask(SIG_SETMASK, &before, &now);
	assert_true(sigismember(&now, SIGTERM) && !sigismember(&now, SIGUSR1)); /* ours is as it was */
	signal(SIGPIPE, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
	for (size_t i = 0; i < sizeof extra / sizeof *extra; i++)
		close(extra[i]);
}

/* A service manager may start us without any of 0, 1 and 2: then the channel itself may be one of them. */
static void test_without_standard_descriptors(void **state)
{
	int result[2], status;
	char c = 0;

	(void)state;
	assert_int_equal(pipe2(result, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int self = ourselves(), pair[2], out = fcntl(result[1], F_DUPFD_CLOEXEC, 500);
		char text[TEXT_MAX] = "";
		close(0);
		close(1);
		close(2);
		close(3);
		close(4);
		if (channel_pair(pair, NULL) != ERR_OK || process_start(self, "chancery-test-report", pair[1], &pid, NULL) != ERR_OK)
			_exit(1);
		close(pair[1]);
		struct pollfd p = { .fd = pair[0], .events = POLLIN };
		poll(&p, 1, 20000);
		recv(pair[0], text, sizeof text - 1, MSG_DONTWAIT);
		_exit(write(out, strcmp(text, "fds:0123 null env:LC_ALL=C env:TZ=UTC") == 0 ? "y" : "n", 1) == 1 ? 0 : 1);
	}
	close(result[1]);
	assert_int_equal(read(result[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(result[0]);
}

static void test_what_cannot_be_executed(void **state)
{
	CLEANUP(close_p) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char text[TEXT_MAX];
	int status;

	(void)state;
	start_and_hear(null, "chancery-test-report", text, &status);
	assert_string_equal(text, "");
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 127);
}

static void test_child_dies_with_us(void **state)
{
	int pair[2], status;
	char text[8];

	(void)state;
	assert_int_equal(channel_pair(pair, NULL), ERR_OK);
	pid_t parent = fork(), child;
	if (parent == 0) {
		close(pair[0]);
		if (process_start(ourselves(), "chancery-test-wait", pair[1], &child, NULL) != ERR_OK)
			_exit(1);
		close(pair[1]);
		for (;;)
			pause();
	}
	close(pair[1]);
	assert_int_equal(wait_fd(pair[0], false, clock_monotonic_ms() + 20000, NULL), ERR_OK);
	ssize_t n = recv(pair[0], text, sizeof text, 0);
	kill(parent, SIGKILL);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_int_equal(n, 4);
	assert_int_equal(wait_fd(pair[0], false, clock_monotonic_ms() + 20000, NULL), ERR_OK);
	assert_int_equal(recv(pair[0], text, sizeof text, 0), 0); /* the child's end is gone */
	close(pair[0]);
}

/* --- finding --- */

static char folder[40];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/chancery-process-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int clear_folder(void **state)
{
	char command[64];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

static void put(const char *below, mode_t mode, struct bytes content)
{
	char path[100];

	snprintf(path, sizeof path, "%s/%s", folder, below);
	assert_int_equal(file_write(AT_FDCWD, path, mode, content, NULL), ERR_OK);
}

static void make(const char *below)
{
	char path[100];

	snprintf(path, sizeof path, "%s/%s", folder, below);
	assert_int_equal(mkdir(path, 0755), 0);
}

static int in_folder(const char *below)
{
	char path[100];

	snprintf(path, sizeof path, "%s/%s", folder, below);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void test_find_in_compiled_folder(void **state)
{
	struct err e = { 0 };
	char c = 0;
	int fd = -1;

	(void)state;
	assert_int_equal(process_find("chancery-no-such", folder, &fd, &e), ERR_NOT_FOUND);
	assert_non_null(strstr(e.detail, folder));
	assert_non_null(strstr(e.detail, "/../libexec/chancery/chancery-no-such"));
	make("chancery-no-such");
	assert_int_equal(process_find("chancery-no-such", folder, &fd, NULL), ERR_NOT_FOUND); /* a folder is no program */
	put("chancery-some", 0755, BYTES_LIT("!"));
	const char *path = getenv("PATH");
	char before[TEXT_MAX];
	(void)snprintf(before, sizeof before, "%s", path ? path : "/usr/bin:/bin");
	setenv("PATH", folder, 1);
	enum err_code by_path = process_find("chancery-some", "/nowhere", &fd, NULL);
	setenv("PATH", before, 1);
	assert_int_equal(by_path, ERR_NOT_FOUND);
	assert_int_equal(fd, -1);
	assert_int_equal(process_find("chancery-some", folder, &fd, NULL), ERR_OK);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(read(fd, &c, 1), 1);
	assert_int_equal(c, '!');
	close(fd);
	char found[4096], wanted[4096];
	(void)snprintf(wanted, sizeof wanted, "%s/chancery-some", folder);
	assert_int_equal(process_find_path("chancery-some", folder, found, NULL), ERR_OK);
	assert_string_equal(found, wanted);
	assert_int_equal(process_find_path("chancery-some", "/nowhere", found, NULL), ERR_NOT_FOUND);
}

static void test_find_beside_us(void **state)
{
	CLEANUP(buf_free_p) struct buf b = buf_new(64u << 20);
	char text[TEXT_MAX];
	int status;

	(void)state;
	make("bin");
	make("libexec");
	make("libexec/chancery");
	assert_int_equal(file_read(AT_FDCWD, "/proc/self/exe", 64u << 20, &b, NULL), ERR_OK);
	put("bin/program", 0755, buf_bytes(&b));
	CLEANUP(close_p) int program = in_folder("bin/program");
	start_and_hear(program, "chancery-test-find", text, &status);
	assert_string_equal(text, "none");
	put("libexec/chancery/found", 0755, BYTES_LIT("beside"));
	start_and_hear(program, "chancery-test-find", text, &status);
	assert_string_equal(text, "beside");
}

/* --- waiting --- */

static void test_wait(void **state)
{
	struct err e = { 0 };
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	int64_t start = clock_monotonic_ms();
	assert_int_equal(wait_fd(ends[0], false, start + 30, &e), ERR_TIMEOUT);
	assert_int_equal(e.sys, 0);
	assert_true(clock_monotonic_ms() - start >= 29);
	assert_int_equal(wait_fd(ends[0], false, start - 1000, NULL), ERR_TIMEOUT);
	assert_int_equal(wait_fd(ends[1], true, start - 1000, NULL), ERR_OK); /* ready counts, late or not */
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(wait_fd(ends[0], false, start + 10000, NULL), ERR_OK);
	close(ends[1]);
	assert_int_equal(wait_fd(ends[0], false, start + 10000, NULL), ERR_OK); /* the end can be read */
	close(ends[0]);
	assert_int_equal(wait_fd(ends[0], false, start + 10000, NULL), ERR_BUG);
}

/* --- the service manager --- */

static int listen_as_manager(const char *name, size_t len)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(at.sun_path, name, len);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
	return fd;
}

static void expect_state(int fd, const char *want)
{
	char text[600] = "";

	assert_true(recv(fd, text, sizeof text - 1, 0) >= 0 || !*want);
	assert_string_equal(text, want);
}

static void test_notify(void **state)
{
	char path[100], name[40];
	long long stamp;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	service_notify("READY=1"); /* to nobody */
	snprintf(path, sizeof path, "%s/notify", folder);
	CLEANUP(close_p) int fd = listen_as_manager(path, strlen(path));
	setenv("NOTIFY_SOCKET", path, 1);
	service_notify("READY=1");
	expect_state(fd, "READY=1");
	service_notify("STATUS=3 of 3 processes run");
	expect_state(fd, "STATUS=3 of 3 processes run");
	service_notify("RELOADING=1");
	char text[100] = "";
	assert_true(recv(fd, text, sizeof text - 1, 0) > 0);
	assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%lld", &stamp), 1);
	assert_true(stamp / 1000 <= clock_monotonic_ms() && stamp / 1000 > clock_monotonic_ms() - 60000);
	setenv("NOTIFY_SOCKET", path + 1, 1); /* relative */
	service_notify("READY=1");
	expect_state(fd, "");
	int n = snprintf(name, sizeof name, "@chancery-notify-%d", (int)getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	name[0] = 0;
	CLEANUP(close_p) int abstract = listen_as_manager(name, (size_t)n);
	service_notify("STOPPING=1");
	expect_state(abstract, "STOPPING=1");
	setenv("NOTIFY_SOCKET",
	    "/a/path/that/no/socket/address/could/ever/hold/because/it/is/longer/than/one/hundred/and/eight/characters/as/linux/has/it", 1);
	service_notify("READY=1");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_inherited),
		cmocka_unit_test(test_without_standard_descriptors),
		cmocka_unit_test(test_what_cannot_be_executed),
		cmocka_unit_test(test_child_dies_with_us),
		cmocka_unit_test_setup_teardown(test_find_in_compiled_folder, make_folder, clear_folder),
		cmocka_unit_test_setup_teardown(test_find_beside_us, make_folder, clear_folder),
		cmocka_unit_test(test_wait),
		cmocka_unit_test_setup_teardown(test_notify, make_folder, clear_folder),
	};

	for (size_t i = 0; argc > 0 && i < sizeof roles / sizeof *roles; i++)
		if (strcmp(argv[0], roles[i].name) == 0)
			roles[i].run();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
