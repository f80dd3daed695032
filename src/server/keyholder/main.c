/* chancery-ca-keyholder: loads a token's PKCS#11 module and signs by it what the signer asks for. The module is foreign code, which may need files, devices and
 * the network: so it has a process and a user of its own, and no jail but that. It signs digests and knows nothing of certificates; what may be signed
 * is the signer's to judge, which stands alone on its channel. */
#include "base/event.h"
#include "base/json.h"
#include "crypto/digest.h"
#include "os/process.h"
#include "p11/token.h"
#include "server/child.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define HANG_S 10 /* a module that answers later than this is given up, and this process with it: the parent starts another */

struct server {
	struct child child;
	struct channel *signer; /* NULL: none now */
	struct token_module *module;
	bool stop;
	uint64_t signatures, failures;
	struct err failure; /* of the last signature; ERR_OK: it was given */
};

/* --- the start --- */

static enum err_code take_user(struct child *c, struct err *e)
{
	struct passwd *user = getpwuid(c->uid);
	struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	/* Tokens' devices belong to groups: the user has his own, by name; a number alone has none. */
	if (getuid() == 0 && ((user ? initgroups(user->pw_name, c->gid) : setgroups(0, NULL)) != 0 ||
				 setresgid(c->gid, c->gid, c->gid) != 0 || setresuid(c->uid, c->uid, c->uid) != 0))
		FAIL(e, CONFIG, "cannot become user %u: %s", (unsigned)c->uid, strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) != 0 || prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) != 0)
		FAIL(e, CONFIG, "cannot give up new privileges: %s", strerror(errno));
	c->layers = (struct jail_layers){ .user = true, .no_new_privs = true, .undumpable = true };
	if (fchdir(c->folder) != 0)
		FAIL(e, CONFIG, "the data folder cannot be entered: %s", strerror(errno));
	return ERR_OK;
}

static enum err_code set_environment(const struct settings *s, struct err *e)
{
	char text[2048];

	for (size_t i = 0; i < s->keyholder_environment.n; i++) {
		struct bytes name, value;
		(void)bytes_split(s->keyholder_environment.v[i], '=', &name, &value);
		if (name.len + value.len + 2 > sizeof text)
			FAIL(e, CONFIG, "keyholder.environment: a variable is too long");
		memcpy(text, name.ptr, name.len);
		text[name.len] = '\0';
		memcpy(text + name.len + 1, value.ptr, value.len);
		text[name.len + 1 + value.len] = '\0';
		if (setenv(text, text + name.len + 1, 1) != 0)
			FAIL(e, NOMEM, "no memory for a variable");
	}
	return ERR_OK;
}

/* The first line of the PIN's file; only the module's own copy is kept. */
static enum err_code open_module(struct server *v, struct err *e)
{
	uint8_t text[TOKEN_PIN_MAX + 1] = { 0 };
	struct bytes pin;
	char path[1100];

	TRY(child_read_secret(&v->child, "keyholder.pin-file", text, sizeof text, &pin, e));
	(void)snprintf(path, sizeof path, "%.*s", BYTES_FMT(v->child.settings.keyholder_module));
	enum err_code rc = token_module_open(path, pin, &v->module, e);
	crypto_wipe(text, sizeof text);
	return rc;
}

/* --- the signer's requests --- */

static enum err_code refuse(struct server *v, uint32_t id, const struct err *why, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(4096);
	static struct event_limit limit;

	v->failures++;
	v->failure = *why;
	event_limited(&limit, EVENT_WARNING, "token.not_signed", EVENT_STR("code", err_name(why->code)), EVENT_STR("detail", why->detail));
	problem_write(why->code, bytes_str(why->detail), &out);
	return channel_send(v->signer, MESSAGE_UNSIGNED, id, buf_bytes(&out), e);
}

static enum err_code sign_one(struct server *v, const struct message *m, struct err *e)
{
	uint8_t sig[KEY_SIG_SIZE_MAX];
	struct err why = { 0 };
	struct sign s;
	size_t len = 0;

	event_set_request(m->request);
	enum err_code rc = sign_read(m->body, &s, &why);
	if (rc == ERR_OK) {
		alarm(HANG_S); /* SIGALRM ends this process */
		rc = token_sign(v->module, s.uri, (enum key_type)s.type, s.digest, sig, &len, &why);
		alarm(0);
	}
	if (rc != ERR_OK) {
		rc = refuse(v, m->id, &why, e);
	} else {
		v->signatures++;
		v->failure = (struct err){ .code = ERR_OK };
		rc = channel_send(v->signer, MESSAGE_SIGNED, m->id, (struct bytes){ sig, len }, e);
	}
	event_set_request(0);
	return rc;
}

