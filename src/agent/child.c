#include "agent/child.h"

#include "os/process.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARENA_MAX (16u << 20)
#define EVER_MS   (INT64_MAX / 2)

extern char **environ;

static enum err_code receive(struct child *c, struct message *ret, struct err *e)
{
	for (;;) {
		enum err_code rc = channel_receive(c->channel, ret, e);
		if (rc != ERR_AGAIN)
			return rc;
		TRY(wait_fd(channel_fd(c->channel), false, EVER_MS, e));
	}
}

enum err_code child_ask(struct child *c, struct arena *a, const char *what, struct bytes json, struct bytes *ret, struct err *e)
{
	CLEANUP(buf_free_p) struct buf body = buf_new(CHANNEL_BODY_MAX);
	struct message m;

	talk_join(what, json, &body);
	errno = 0;
	if (!buf_ok(&body))
		FAIL(e, TOO_LARGE, "too much to ask for at once");
	TRY(channel_send(c->channel, TALK_ASK, ++c->asked, buf_bytes(&body), e));
	for (;;) {
		enum err_code rc = receive(c, &m, e);
		if (rc != ERR_OK)
			_exit(1); /* the program is gone: nobody is left to work for */
		if (m.fd >= 0)
			(void)close(m.fd);
		if (m.id != c->asked || (m.type != TALK_REPLY && m.type != TALK_DENIED))
			continue;
		if (m.type == TALK_DENIED)
			return talk_take_error(a, m.body, e);
		*ret = arena_copy(a, m.body);
		if (!ret->ptr)
			FAIL(e, NOMEM, "no memory for a reply");
		return json_check(*ret, e);
	}
}

/* --- the start --- */

struct start_json {
	struct json_uint uid, gid;
	struct json_strings environment;
};
static const struct json_field start_fields[] = {
	JSON_FIELD(struct start_json, uid, "uid", JSON_UINT, false, 0),
	JSON_FIELD(struct start_json, gid, "gid", JSON_UINT, false, 0),
	JSON_FIELD(struct start_json, environment, "environment", JSON_STRINGS, false, 0),
};

static enum err_code take_environment(const struct json_strings *v, struct arena *a, struct err *e)
{
	if (!v->set)
		return ERR_OK;
	(void)clearenv();
	errno = 0;
	for (size_t i = 0; i < v->n; i++) {
		char *name = arena_str(a, v->v[i]);
		char *value = name ? strchr(name, '=') : NULL;
		if (!value)
			FAIL(e, MALFORMED, "an environment variable without a value");
		*value++ = 0;
		if (setenv(name, value, 1) != 0)
			FAIL(e, NOMEM, "no memory for the environment");
	}
	return ERR_OK;
}

static enum err_code start(child_jail *jail, struct arena *a, struct bytes json, struct err *e)
{
	struct start_json j = { .uid = { false, 0 } };
	struct child_user user = { .given = false };

	TRY(json_read(a, json, "a start", start_fields, sizeof start_fields / sizeof *start_fields, &j, e));
	user = (struct child_user){ .given = j.uid.set, .uid = (uid_t)j.uid.value, .gid = (gid_t)j.gid.value };
	TRY(take_environment(&j.environment, a, e));
	return jail(&user, e);
}

/* --- operations --- */

static enum err_code run(struct child *c, const struct child_row *rows, size_t n, child_jail *jail, bool *started, struct arena *a,
    struct message *m, struct json_out *answer, struct err *e)
{
	const char *name;
	struct bytes json;

	TRY(talk_split(m->body, &name, &json, e));
	json = arena_copy(a, json); /* the message goes when something is asked */
	char *kept = arena_str(a, bytes_str(name));
	errno = 0;
	if (!json.ptr || !kept)
		FAIL(e, NOMEM, "no memory for a message");
	if (!*started && strcmp(kept, "start") == 0) {
		*started = true;
		return start(jail, a, json, e);
	}
	for (size_t i = 0; *started && i < n; i++)
		if (strcmp(rows[i].name, kept) == 0)
			return rows[i].run(c, a, json, &m->fd, answer, e);
	FAIL(e, MALFORMED, "there is no operation \"%s\"", kept);
}

static enum err_code serve_one(struct child *c, const struct child_row *rows, size_t n, child_jail *jail, bool *started, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, ARENA_MAX);
	CLEANUP(buf_free_p) struct buf out = buf_new_secret(CHANNEL_BODY_MAX);
	struct json_out w = json_out_to(&out);
	struct err why = { 0 };
	struct message m;

	TRY(receive(c, &m, e));
	uint32_t id = m.id;
	json_put_object(&w);
	enum err_code rc = a ? run(c, rows, n, jail, started, a, &m, &w, &why) : err_set(&why, ERR_NOMEM, __FILE__, __LINE__, "no memory");
	close_p(&m.fd);
	json_end_object(&w);
	if (rc == ERR_OK && buf_ok(&out))
		return channel_send(c->channel, TALK_ANSWER, id, buf_bytes(&out), e);
	if (rc == ERR_OK)
		(void)err_set(&why, ERR_TOO_LARGE, __FILE__, __LINE__, "the answer is too large");
	buf_reset(&out);
	talk_put_error(&why, &out);
	return channel_send(c->channel, TALK_FAILED, id, buf_bytes(&out), e);
}

/* A terminal's Ctrl-C reaches us too: it ends a wait, and what waits then asks the program whether to go on. */
static void wake(int signal)
{
	(void)signal;
}

int child_main(const struct child_row *rows, size_t n, child_jail *jail, void *context)
{
	const struct sigaction ends_waits = { .sa_handler = wake };
	struct child c = { .context = context };
	bool started = false;

	(void)sigaction(SIGINT, &ends_waits, NULL);
	(void)sigaction(SIGTERM, &ends_waits, NULL);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	if (channel_new(PROCESS_CHANNEL_FD, TALK_PROCESS, TALK_PROGRAM, talk_rules, TALK__MAX, &c.channel, NULL) != ERR_OK)
		return 1;
	while (serve_one(&c, rows, n, jail, &started, NULL) == ERR_OK)
		continue;
	channel_free(c.channel);
	return 0;
}
