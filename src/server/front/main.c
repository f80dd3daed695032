/* chancery-ca-front: started by chancery-ca alone. One control loop (this thread) owns the channels; the HTTP server's threads do
 * the rest. */
#include "base/clock.h"
#include "base/event.h"
#include "base/json.h"
#include "server/front/admin.h"
#include "server/front/chains.h"
#include "server/front/database.h"
#include "server/front/finalize.h"
#include "server/front/key_rules.h"
#include "server/front/limits_state.h"
#include "server/front/notices.h"
#include "server/front/publish.h"
#include "server/front/questions.h"
#include "server/front/request.h"
#include "server/front/retention.h"
#include "server/front/terms.h"
#include "server/front/tls.h"
#include "server/front/validations.h"
#include "server/receipt.h"
#include "server/status.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS        250
#define TLS_EVERY_MS   60000
#define HELLO_MS       UINT_MAX /* as long as the channel: a signer that says it late is served as any other, and there is one HELLO a channel */
#define SIGNER_WAIT_MS 5000 /* the parent's own patience is longer */
#define DRIVE_EVERY_MS 5000 /* orders that the signer had no room for */
#define KEEP_FIRST_MS  5000
#define KEEP_EVERY_MS  3600000
#define STOP_GRACE_MS  5000
#define STOP_TICK_MS   50
#define LISTENERS_MAX  16
#define FILES_ELSE     1024 /* beside connections to the ACME server and to the publish server */

/* Settings that are no longer in force: requests under way may still read them, so they go at the end. */
struct retired {
	struct retired *next;
	struct settings *settings;
	struct arena *arena;
};

struct control {
	struct front f;
	struct database_file database;
	struct retired *retired;
	int wake;
	int questions; /* listens for operators; -1: none */
	int listeners[LISTENERS_MAX], publish_listeners[LISTENERS_MAX], admin_listeners[LISTENERS_MAX];
	size_t n_listeners, n_publish, n_admin;
	int64_t tls_looked_ms, limits_saved_ms, driven_ms, kept_ms, started_ms;
	bool started, told_ready, stopping;
	atomic_bool http_stopped;
};

/* --- what the signer says first, and what it says unasked --- */

static void hello_done(void *ctx, enum err_code code, const struct message *answer)
{
	struct front *f = ctx;
	struct err e = { 0 };

	if (code != ERR_OK || answer->type != MESSAGE_HELLO_OK) {
		event(EVENT_WARNING, "signer.no_hello", EVENT_STR("reason", err_name(code)));
		return;
	}
	struct hello_ok h;
	enum err_code rc = hello_ok_read(answer->body, &h, &e);
	if (rc == ERR_OK) {
		chains_tell_useless(f->settings, &h);
		rc = key_rules_take_issuers(f->key_rules, &h, &e);
		if (rc == ERR_OK && f->publish)
			rc = publish_issuers(f->publish, &h, &e);
	}
	if (rc != ERR_OK)
		event_error(EVENT_ERROR, "signer.bad_hello", &e);
	atomic_store(&f->signer_hello, true);
	if (http_server_run(f->http, finalize_processing, f, NULL) != ERR_OK) {
		event(EVENT_WARNING, "finalize.processing_later", EVENT_STR("reason", "busy"));
		atomic_store(&f->finalize_later, true);
	}
}

/* Shows the signer the newest checkpoint that we keep: a log that is shorter than it has lost certificates (DESIGN §2). */
static enum err_code say_hello(struct front *f, struct err *e)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(4096, 65536);
	struct bytes checkpoint = BYTES_LIT("");

	if (!a)
		FAIL(e, NOMEM, "no memory for HELLO");
	TRY(store_get_checkpoint(f->store, a, &checkpoint, e));
	return peer_ask(f->signer, MESSAGE_HELLO, checkpoint, HELLO_MS, hello_done, f, e);
}

struct checkpoint_job {
	struct front *f;
	struct buf body;
};

static void store_checkpoint(void *ctx)
{
	struct checkpoint_job *job = ctx;
	struct err e = { 0 };

	if (!buf_ok(&job->body))
		err_set(&e, ERR_NOMEM, __FILE__, __LINE__, "no memory for a checkpoint");
	if (!buf_ok(&job->body) || store_add_checkpoint(job->f->store, buf_bytes(&job->body), &e) != ERR_OK)
		event_error(EVENT_WARNING, "checkpoint.not_stored", &e);
	buf_free(&job->body);
	free(job);
}

