#include "agent/run.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_MS 2000 /* between SIGTERM and SIGKILL */

extern char **environ;

void run_result_free(struct run_result *r)
{
	buf_free(&r->out);
	buf_free(&r->err);
}

/* --- the environment --- */

static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strncmp(a, b, n + 1) == 0;
}

/* Ours, without what is given anew, then what is given; an array to free(). */
static const char **merge(const char *const *env)
{
	size_t n = 0, given = 0, at = 0;

	while (environ[n])
		n++;
	while (env && env[given])
		given++;
	const char **v = calloc(n + given + 1, sizeof *v);
	for (size_t i = 0; v && i < n; i++) {
		bool anew = false;
		for (size_t k = 0; k < given && !anew; k++)
			anew = same_name(env[k], environ[i]);
		if (!anew)
			v[at++] = environ[i];
	}
	for (size_t k = 0; v && k < given; k++)
		v[at++] = env[k];
	return v;
}

/* --- the process --- */

struct child {
	pid_t pid;
	int pidfd, out, err; /* -1: closed */
};

static void child_close(struct child *c)
{
	close_p(&c->pidfd);
	close_p(&c->out);
	close_p(&c->err);
}

/* A process group of its own, so that all of it can be ended; default signals; nothing on its standard input. */
static int spawn(const struct run_request *r, const char **env, int input, const int out[2], const int err[2], pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	int rc = input >= 0 ? posix_spawn_file_actions_adddup2(&actions, input, 0)
			    : posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, err[1], 2);
	if (rc == 0)
		rc = posix_spawnp(ret, r->argv[0], &actions, &attr, (char *const *)(uintptr_t)r->argv, (char *const *)(uintptr_t)env);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attr);
	return rc;
}

/* A file in memory, so that nobody has to feed a pipe; -1: there is nothing to read. */
static enum err_code open_input(struct bytes text, int *ret, struct err *e)
{
	*ret = -1;
	if (!text.ptr)
		return ERR_OK;
	*ret = memfd_create("input", MFD_CLOEXEC);
	if (*ret < 0 || write(*ret, text.ptr, text.len) != (ssize_t)text.len || lseek(*ret, 0, SEEK_SET) != 0)
		FAIL(e, IO, "no room for what a program is to read: %s", strerror(errno));
	return ERR_OK;
}

static enum err_code start(const struct run_request *r, struct child *ret, struct err *e)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };
	CLEANUP(close_p) int input = -1;

	TRY(open_input(r->input, &input, e));

	if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
		close_p(&out[0]);
		close_p(&out[1]);
		FAIL(e, IO, "no pipe for %.200s: %s", r->argv[0], strerror(errno));
	}
	const char **env = merge(r->env);
	int rc = env ? spawn(r, env, input, out, err, &ret->pid) : ENOMEM;
	free(env);
	close_p(&out[1]);
	close_p(&err[1]);
	ret->out = out[0];
	ret->err = err[0];
	if (rc != 0)
		FAIL(e, CONFIG, "%.200s cannot be run: %s", r->argv[0], strerror(rc));
	(void)fcntl(ret->out, F_SETFL, O_NONBLOCK);
	(void)fcntl(ret->err, F_SETFL, O_NONBLOCK);
	ret->pidfd = (int)syscall(SYS_pidfd_open, ret->pid, 0);
	return ERR_OK;
}

/* --- its output --- */

/* What is there now; what is too much is dropped. */
static void drain(int *fd, struct buf *to)
{
	uint8_t part[4096];
	ssize_t n = -1;

	while (*fd >= 0 && (n = read(*fd, part, sizeof part)) > 0) {
		size_t room = RUN_OUTPUT_MAX - to->len;
		buf_add(to, (struct bytes){ part, (size_t)n < room ? (size_t)n : room });
	}
	if (*fd >= 0 && (n == 0 || (errno != EAGAIN && errno != EINTR)))
		close_p(fd);
}

/* Until it has ended or the deadline: false. Whether its output has an end says nothing: others may hold the pipes. */
static bool await(struct child *c, struct run_result *r, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd p[] = { { .fd = c->pidfd, .events = POLLIN }, { .fd = c->out, .events = POLLIN },
			{ .fd = c->err, .events = POLLIN } };
		int64_t left_ms = deadline_ms - clock_monotonic_ms();
		int n = left_ms > 0 ? poll(p, 3, left_ms < 60000 ? (int)left_ms : 60000) : 0;
		drain(&c->out, &r->out);
		drain(&c->err, &r->err);
		if (n > 0 && p[0].revents)
			return true;
		if (left_ms <= 0)
			return false;
	}
}

static void end_group(struct child *c, struct run_result *r)
{
	(void)kill(-c->pid, SIGTERM);
	if (!await(c, r, clock_monotonic_ms() + GRACE_MS))
		(void)kill(-c->pid, SIGKILL);
	(void)await(c, r, clock_monotonic_ms() + GRACE_MS);
}

enum err_code run_program(const struct run_request *r, struct run_result *ret, struct err *e)
{
	CLEANUP(child_close) struct child c = { .pid = -1, .pidfd = -1, .out = -1, .err = -1 };
	int status = 0;

	*ret = (struct run_result){ .out = buf_new(RUN_OUTPUT_MAX), .err = buf_new(RUN_OUTPUT_MAX) };
	TRY(start(r, &c, e));
	bool ended = c.pidfd >= 0 && await(&c, ret, clock_monotonic_ms() + (int64_t)r->timeout_s * 1000);
	if (!ended)
		end_group(&c, ret);
	while (waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
		continue;
	drain(&c.out, &ret->out);
	drain(&c.err, &ret->err);
	ret->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	errno = 0;
	if (!ended)
		FAIL(e, TIMEOUT, "%.200s has not ended within %u s, and was ended", r->argv[0], r->timeout_s);
	if (!buf_ok(&ret->out) || !buf_ok(&ret->err))
		FAIL(e, NOMEM, "no memory for what %.200s says", r->argv[0]);
	return ERR_OK;
}
