#include "server/child.h"

#include "base/clock.h"
#include "base/event.h"
#include "crypto/digest.h"
#include "os/process.h"
#include "os/sanitized.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define START_MS       10000
#define SETTINGS_ARENA (1u << 20)
#define SETTINGS_HEAD  16 /* u64 uid, u64 gid before the settings themselves */

static void set_signals(void)
{
	/* The parent alone decides when a child ends: a terminal's Ctrl-C reaches the whole process group. */
	static const int ignored[] = { SIGPIPE, SIGINT, SIGTERM, SIGHUP };

	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
}

enum err_code child_blocklist(struct child *c, const struct message *m, struct err *e)
{
	if (c->n_blocklists == BLOCKED_FILES_MAX) {
		close(m->fd);
		FAIL(e, CONFIG, "more than %d files of blocked keys", BLOCKED_FILES_MAX);
	}
	c->blocklists[c->n_blocklists++] = m->fd;
	return ERR_OK;
}

static void close_blocklists(struct child *c)
{
	for (size_t i = 0; i < c->n_blocklists; i++)
		close(c->blocklists[i]);
	c->n_blocklists = 0;
}

static enum err_code take_blocklists(struct child *c, struct err *e)
{
	enum err_code rc = blocked_read(c->blocked, c->blocklists, c->n_blocklists, e);

	close_blocklists(c);
	return rc;
}

enum err_code child_settings(struct child *c, const struct message *m, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, SETTINGS_ARENA);
	struct settings s;

	c->settings_id = m->id;
	if (!a)
		FAIL(e, NOMEM, "no memory for the settings");
	struct wire w = wire_of(m->body);
	uint64_t uid = wire_u64(&w), gid = wire_u64(&w);
	if (w.failed)
		FAIL(e, MALFORMED, "settings without a user");
	TRY(settings_read(a, bytes_slice(m->body, SETTINGS_HEAD, m->body.len), process_rows[c->self].reader, &s, e));
	TRY(take_blocklists(c, e));
	if (c->arena)
		arena_free(c->arena);
	c->arena = TAKE(a);
	c->settings = s;
	c->uid = (uid_t)uid;
	c->gid = (gid_t)gid;
	c->lines->json = bytes_eq_str(s.log_format, "json");
	return ERR_OK;
}

/* Takes what the parent sends first, until settings and folder are there. */
static enum err_code child_receive_start(struct child *c, struct err *e)
{
	const struct process_row *mine = &process_rows[c->self];
	int64_t deadline = clock_monotonic_ms() + START_MS;

	while (c->folder < 0 || !c->arena) {
		struct message m;
		enum err_code rc = channel_receive(c->parent, &m, e);
		if (rc == ERR_AGAIN) {
			TRY(wait_fd(channel_fd(c->parent), false, deadline, e));
			continue;
		}
		TRY(rc);
		if (m.type == mine->settings)
			TRY(child_settings(c, &m, e));
		else if (m.type == mine->folder)
			c->folder = m.fd;
		else if ((m.type == MESSAGE_PASSPHRASE || m.type == MESSAGE_PIN) && c->passphrase < 0)
			c->passphrase = m.fd;
		else if (m.type == blocklist_message(c->self))
			TRY(child_blocklist(c, &m, e));
		else
			FAIL(e, MALFORMED, "the parent sent %s before settings and folder", message_rules[m.type].name);
	}
	return ERR_OK;
}

enum err_code child_start(enum process self, struct child *ret, struct err *e)
{
	static struct event_lines lines = { .fd = STDERR_FILENO };

	*ret = (struct child){ .self = self, .folder = -1, .passphrase = -1, .lines = &lines };
	lines.process = process_name(self);
	event_set_sink(event_lines_sink, &lines, EVENT_INFO);
	set_signals();
	crypto_init();
	TRY(blocked_new(&ret->blocked, e));
	TRY(server_channel_new(PROCESS_CHANNEL_FD, self, PROCESS_PARENT, &ret->parent, e));
	return child_receive_start(ret, e);
}

void child_raise_files(uint64_t wanted)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= wanted)
		return;
	r.rlim_cur = r.rlim_max < wanted ? r.rlim_max : (rlim_t)wanted;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

#if SANITIZED_ADDRESS
/* LeakSanitizer reads /proc and traces its own process at the end, which a jail forbids. So a build with it, which is no product, changes
 * folder and user alone and says so by listing no layer; the jails are tested in the release build. */
enum err_code child_jail(struct child *c, struct err *e)
{
	if (fchdir(c->folder) != 0)
		FAIL(e, CONFIG, "the data folder cannot be entered: %s", strerror(errno));
	if (getuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(c->gid, c->gid, c->gid) != 0 || setresuid(c->uid, c->uid, c->uid) != 0))
		FAIL(e, CONFIG, "cannot become user %u: %s", (unsigned)c->uid, strerror(errno));
	(void)prctl(PR_SET_DUMPABLE, 1);
	return ERR_OK;
}
#else
enum err_code child_jail(struct child *c, struct err *e)
{
	struct jail j = { .root_dir = c->folder,
		.uid = c->uid,
		.gid = c->gid,
		.network = process_rows[c->self].network,
		.writable = process_rows[c->self].writable };

	return jail_enter(&j, &c->layers, e);
}
#endif

enum err_code child_ready(struct child *c, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1024);

	jail_describe(&c->layers, &out);
	return channel_send(c->parent, (uint16_t)process_rows[c->self].ready, c->settings_id, buf_bytes(&out), e);
}

void child_failed(struct child *c, const struct err *why)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(1024);

	event_error(EVENT_ERROR, "process.failed", why);
	if (!c->parent)
		return;
	problem_write(why->code, bytes_str(why->detail), &out);
	if (channel_send(c->parent, (uint16_t)process_rows[c->self].failed, 0, buf_bytes(&out), NULL) == ERR_OK)
		MAY_FAIL(channel_flush(c->parent, NULL)); /* the exit code tells it too */
}

enum err_code child_keeps_settings(struct child *c, const struct err *why, struct err *e)
{
	child_failed(c, why);
	return child_ready(c, e);
}

enum err_code child_serve_parent(struct child *c, child_hears *hear, void *ctx, bool *stop, struct err *e)
{
	for (;;) {
		struct message m;
		enum err_code rc = channel_receive(c->parent, &m, e);
		if (rc == ERR_AGAIN)
			return ERR_OK;
		if (rc == ERR_CLOSED) {
			*stop = true;
			return ERR_OK;
		}
		TRY(rc);
		TRY(hear(ctx, &m, e));
	}
}

enum err_code child_read_secret(struct child *c, const char *name, uint8_t *room, size_t size, struct bytes *ret, struct err *e)
{
	struct bytes rest;

	*ret = BYTES_LIT("");
	if (c->passphrase < 0)
		return ERR_OK;
	(void)mlock(room, size);
	ssize_t n = read(c->passphrase, room, size);
	if (n < 0)
		FAIL(e, IO, "cannot read %s", name);
	close_p(&c->passphrase);
	struct bytes all = { room, (size_t)n };
	if (!bytes_split(all, '\n', ret, &rest))
		*ret = all;
	return ERR_OK;
}

void child_free(struct child *c)
{
	if (c->parent)
		channel_free(c->parent);
	if (c->arena)
		arena_free(c->arena);
	if (c->folder >= 0)
		close(c->folder);
	close_blocklists(c);
	if (c->passphrase >= 0)
		close(c->passphrase);
	blocked_free(c->blocked);
	*c = (struct child){ .folder = -1, .passphrase = -1 };
}