static void new_lists(struct control *c, const struct message *m)
{
	static struct crl_new v[CRL_NEW_MAX];
	struct err e = { 0 };
	size_t n;

	if (crl_new_read(m->body, v, &n, &e) != ERR_OK)
		event_error(EVENT_ERROR, "crl.bad_notice", &e);
	else if (c->f.publish)
		publish_lists_are_new(c->f.publish, v, n);
}

static void signer_notice(void *ctx, const struct message *m)
{
	struct control *c = ctx;

	if (m->type == MESSAGE_CRL_NEW) {
		new_lists(c, m);
		return;
	}
	if (notice_take(&c->f, m))
		return;
	struct checkpoint_job *job = m->type == MESSAGE_CHECKPOINT ? calloc(1, sizeof *job) : NULL;

	if (!job)
		return;
	job->f = &c->f;
	job->body = buf_new(1024);
	buf_add(&job->body, m->body);
	if (http_server_run(c->f.http, store_checkpoint, job, NULL) != ERR_OK)
		store_checkpoint(job);
}

static void no_notice(void *ctx, const struct message *m)
{
	(void)ctx;
	(void)m;
}

/* --- what the parent says --- */

static void put_status(struct control *c, struct buf *out)
{
	struct http_counts h = http_server_counts(c->f.http);
	struct json_out w = json_out_to(out);
	uint64_t problems[ERR__MAX];
	char time[RFC3339_SIZE];

	json_put_object(&w);
	json_put_member_uint(&w, "issued", atomic_load(&c->f.issued));
	json_put_member_uint(&w, "requests", h.requests);
	json_put_member_uint(&w, "connections", h.open_now);
	json_put_member_uint(&w, "connections_refused", h.refused_connections);
	json_put_member_uint(&w, "handshake_failures", h.handshake_failures);
	json_put_member_uint(&w, "bad_requests", h.bad_requests);
	json_put_member_uint(&w, "overloaded", h.overloaded);
	json_put_member_uint(&w, "dropped", atomic_load(&c->f.dropped));
	json_put_member_bool(&w, "signer_connected", atomic_load(&c->f.signer_hello));
	rfc3339_format(atomic_load(&c->f.tls_not_after_s), time);
	json_put_member_str(&w, "tls_not_after", time);
	json_put_member_uint(&w, "tls_not_after_s", (uint64_t)atomic_load(&c->f.tls_not_after_s));
	json_put_member_uint(&w, "validations_waiting", peer_waiting(c->f.validator));
	json_put_member_uint(&w, "issuances_waiting", peer_waiting(c->f.signer));
	status_put_channel(&w, "validator_channel", peer_counts(c->f.validator));
	status_put_channel(&w, "signer_channel", peer_counts(c->f.signer));
	for (unsigned i = 0; i < ERR__MAX; i++)
		problems[i] = atomic_load(&c->f.problems[i]);
	status_put_errors(&w, "problems", problems);
	limits_state_put(&c->f, &w);
	json_end_object(&w);
}

static void answer_status(struct control *c, uint32_t id)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(32768);

	put_status(c, &out);
	if (channel_send(c->f.child.parent, MESSAGE_FRONT_STATUS, id, buf_bytes(&out), NULL) != ERR_OK)
		event(EVENT_WARNING, "status.not_sent", EVENT_STR("to", "parent"));
}

/* Which identifiers may be asked for; lies with the settings, in their arena. */
static enum err_code make_names(
    const struct front *f, struct arena *a, const struct settings *s, const struct names_policy **ret, struct err *e)
{
	struct names_policy *p = arena_new_obj(a, struct names_policy);

	if (!p)
		FAIL(e, NOMEM, "no memory for settings");
	p->suffixes = f->suffixes;
	p->private = (struct private_suffixes){ s->policy_private_suffixes.v, s->policy_private_suffixes.n };
	TRY(settings_name_policy(a, s, &p->rules, e));
	*ret = p;
	return ERR_OK;
}

/* New settings come into force between requests only where they are read anew; those that shape the server itself (limits, listening
 * addresses, workers) take a restart, which the parent says. Old settings stay in memory: requests under way may still read them. */
static enum err_code take_settings(struct control *c, const struct message *m, struct err *e)
{
	struct child next = c->f.child;
	struct settings *s = malloc(sizeof *s);
	struct retired *old = malloc(sizeof *old);
	const struct names_policy *names;

