#include "agent/peer.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "os/process.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS     10000
#define END_MS       2000
#define FIRST_NUMBER 61701 /* where Debian gives no user of its own (policy 9.2.2: 60000-64999 is for packages, most of it unused) */

extern char **environ;

struct peer {
	struct channel *channel;
	pid_t pid;
	uint32_t id;
	bool gone;
	char program[64];
};

/* --- users --- */

/* A number for each name, which no user of the system has. */
static uid_t own_number(const char *name)
{
	uint32_t n = 0;

	for (const char *p = name; *p; p++)
		n = n * 31 + (unsigned char)*p;
	return FIRST_NUMBER + n % 97;
}

static enum err_code find_user(const struct peer_wish *w, uid_t *ret_uid, gid_t *ret_gid, struct err *e)
{
	const char *name = w->user ? w->user : w->own_user;
	const struct passwd *p;
	char *end;

	errno = 0;
	unsigned long number = strtoul(name, &end, 10);
	bool is_number = *name && !*end && number < 0x7fffffff;
	p = is_number ? getpwuid((uid_t)number) : getpwnam(name);
	errno = 0;
	if (!p && !is_number && w->user)
		FAIL(e, CONFIG, "there is no user \"%.100s\" for %s: make it with `adduser --system --group %.100s`, or name another", name,
		    w->program, name);
	*ret_uid = p ? p->pw_uid : is_number ? (uid_t)number : own_number(w->own_user);
	*ret_gid = p ? p->pw_gid : (gid_t)*ret_uid;
	return ERR_OK;
}

/* --- start and end --- */

/* A variable, and of characters: JSON takes no others. */
static bool can_be_told(const char *v)
{
	const uint8_t *p = (const uint8_t *)v, *end = p + strlen(v);
	uint32_t c;
	size_t n;

	for (; p < end; p += n)
		if ((n = utf8_get(p, end, &c)) == 0)
			return false;
	return strchr(v, '=') != NULL;
}

static void put_environment(struct json_out *w)
{
	json_put_key(w, "environment");
	json_put_array(w);
	for (char **v = environ; v && *v; v++)
		if (can_be_told(*v))
			json_put_string(w, bytes_str(*v));
	json_end_array(w);
}

static enum err_code put_start(const struct peer_wish *w, struct buf *out, struct err *e)
{
	struct json_out j = json_out_to(out);
	uid_t uid = 0;
	gid_t gid = 0;

	json_put_object(&j);
	if (geteuid() == 0 && !w->keeps_user) {
		TRY(find_user(w, &uid, &gid, e));
		json_put_member_uint(&j, "uid", uid);
		json_put_member_uint(&j, "gid", gid);
	}
	if (w->environment)
		put_environment(&j);
	json_end_object(&j);
	errno = 0;
	if (!buf_ok(out))
		FAIL(e, CONFIG, "the environment is too large to be handed to programs: it may have 128 KiB");
	return ERR_OK;
}

static enum err_code say_hello(struct peer *p, const struct peer_wish *w, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 1u << 20);
	CLEANUP(buf_free_p) struct buf json = buf_new(CHANNEL_BODY_MAX - TALK_NAME_MAX);
	struct bytes answer;

	errno = 0;
	if (!a)
		FAIL(e, NOMEM, "no memory to start %s", w->program);
	TRY(put_start(w, &json, e));
	struct peer_call c = { .name = "start", .json = buf_bytes(&json), .fd = -1, .timeout_ms = START_MS };
	return peer_call(p, a, &c, &answer, e);
}

enum err_code peer_start(const struct peer_wish *w, struct peer **ret, struct err *e)
{
	CLEANUP(close_p) int executable = -1;
	CLEANUP(peer_stop_p) struct peer *p = calloc(1, sizeof *p);
	int fds[2];

	if (!p)
		FAIL(e, NOMEM, "no memory to start %s", w->program);
	(void)snprintf(p->program, sizeof p->program, "%s", w->program);
	TRY(process_find(w->program, CHANCERY_LIBEXEC, &executable, e));
	TRY(channel_pair(fds, e));
	enum err_code rc = process_start(executable, w->program, fds[1], &p->pid, e);
	(void)close(fds[1]);
	if (rc != ERR_OK) {
		(void)close(fds[0]);
		return rc;
	}
	TRY(channel_new(fds[0], TALK_PROGRAM, TALK_PROCESS, talk_rules, TALK__MAX, &p->channel, e));
	TRY(say_hello(p, w, e));
	*ret = TAKE(p);
	return ERR_OK;
}

static bool has_ended(struct peer *p, int64_t until_ms)
{
	const struct timespec pause = { 0, 2000000 };

	for (;;) {
		pid_t got = waitpid(p->pid, NULL, WNOHANG);
		if (got == p->pid || (got < 0 && errno == ECHILD))
			return true;
		if (clock_monotonic_ms() >= until_ms)
			return false;
		(void)nanosleep(&pause, NULL);
	}
}

