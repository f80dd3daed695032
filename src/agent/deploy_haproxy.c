/* HAProxy reads key and certificate from one file, which is made for it. Outside of systemd it is told by a signal to its master (SIGUSR2), or, where it has
 * none, by a new process that takes over from the old ones (-sf). */
#include "agent/deploy_target.h"

#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIDS_MAX 64

static const char *main_file(const struct deploy_run *r)
{
	const char *usual = r->wish->config ? r->wish->config : web_main_file(WEB_HAPROXY);

	return usual ? usual : "/etc/haproxy/haproxy.cfg";
}

static enum deploy_use uses(struct deploy_run *r)
{
	struct web_config c;

	if (web_config_read(r->arena, WEB_HAPROXY, main_file(r), &web_files_disk, &c, NULL) != ERR_OK)
		return DEPLOY_UNKNOWN;
	return deploy_uses_web(r, &c);
}

static enum err_code test(struct deploy_run *r, struct err *e)
{
	return deploy_run_words(r->job, DEPLOY_WORDS("haproxy", "-c", "-q", "-f", main_file(r)), e);
}

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 10;
}

/* The numbers in the pid file; the first is the master's, where there is one. */
static enum err_code read_pids(struct deploy_run *r, const char *file, const char *pids[PIDS_MAX], size_t *ret_n, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(4096);
	struct bytes line, rest;
	size_t n = 0;

	TRY(file_read(AT_FDCWD, file, 4096, &text, e));
	buf_add_u8(&text, '\n');
	for (rest = buf_bytes(&text); bytes_split(rest, '\n', &line, &rest) && n < PIDS_MAX;) {
		const char *pid = arena_str(r->arena, line);
		if (pid && is_number(pid) && strtoul(pid, NULL, 10) > 1)
			pids[n++] = pid;
	}
	errno = 0;
	if (n == 0)
		FAIL(e, CONFIG, "%.200s has no process's number", file);
	*ret_n = n;
	return ERR_OK;
}

/* haproxy, and whether it was started with -W or -Ws. */
static bool is_haproxy(const char *pid, bool *ret_master)
{
	CLEANUP(buf_free_p) struct buf words = buf_new(65536);
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
	CLEANUP(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *room = buf_extend(&words, 16384);
	ssize_t n = fd >= 0 && room ? read(fd, room, 16383) : -1;
	if (n <= 0)
		return false;
	room[n] = 0;
	const char *program = strrchr((const char *)room, '/') ? strrchr((const char *)room, '/') + 1 : (const char *)room;
	for (const char *w = (const char *)room; w < (const char *)room + n; w += strlen(w) + 1)
		*ret_master = *ret_master || strcmp(w, "-W") == 0 || strcmp(w, "-Ws") == 0;
	return strncmp(program, "haproxy", 7) == 0;
}

static enum err_code take_over(struct deploy_run *r, const char *pid_file, const char *pids[], size_t n, struct err *e)
{
	const char **argv = arena_array(r->arena, n + 8, sizeof *argv);
	const char *const first[] = { "haproxy", "-D", "-f", main_file(r), "-p", pid_file, "-sf" };
	size_t at = 0;

	if (!argv)
		FAIL(e, NOMEM, "no memory for a command");
	for (size_t i = 0; i < sizeof first / sizeof *first; i++)
		argv[at++] = first[i];
	for (size_t i = 0; i < n; i++)
		argv[at++] = pids[i];
	return deploy_run_words(r->job, argv, e);
}

static enum err_code reload(struct deploy_run *r, struct err *e)
{
	struct web_config c = { .pid_file = NULL };
	const char *pids[PIDS_MAX];
	enum err_code rc;
	size_t n;

	if (deploy_reload_unit(r, DEPLOY_WORDS("haproxy"), &rc, e))
		return rc;
	TRY(web_config_read(r->arena, WEB_HAPROXY, main_file(r), &web_files_disk, &c, e));
	const char *pid_file = c.pid_file ? c.pid_file : "/run/haproxy.pid";
	TRY(read_pids(r, pid_file, pids, &n, e));
	bool master = c.master_worker;
	if (!is_haproxy(pids[0], &master))
		FAIL(e, CONFIG, "process %s of %.150s is no haproxy", pids[0], pid_file);
	if (!master)
		return take_over(r, pid_file, pids, n, e);
	if (kill((pid_t)strtoul(pids[0], NULL, 10), SIGUSR2) != 0)
		FAIL(e, CONFIG, "process %s cannot be told to read its configuration again: %s", pids[0], strerror(errno));
	return ERR_OK;
}

const struct deploy_target deploy_haproxy = {
	.name = "haproxy",
	.lines = "bind :443 ssl crt @/haproxy.pem\n",
	.bundle = "haproxy.pem",
	.uses = uses,
	.test = test,
	.reload = reload,
};