	c->f.child.settings_id = m->id;
	next.arena = NULL;
	enum err_code rc = s && old ? child_settings(&next, m, e) : err_set(e, ERR_NOMEM, __FILE__, __LINE__, "no memory for settings");
	c->f.child.n_blocklists = 0; /* the files are read, and closed */
	if (rc == ERR_OK)
		rc = make_names(&c->f, next.arena, &next.settings, &names, e);
	if (rc != ERR_OK) {
		if (next.arena)
			arena_free(next.arena);
		free(s);
		free(old);
		return rc;
	}
	*old = (struct retired){ c->retired, c->f.settings, c->f.child.arena };
	c->retired = old;
	*s = next.settings;
	c->f.child = next;
	c->f.settings = s;
	c->f.names = names;
	rc = tls_load(&c->f, e);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code connect_peer(struct control *c, const struct message *m, struct err *e)
{
	enum process who = m->body.len == 1 ? (enum process)m->body.ptr[0] : PROCESS__MAX;

	if (who == PROCESS_VALIDATOR)
		return peer_connect(c->f.validator, m->fd, e);
	if (who != PROCESS_SIGNER) {
		close(m->fd);
		FAIL(e, MALFORMED, "the parent sent a channel to nobody we know");
	}
	atomic_store(&c->f.signer_hello, false);
	TRY(peer_connect(c->f.signer, m->fd, e));
	return c->started ? say_hello(&c->f, e) : ERR_OK;
}

static enum err_code take_listener(int *listeners, size_t *n, int fd, struct err *e)
{
	if (*n == LISTENERS_MAX) {
		close(fd);
		FAIL(e, CONFIG, "at most %d addresses to listen on", LISTENERS_MAX);
	}
	listeners[(*n)++] = fd;
	return ERR_OK;
}

static enum err_code parent_message(struct control *c, const struct message *m, struct err *e)
{
	struct err failed = { 0 };

	switch (m->type) {
	case MESSAGE_LISTENER:
		return take_listener(c->listeners, &c->n_listeners, m->fd, e);
	case MESSAGE_LISTENER_PUBLISH:
		return take_listener(c->publish_listeners, &c->n_publish, m->fd, e);
	case MESSAGE_LISTENER_ADMIN:
		return take_listener(c->admin_listeners, &c->n_admin, m->fd, e);
	case MESSAGE_LISTENER_QUESTIONS:
		close_p(&c->questions);
		c->questions = m->fd;
		return ERR_OK;
	case MESSAGE_METRICS:
		if (c->f.admin)
			admin_take(c->f.admin, m);
		return ERR_OK;
	case MESSAGE_PEER_FRONT:
		return connect_peer(c, m, e);
	case MESSAGE_SETTINGS_FRONT:
		if (take_settings(c, m, &failed) == ERR_OK)
			return child_ready(&c->f.child, e);
		return child_keeps_settings(&c->f.child, &failed, e);
	case MESSAGE_BLOCKLIST_FRONT:
		return child_blocklist(&c->f.child, m, e);
	case MESSAGE_STATUS_FRONT:
		answer_status(c, m->id);
		return ERR_OK;
	case MESSAGE_STOP_FRONT:
		c->stopping = true;
		return ERR_OK;
	default:
		FAIL(e, MALFORMED, "the parent sent %s", message_rules[m->type].name);
	}
}

static enum err_code serve_parent(struct control *c, struct err *e)
{
	struct message m;
	enum err_code rc;

	TRY(channel_flush(c->f.child.parent, e));
	while ((rc = channel_receive(c->f.child.parent, &m, e)) == ERR_OK)
		TRY(parent_message(c, &m, e));
	return rc == ERR_AGAIN ? ERR_OK : rc;
}

/* --- start, loop, end --- */

static enum err_code loop_once(struct control *c, int timeout_ms, struct err *e)
{
	bool validator_writes, signer_writes;
	struct pollfd p[4] = {
		{ .fd = c->wake, .events = POLLIN },
		{ .fd = channel_fd(c->f.child.parent), .events = (short)(POLLIN | (channel_wants_write(c->f.child.parent) ? POLLOUT : 0)) },
		{ .fd = peer_fd(c->f.validator, &validator_writes), .events = POLLIN },
		{ .fd = peer_fd(c->f.signer, &signer_writes), .events = POLLIN },
	};
	uint64_t count;