static void drop_signer(struct server *v)
{
	if (v->signer)
		channel_free(v->signer);
	v->signer = NULL;
}

/* A signer that is gone may come back. A channel that fails by itself, or an answer that is lost here, ends this process: nobody makes a new channel
 * while both processes live. */
static enum err_code serve_signer(struct server *v, struct err *e)
{
	struct message m;
	enum err_code rc = channel_flush(v->signer, e);

	while (rc == ERR_OK && (rc = channel_receive(v->signer, &m, e)) == ERR_OK)
		if (m.type == MESSAGE_SIGN)
			rc = sign_one(v, &m, e);
	if (rc == ERR_CLOSED)
		drop_signer(v);
	return rc == ERR_CLOSED || rc == ERR_AGAIN ? ERR_OK : rc;
}

/* --- the parent's --- */

static enum err_code on_status(struct server *v, uint32_t id, struct err *e)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(4096);
	struct json_out w = json_out_to(&out);

	json_put_object(&w);
	json_put_member_uint(&w, "signatures", v->signatures);
	json_put_member_uint(&w, "failures", v->failures);
	json_put_member_bool(&w, "signer", v->signer != NULL);
	if (v->failure.code != ERR_OK)
		json_put_member(&w, "failure", bytes_str(v->failure.detail));
	json_end_object(&w);
	return channel_send(v->child.parent, MESSAGE_KEYHOLDER_STATUS, id, buf_bytes(&out), e);
}

static enum err_code on_peer(struct server *v, const struct message *m, struct err *e)
{
	if (m->body.len != 1 || m->body.ptr[0] != PROCESS_SIGNER) {
		close(m->fd);
		return ERR_OK;
	}
	drop_signer(v);
	return server_channel_new(m->fd, PROCESS_KEYHOLDER, PROCESS_SIGNER, &v->signer, e);
}

static enum err_code on_parent(void *ctx, const struct message *m, struct err *e)
{
	struct server *v = ctx;
	struct err why = { 0 };

	switch (m->type) {
	case MESSAGE_SETTINGS_KEYHOLDER:
		return child_settings(&v->child, m, &why) == ERR_OK ? child_ready(&v->child, e) : child_keeps_settings(&v->child, &why, e);
	case MESSAGE_STATUS_KEYHOLDER:
		return on_status(v, m->id, e);
	case MESSAGE_STOP_KEYHOLDER:
		v->stop = true;
		return ERR_OK;
	case MESSAGE_PEER_KEYHOLDER:
		return on_peer(v, m, e);
	default:
		if (m->fd >= 0)
			close(m->fd);
		return ERR_OK;
	}
}

static enum err_code serve(struct server *v, struct err *e)
{
	while (!v->stop) {
		struct pollfd p[2] = { { .fd = channel_fd(v->child.parent), .events = POLLIN },
			{ .fd = v->signer ? channel_fd(v->signer) : -1, .events = POLLIN } };
		if (channel_wants_write(v->child.parent))
			p[0].events |= POLLOUT;
		if (v->signer && channel_wants_write(v->signer))
			p[1].events |= POLLOUT;
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			FAIL(e, IO, "cannot wait for messages");
		TRY(channel_flush(v->child.parent, e));
		if (v->signer)
			TRY(serve_signer(v, e));
		TRY(child_serve_parent(&v->child, on_parent, v, &v->stop, e));
	}
	return ERR_OK;
}

static enum err_code start(struct server *v, struct err *e)
{
	TRY(child_start(PROCESS_KEYHOLDER, &v->child, e));
	signal(SIGALRM, SIG_DFL);
	TRY(set_environment(&v->child.settings, e));
	TRY(take_user(&v->child, e));
	TRY(open_module(v, e));
	return child_ready(&v->child, e);
}

int main(void)
{
	static struct server v;
	struct err e = { 0 };

	enum err_code rc = start(&v, &e);
	if (rc == ERR_OK)
		rc = serve(&v, &e);
	if (rc != ERR_OK)
		child_failed(&v.child, &e);
	drop_signer(&v);
	token_module_close(v.module);
	child_free(&v.child);
	return rc == ERR_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