void peer_stop(struct peer *p)
{
	if (!p)
		return;
	channel_free(p->channel);
	if (p->pid > 0 && !has_ended(p, clock_monotonic_ms() + (p->gone ? 0 : END_MS))) {
		(void)kill(p->pid, SIGKILL);
		(void)has_ended(p, clock_monotonic_ms() + END_MS);
	}
	free(p);
}

/* --- asking --- */

/* Something has come, or the deadline. A signal of ours is the process's too: what waits there then asks whether to go on. */
static enum err_code await(struct peer *p, int64_t deadline_ms, struct err *e)
{
	struct pollfd f = { .fd = channel_fd(p->channel), .events = POLLIN };

	for (;;) {
		int64_t left = deadline_ms - clock_monotonic_ms();
		if (left <= 0) {
			p->gone = true;
			(void)kill(p->pid, SIGKILL);
			errno = 0;
			FAIL(e, TIMEOUT, "%s did not answer in time and was ended", p->program);
		}
		int n = poll(&f, 1, left < 60000 ? (int)left : 60000);
		if (n < 0 && errno == EINTR)
			(void)kill(p->pid, SIGTERM);
		if (n > 0)
			return ERR_OK;
	}
}

static enum err_code gone(struct peer *p, struct err *e)
{
	p->gone = true;
	errno = 0;
	FAIL(e, CLOSED, "%s has ended before it was done", p->program);
}

/* What became of a message to it. */
static enum err_code sent(struct peer *p, enum err_code rc, struct err *e)
{
	return rc == ERR_CLOSED ? gone(p, e) : rc;
}

static enum err_code receive(struct peer *p, int64_t deadline_ms, struct message *ret, struct err *e)
{
	for (;;) {
		struct err why = { 0 };
		enum err_code rc = channel_receive(p->channel, ret, &why);
		if (rc == ERR_OK)
			return ERR_OK;
		if (rc != ERR_AGAIN)
			return gone(p, e);
		TRY(await(p, deadline_ms, e));
	}
}

static enum err_code reply(struct peer *p, const struct message *m, const struct peer_call *c, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(8192, 4u << 20);
	CLEANUP(buf_free_p) struct buf out = buf_new(CHANNEL_BODY_MAX);
	struct json_out w = json_out_to(&out);
	struct err why = { 0 };
	const char *what;
	struct bytes json;

	enum err_code rc = a ? talk_split(m->body, &what, &json, &why) : err_set(&why, ERR_NOMEM, __FILE__, __LINE__, "no memory");
	if (rc == ERR_OK && !c->asked)
		rc = err_set(&why, ERR_UNAUTHORIZED, __FILE__, __LINE__, "nothing may be asked now");
	json_put_object(&w);
	if (rc == ERR_OK)
		rc = c->asked(c->context, a, what, json, &w, &why);
	json_end_object(&w);
	if (rc == ERR_OK && buf_ok(&out))
		return sent(p, channel_send(p->channel, TALK_REPLY, m->id, buf_bytes(&out), e), e);
	buf_reset(&out);
	talk_put_error(&why, &out);
	return sent(p, channel_send(p->channel, TALK_DENIED, m->id, buf_bytes(&out), e), e);
}

static enum err_code send_call(struct peer *p, const struct peer_call *c, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(CHANNEL_BODY_MAX);

	talk_join(c->name, c->json.ptr ? c->json : BYTES_LIT("{}"), &body);
	errno = 0;
	if (!buf_ok(&body))
		FAIL(e, TOO_LARGE, "what %s is asked for is too large", p->program);
	if (c->fd >= 0)
		return sent(p, channel_send_fd(p->channel, TALK_CALL_FD, ++p->id, buf_bytes(&body), c->fd, e), e);
	return sent(p, channel_send(p->channel, TALK_CALL, ++p->id, buf_bytes(&body), e), e);
}

enum err_code peer_call(struct peer *p, struct arena *a, const struct peer_call *c, struct bytes *ret, struct err *e)
{
	int64_t deadline_ms = clock_monotonic_ms() + c->timeout_ms;
	struct message m;

	errno = 0;
	if (p->gone)
		FAIL(e, CLOSED, "%s has ended", p->program);
	TRY(send_call(p, c, e));
	for (;;) {
		TRY(receive(p, deadline_ms, &m, e));
		if (m.type == TALK_ASK) {
			TRY(reply(p, &m, c, e));
			continue;
		}
		if (m.type == TALK_FAILED)
			return talk_take_error(a, m.body, e);
		if (m.type != TALK_ANSWER || m.id != p->id)
			continue;
		*ret = arena_copy(a, m.body);
		errno = 0;
		if (!ret->ptr)
			FAIL(e, NOMEM, "no memory for an answer");
		return json_check(*ret, e);
	}
}