	p[2].events = (short)(p[2].events | (validator_writes ? POLLOUT : 0));
	p[3].events = (short)(p[3].events | (signer_writes ? POLLOUT : 0));
	if (poll(p, 4, timeout_ms) > 0 && (p[0].revents & POLLIN) && read(c->wake, &count, sizeof count) < 0)
		FAIL(e, IO, "the wake-up descriptor is broken");
	TRY(serve_parent(c, e));
	TRY(peer_serve(c->f.validator, no_notice, NULL, e));
	return peer_serve(c->f.signer, signer_notice, c, e);
}

/* Everything that is due by time. Returns how long the loop may sleep. */
static int run_timers(struct control *c)
{
	int64_t now_ms = clock_monotonic_ms();
	int wait_ms = validations_tick(c->f.validations);

	if (now_ms - c->limits_saved_ms >= LIMITS_STATE_EVERY_MS && http_server_run(c->f.http, limits_state_save, &c->f, NULL) == ERR_OK)
		c->limits_saved_ms = now_ms;
	if (atomic_load(&c->f.signer_hello) && atomic_load(&c->f.finalize_later) && now_ms - c->driven_ms >= DRIVE_EVERY_MS &&
	    http_server_run(c->f.http, finalize_processing, &c->f, NULL) == ERR_OK)
		c->driven_ms = now_ms;
	if (now_ms - c->kept_ms >= KEEP_EVERY_MS && http_server_run(c->f.http, retention_run, &c->f, NULL) == ERR_OK)
		c->kept_ms = now_ms;
	tokens_refill(c->f.tokens);
	if (c->f.publish)
		publish_tick(c->f.publish);
	if (c->f.admin)
		admin_tick(c->f.admin);
	if (atomic_load(&c->f.signer_hello) && now_ms - c->tls_looked_ms >= TLS_EVERY_MS && tls_due(&c->f, clock_wall_ms() / 1000) &&
	    http_server_run(c->f.http, tls_renew, &c->f, NULL) == ERR_OK)
		c->tls_looked_ms = now_ms;
	return wait_ms < 0 || wait_ms > TICK_MS ? TICK_MS : wait_ms;
}

static struct http_limits limits_of(const struct settings *s)
{
	struct http_limits l = http_limits_default;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	l.loops = cores > 0 && cores < 64 ? (unsigned)cores : 1;
	l.workers = (unsigned)s->workers;
	l.on_loop = true;
	l.connections_max = (unsigned)s->connections_max;
	l.connections_per_address = (unsigned)s->connections_per_address;
	return l;
}

/* What can be made before the jail: nothing that starts a thread (a user namespace is entered by single-threaded processes). */
static enum err_code prepare(struct control *c, struct err *e)
{
	struct front *f = &c->f;
	const struct names_policy *names;

	TRY(child_start(PROCESS_FRONT, &f->child, e));
	child_raise_files(2 * f->child.settings.connections_max + FILES_ELSE);
	struct settings *s = malloc(sizeof *s);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->settings = s;
	if (!s || c->wake < 0)
		FAIL(e, NOMEM, "no memory for the front");
	*s = f->child.settings;
	TRY(suffixes_open(&f->suffixes, e));
	TRY(make_names(f, f->child.arena, s, &names, e));
	f->names = names;
	f->blocks = blocks_new();
	if (!f->blocks)
		FAIL(e, NOMEM, "no memory for what is blocked");
	TRY(limits_new(LIMITS_ENTRIES_MAX, &f->limits, e));
	TRY(nonces_new(&f->nonces, e));
	TRY(keys_new(&f->keys, e));
	TRY(key_rules_new(&f->key_rules, e));
	TRY(peer_new(PROCESS_VALIDATOR, c->wake, &f->validator, e));
	TRY(peer_new(PROCESS_SIGNER, c->wake, &f->signer, e));
	TRY(tokens_new(f->validator, &f->tokens, e));
	TRY(validations_new(f, &f->validations, e));
	return child_jail(&f->child, e);
}

static enum err_code start_publish(struct control *c, struct err *e)
{
	if (c->n_publish == 0)
		return ERR_OK;
	TRY(publish_new(&c->f, &c->f.publish, e));
	for (size_t i = 0; i < c->n_publish; i++)
		TRY(publish_listen(c->f.publish, c->publish_listeners[i], e));
	return publish_start(c->f.publish, e);
}

static enum err_code start_admin(struct control *c, struct err *e)
{
	if (c->n_admin == 0)
		return ERR_OK;
	TRY(admin_new(&c->f, c->wake, &c->f.admin, e));
	for (size_t i = 0; i < c->n_admin; i++)
		TRY(admin_listen(c->f.admin, c->admin_listeners[i], e));
	return admin_start(c->f.admin, e);
}

static enum err_code start(struct control *c, struct err *e)
{
	struct front *f = &c->f;
	struct http_limits limits = limits_of(f->settings);

