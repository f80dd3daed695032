#include "os/process.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FREE_FD (PROCESS_CHANNEL_FD + 1)
#define CLOSE_MOST    65536 /* without close_range(2): descriptors past this number are not looked for */

static void close_from(int first)
{
	/* Linux 5.9; an older one is told by its error */
	if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0)
		return;
	long n = sysconf(_SC_OPEN_MAX);
	for (int fd = first; fd < (n > 0 && n < CLOSE_MOST ? n : CLOSE_MOST); fd++)
		close(fd);
}

/* 0 is /dev/null; 1 and 2 too where we have none (or something else of ours has that number, which ends at exec), so that no
 * file opened later becomes somebody's standard error. */
static bool arrange_fds(int executable_fd, int channel_fd)
{
	/* first out of the way of the numbers that they will have */
	int channel = fcntl(channel_fd, F_DUPFD, FIRST_FREE_FD + 1), executable = fcntl(executable_fd, F_DUPFD, FIRST_FREE_FD + 1);
	int null = open("/dev/null", O_RDWR);

	if (channel < 0 || executable < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0)
		return false;
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		int flags = fcntl(fd, F_GETFD);
		if ((flags < 0 || (flags & FD_CLOEXEC)) && dup2(null, fd) < 0)
			return false;
	}
	if (dup2(channel, PROCESS_CHANNEL_FD) < 0 || dup2(executable, FIRST_FREE_FD) < 0 || fcntl(FIRST_FREE_FD, F_SETFD, FD_CLOEXEC) < 0)
		return false;
	close_from(FIRST_FREE_FD + 1);
	return true;
}

/* In the child, between fork and exec: only async-signal-safe calls. All signals are blocked. */
static void become(int executable_fd, const char *name, int channel_fd, pid_t parent)
{
	char *const argv[] = { (char *)(uintptr_t)name, NULL };
	char lc[] = "LC_ALL=C", tz[] = "TZ=UTC";
	char *const envp[] = { lc, tz, NULL };
	sigset_t none;

	/* Comes when the thread that started us ends: the parent starts its children from its main thread. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (arrange_fds(executable_fd, channel_fd))
		fexecve(FIRST_FREE_FD, argv, envp);
	_exit(127);
}

enum err_code process_start(int executable_fd, const char *name, int channel_fd, pid_t *ret_pid, struct err *e)
{
	sigset_t all, before;

	/* Until the child has default actions, a signal would run our handler in it, on descriptors that it shares with us. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0)
		become(executable_fd, name, channel_fd, parent);
	int error = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	if (pid < 0)
		FAIL(e, IO, "cannot start %s: %s", name, strerror(errno));
	*ret_pid = pid;
	return ERR_OK;
}

/* bin/PROGRAM's neighbour libexec/chancery/NAME, in the build tree as in an installed one under another prefix. */
static bool beside_us(const char *folder, const char *name, char out[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n <= 0)
		return false;
	self[n] = 0;
	char *slash = strrchr(self, '/');
	if (!slash)
		return false;
	*slash = 0;
	int len = snprintf(out, PATH_MAX, "%s/../%s/chancery/%s", self, folder, name);
	return len > 0 && len < PATH_MAX;
}

static int open_executable(const char *path)
{
	CLEANUP(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat s;

	if (fd < 0 || fstat(fd, &s) != 0 || !S_ISREG(s.st_mode))
		return -1;
	int found = fd;
	fd = -1;
	return found;
}

static enum err_code find(const char *name, const char *compiled_folder, char ret_path[PATH_MAX], int *ret_fd, struct err *e)
{
	char near[PATH_MAX];
	bool have_near = beside_us("libexec", name, near);

	(void)snprintf(ret_path, PATH_MAX, "%s", have_near ? near : "");
	int fd = have_near ? open_executable(near) : -1;
	if (fd < 0) {
		int n = snprintf(ret_path, PATH_MAX, "%s/%s", compiled_folder, name);
		fd = n > 0 && n < PATH_MAX ? open_executable(ret_path) : -1;
	}
	if (fd < 0)
		FAIL(e, NOT_FOUND, "%s is neither at %s nor in %s: is the installation complete?", name, have_near ? near : "-",
		    compiled_folder);
	*ret_fd = fd;
	return ERR_OK;
}

enum err_code process_find(const char *name, const char *compiled_folder, int *ret_fd, struct err *e)
{
	char path[PATH_MAX];

	return find(name, compiled_folder, path, ret_fd, e);
}

enum err_code process_find_path(const char *name, const char *compiled_folder, char ret_path[4096], struct err *e)
{
	CLEANUP(close_p) int fd = -1;

	return find(name, compiled_folder, ret_path, &fd, e);
}

bool process_find_data(const char *name, const char *compiled_folder, char ret_path[4096])
{
	if (beside_us("share", name, ret_path) && access(ret_path, R_OK) == 0)
		return true;
	int n = snprintf(ret_path, 4096, "%s/%s", compiled_folder, name);
	return n > 0 && n < 4096 && access(ret_path, R_OK) == 0;
}

enum err_code wait_fd(int fd, bool for_write, int64_t deadline_ms, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = for_write ? POLLOUT : POLLIN };

	for (;;) {
		int64_t left = deadline_ms - clock_monotonic_ms();
		int n = poll(&p, 1, left > 0 ? (int)(left < INT_MAX ? left : INT_MAX) : 0);
		errno = n < 0 ? errno : 0;
		if (n > 0 && (p.revents & POLLNVAL))
			FAIL(e, BUG, "waiting for descriptor %d, which is none", fd);
		if (n > 0)
			return ERR_OK;
		if (n < 0 && errno != EINTR)
			FAIL(e, IO, "poll: %s", strerror(errno));
		if (n == 0)
			FAIL(e, TIMEOUT, "nothing came before the deadline");
	}
}

/* sd_notify(3)'s protocol: one datagram to the socket that NOTIFY_SOCKET names; '@' stands for the abstract namespace. */
void service_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char text[512];

	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof at.sun_path)
		return;
	memcpy(at.sun_path, path, strlen(path));
	if (at.sun_path[0] == '@')
		at.sun_path[0] = 0;
	/* Type=notify-reload wants to know when the reload began */
	int n = strcmp(state, "RELOADING=1") == 0
		    ? snprintf(text, sizeof text, "%s\nMONOTONIC_USEC=%" PRId64, state, clock_monotonic_ms() * 1000)
		    : snprintf(text, sizeof text, "%s", state);
	size_t size = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (fd >= 0 && sendto(fd, text, size, MSG_NOSIGNAL, (struct sockaddr *)&at, len) < 0)
		errno = 0; /* a service manager that does not listen is no reason to stop */
}