	TRY(database_open(f->child.folder, &f->store, &c->database, e));
	TRY(terms_new(f->child.folder, &f->terms, e));
	TRY(limits_state_load(f, e));
	TRY(http_server_new(&limits, front_handle, front_server_problem, f, &f->http, e));
	while (c->n_listeners < f->settings->listen.n || c->n_publish < f->settings->publish_listen.n ||
	       c->n_admin < f->settings->admin_listen.n || c->questions < 0)
		TRY(loop_once(c, TICK_MS, e));
	for (size_t i = 0; i < c->n_listeners; i++)
		TRY(http_server_listen(f->http, c->listeners[i], true, e));
	TRY(tls_load(f, e));
	TRY(http_server_start(f->http, e));
	TRY(start_publish(c, e));
	TRY(start_admin(c, e));
	TRY(questions_start(f, &c->questions, &f->questions, e));
	c->started = true;
	c->limits_saved_ms = c->started_ms = clock_monotonic_ms();
	c->kept_ms = c->limits_saved_ms - KEEP_EVERY_MS + KEEP_FIRST_MS;
	c->tls_looked_ms = c->limits_saved_ms - TLS_EVERY_MS;
	bool unused;
	return peer_fd(f->signer, &unused) >= 0 ? say_hello(f, e) : ERR_OK;
}

/* Who is told that the server is ready may order at once: so the signer has its say first, but where it does not come in time. */
static enum err_code tell_ready(struct control *c, struct err *e)
{
	if (c->told_ready || (!atomic_load(&c->f.signer_hello) && clock_monotonic_ms() - c->started_ms < SIGNER_WAIT_MS))
		return ERR_OK;
	c->told_ready = true;
	return child_ready(&c->f.child, e);
}

static void *stop_http(void *ctx)
{
	struct control *c = ctx;

	publish_stop(c->f.publish, STOP_GRACE_MS);
	http_server_stop(c->f.http, STOP_GRACE_MS);
	atomic_store(&c->http_stopped, true);
	if (write(c->wake, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
		errno = 0; /* the loop looks again soon */
	return NULL;
}

/* Requests that were begun wait for validator and signer, whose answers this thread must go on taking. */
static void end_http(struct control *c)
{
	pthread_t stopper;
	struct err e = { 0 };

	questions_stop(c->f.questions);
	c->f.questions = NULL;
	atomic_store(&c->f.ending, true);
	admin_stop(c->f.admin, 0);
	http_server_hold(c->f.http);
	if (pthread_create(&stopper, NULL, stop_http, c) != 0) {
		publish_stop(c->f.publish, STOP_GRACE_MS);
		http_server_stop(c->f.http, STOP_GRACE_MS);
		http_server_drop(c->f.http);
		return;
	}
	while (!atomic_load(&c->http_stopped)) {
		(void)validations_tick(c->f.validations);
		if (loop_once(c, STOP_TICK_MS, &e) != ERR_OK) /* the parent is gone: nobody is left who could answer */
			break;
	}
	pthread_join(stopper, NULL);
	http_server_drop(c->f.http);
}

static void end(struct control *c)
{
	if (c->f.http)
		end_http(c);
	c->f.http = NULL;
	admin_free(c->f.admin);
	peer_free(c->f.validator);
	peer_free(c->f.signer); /* ends the questions that others still ask it */
	publish_free(c->f.publish);
	if (c->f.store) {
		if (c->started)
			limits_state_save(&c->f);
		store_close(c->f.store);
	}
	limits_free(c->f.limits);
	blocks_free(c->f.blocks);
	suffixes_free(c->f.suffixes);
	tokens_free(c->f.tokens);
	validations_free(c->f.validations);
	keys_free(c->f.keys);
	key_rules_free(c->f.key_rules);
	terms_free(c->f.terms);
	nonces_free(c->f.nonces);
	child_free(&c->f.child);
	free(c->f.settings);
	while (c->retired) {
		struct retired *old = c->retired;
		c->retired = old->next;
		arena_free(old->arena);
		free(old->settings);
		free(old);
	}
}

int main(void)
{
	static struct control c = { .questions = -1 };
	struct err e = { 0 };

	enum err_code rc = prepare(&c, &e);
	if (rc == ERR_OK)
		rc = start(&c, &e);
	if (rc != ERR_OK) {
		child_failed(&c.f.child, &e);
		return 1;
	}
	while (!c.stopping && rc == ERR_OK) {
		rc = loop_once(&c, run_timers(&c), &e);
		if (rc == ERR_OK)
			rc = tell_ready(&c, &e);
		if (rc == ERR_OK)
			rc = database_check(c.f.child.folder, &c.database, &e); /* some microseconds */
	}
	if (rc != ERR_OK && rc != ERR_CLOSED)
		event_error(EVENT_ERROR, "front.failed", &e);
	end(&c);
	return rc == ERR_OK ? 0 : 1;
}
