#include "server/parent/serve.h"

#include "base/clock.h"
#include "base/event.h"
#include "os/process.h"
#include "os/sanitized.h"
#include "server/parent/config.h"
#include "server/parent/control.h"
#include "server/parent/members.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 300000 /* the signer reads every revocation of its log again: of a long log that takes a while */
#define STOP_MS  10000
#define TICK_MS  200

static const enum process children[] = { PROCESS_KEYHOLDER, PROCESS_SIGNER, PROCESS_VALIDATOR, PROCESS_FRONT };
#define CHILDREN (sizeof children / sizeof *children)

struct parent {
	const char *config_path;
	struct arena *arena; /* of the settings in force */
	struct settings settings;
	struct family family;
	struct control *control;
	int signals;
	bool announced; /* everything was ready once */
	bool stopping, failed;
	char cause[512]; /* failed: why, for who started us */
	bool said;       /* in a child's own words */
	int64_t stop_by_ms;
	int64_t start_by_ms;
	struct event_lines lines;
};

static void arena_swap(struct parent *p, struct arena *a, struct settings s)
{
	if (p->arena)
		arena_free(p->arena);
	p->arena = a;
	p->settings = s;
}

static bool same_list(const struct settings_list *a, const struct settings_list *b)
{
	for (size_t i = 0; i < a->n && a->n == b->n; i++)
		if (!bytes_eq(a->v[i], b->v[i]))
			return false;
	return a->n == b->n;
}

/* What is bound, opened or sized once. Told by name, as the file now says something that does not hold. */
static void tell_restart(const struct settings *was, const struct settings *is)
{
	const struct {
		const char *option;
		bool same;
	} fixed[] = {
		{ "front.listen", same_list(&was->listen, &is->listen) },
		{ "publish.listen", same_list(&was->publish_listen, &is->publish_listen) },
		{ "admin.listen", same_list(&was->admin_listen, &is->admin_listen) },
		{ "front.workers", was->workers == is->workers },
		{ "front.connections-max", was->connections_max == is->connections_max },
		{ "front.connections-per-address", was->connections_per_address == is->connections_per_address },
		{ "state-folder", bytes_eq(was->state_folder, is->state_folder) },
		{ "run-folder", bytes_eq(was->run_folder, is->run_folder) },
		{ "operators-group", bytes_eq(was->operators_group, is->operators_group) },
		{ "user-front", bytes_eq(was->user_front, is->user_front) },
		{ "user-validator", bytes_eq(was->user_validator, is->user_validator) },
		{ "keyholder.module", bytes_eq(was->keyholder_module, is->keyholder_module) },
		{ "keyholder.pin-file", bytes_eq(was->keyholder_pin_file, is->keyholder_pin_file) },
		{ "keyholder.environment", same_list(&was->keyholder_environment, &is->keyholder_environment) },
		{ "user-keyholder", bytes_eq(was->user_keyholder, is->user_keyholder) },
		{ "user-signer", bytes_eq(was->user_signer, is->user_signer) },
	};

	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		if (!fixed[i].same)
			event(EVENT_WARNING, "reload.needs_restart", EVENT_STR("option", fixed[i].option));
}

/* The addresses that are bound stay in force: a front that is started again is given these sockets and no others. */
static enum err_code keep_list(struct arena *a, const struct settings_list *was, struct settings_list *is, struct err *e)
{
	struct settings_list keep = { arena_array(a, was->n + 1, sizeof *keep.v), was->n };

	for (size_t i = 0; keep.v && i < keep.n; i++) {
		keep.v[i] = arena_copy(a, was->v[i]);
		if (!keep.v[i].ptr)
			keep.v = NULL;
	}
	if (!keep.v)
		FAIL(e, NOMEM, "no memory for the configuration");
	*is = keep;
	return ERR_OK;
}

static enum err_code read_config(struct parent *p, struct err *e)
{
	CLEANUP(buf_free_p) struct buf messages = buf_new(16384);
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 1u << 20);
	struct settings s;

	if (!a)
		FAIL(e, NOMEM, "no memory for the configuration");
	enum err_code rc = config_read(a, p->config_path, &s, &messages, e);
	if (rc != ERR_OK) {
		fprintf(stderr, "%.*s", BYTES_FMT(buf_bytes(&messages)));
		return rc;
	}
	TRY(config_check_files(&s, e));
	if (p->arena) {
		tell_restart(&p->settings, &s);
		TRY(keep_list(a, &p->settings.listen, &s.listen, e));
		TRY(keep_list(a, &p->settings.publish_listen, &s.publish_listen, e));
		TRY(keep_list(a, &p->settings.admin_listen, &s.admin_listen, e));
	}
	arena_swap(p, TAKE(a), s);
	return ERR_OK;
}

static enum err_code open_signals(struct parent *p, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signals < 0)
		FAIL(e, IO, "signalfd: %s", strerror(errno));
	return ERR_OK;
}

/* --- what children say --- */

static bool all_in(const struct parent *p, enum member_state state)
{
	for (size_t i = 0; i < CHILDREN; i++)
		if (p->family.members[children[i]].state != state && !p->family.members[children[i]].absent)
			return false;
	return true;
}

static void announce(struct parent *p)
{
	if (p->announced || !all_in(p, MEMBER_READY))
		return;
	p->announced = true;
	printf("chancery-ca is ready: %.*s/directory\n", BYTES_FMT(p->settings.base_url));
	for (size_t i = 0; i < CHILDREN; i++) {
		const struct member *m = &p->family.members[children[i]];
		if (m->absent)
			continue;
		printf("  %-9s pid %-7d jail: %s\n", process_name(m->who), (int)m->pid, m->layers);
	}
	fflush(stdout);
	service_notify("READY=1");
}

static void child_is_ready(struct parent *p, struct member *m, struct bytes layers)
{
	bool first = m->state == MEMBER_STARTING;

	(void)snprintf(m->layers, sizeof m->layers, "%.*s", BYTES_FMT(layers));
	if (m->state == MEMBER_STOPPING)
		return;
	m->state = MEMBER_READY;
	if (first)
		m->ready_since_ms = clock_monotonic_ms();
	event(EVENT_INFO, first ? "child.ready" : "child.reloaded", EVENT_STR("child", process_name(m->who)), EVENT_STR("jail", m->layers));
	announce(p);
}

static void child_has_failed(struct member *m, struct bytes body)
{
	enum err_code code;
	struct bytes detail;

	if (problem_read(body, &code, &detail, NULL) != ERR_OK)
		return;
	(void)snprintf(m->failure, sizeof m->failure, "%.*s", BYTES_FMT(detail));
	event(EVENT_ERROR, "child.failed", EVENT_STR("child", process_name(m->who)), EVENT_STR("detail", m->failure));
}

static void child_message(struct parent *p, struct member *m, const struct message *msg)
{
	switch (msg->type) {
	case MESSAGE_FRONT_READY:
	case MESSAGE_VALIDATOR_READY:
	case MESSAGE_SIGNER_READY:
	case MESSAGE_KEYHOLDER_READY:
		child_is_ready(p, m, msg->body);
		return;
	case MESSAGE_FRONT_FAILED:
	case MESSAGE_VALIDATOR_FAILED:
	case MESSAGE_SIGNER_FAILED:
	case MESSAGE_KEYHOLDER_FAILED:
		child_has_failed(m, msg->body);
		return;
	case MESSAGE_FRONT_STATUS:
	case MESSAGE_VALIDATOR_STATUS:
	case MESSAGE_SIGNER_STATUS:
	case MESSAGE_KEYHOLDER_STATUS:
		control_child_status(p->control, m->who, msg->id, msg->body);
		return;
	case MESSAGE_METRICS_ASK:
		control_front_asks(p->control, msg->id);
		return;
	default:
		return;
	}
}

static void serve_child(struct parent *p, struct member *m)
{
	struct message msg;

	if (!m->channel)
		return;
	MAY_FAIL(channel_flush(m->channel, NULL)); /* a dead child is seen by its SIGCHLD */
	while (channel_receive(m->channel, &msg, NULL) == ERR_OK)
		child_message(p, m, &msg);
}

/* --- starts and ends --- */

static struct member *member_of(struct parent *p, pid_t pid)
{
	for (size_t i = 0; i < CHILDREN; i++)
		if (p->family.members[children[i]].pid == pid)
			return &p->family.members[children[i]];
	return NULL;
}

/* Why the start failed: what a child said of itself, whichever ends first; one that only ended may have done so because another had. */
static void note_cause(struct parent *p, const struct member *m, const char *how)
{
	bool said = *m->failure != 0;

	if (!p->failed || (said && !p->said)) {
		(void)snprintf(p->cause, sizeof p->cause, "the %s did not start: %s", process_name(m->who), said ? m->failure : how);
		p->said = said;
	}
	p->failed = p->stopping = true;
}

static void reap(struct parent *p)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct member *m = member_of(p, pid);
		char how[64];
		if (!m)
			continue;
		serve_child(p, m); /* what it said last */
		(void)snprintf(how, sizeof how, WIFSIGNALED(status) ? "signal %d" : "exit code %d",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		bool expected = m->state == MEMBER_STOPPING;
		event(expected ? EVENT_INFO : EVENT_ERROR, "child.ended", EVENT_STR("child", process_name(m->who)), EVENT_STR("how", how));
		control_child_gone(p->control, m->who);
		member_ended(m, clock_monotonic_ms());
		if (!p->announced && (p->failed || (!expected && !p->stopping)))
			note_cause(p, m, how);
	}
}

static void start_due(struct parent *p)
{
	struct err e = { 0 };

	for (size_t i = 0; i < CHILDREN; i++) {
		struct member *m = &p->family.members[children[i]];
		if (p->stopping || m->absent || m->state != MEMBER_DOWN || m->start_at_ms > clock_monotonic_ms())
			continue;
		enum err_code rc = member_start(&p->family, m->who, &e);
		if (rc != ERR_OK) {
			if (rc != ERR_CLOSED) /* ended already: its end is told soon */
				event_error(EVENT_ERROR, "child.not_started", &e);
			if (m->pid > 0)
				kill(m->pid, SIGKILL);
			else
				member_ended(m, clock_monotonic_ms());
		}
	}
}

/* The front ends first, while those it needs are there to answer what it has begun. */
static void stop_in_order(struct parent *p)
{
	struct member *front = &p->family.members[PROCESS_FRONT];

	if (!p->stop_by_ms) {
		p->stop_by_ms = clock_monotonic_ms() + STOP_MS;
		service_notify("STOPPING=1");
	}
	member_stop(front);
	if (front->state == MEMBER_DOWN) {
		member_stop(&p->family.members[PROCESS_VALIDATOR]);
		member_stop(&p->family.members[PROCESS_SIGNER]);
	}
	if (p->family.members[PROCESS_SIGNER].state == MEMBER_DOWN)
		member_stop(&p->family.members[PROCESS_KEYHOLDER]);
	if (clock_monotonic_ms() < p->stop_by_ms)
		return;
	for (size_t i = 0; i < CHILDREN; i++)
		if (p->family.members[children[i]].pid > 0)
			kill(p->family.members[children[i]].pid, SIGKILL);
}

static void reload(struct parent *p)
{
	struct err e = { 0 };

	service_notify("RELOADING=1");
	if (read_config(p, &e) != ERR_OK) {
		event_error(EVENT_ERROR, "reload.refused", &e);
	} else {
		p->lines.json = bytes_eq_str(p->settings.log_format, "json");
		for (size_t i = 0; i < CHILDREN; i++)
			if (p->family.members[children[i]].channel && member_settings(&p->family, children[i], &e) != ERR_OK)
				event_error(EVENT_ERROR, "reload.not_sent", &e);
		event(EVENT_NOTICE, "reloaded", EVENT_STR("file", p->config_path));
	}
	service_notify("READY=1");
}

static void take_signals(struct parent *p)
{
	struct signalfd_siginfo s;

	while (read(p->signals, &s, sizeof s) == sizeof s)
		switch (s.ssi_signo) {
		case SIGHUP:
			reload(p);
			break;
		case SIGCHLD:
			break; /* the loop reaps each time */
		default:
			p->stopping = true;
			break;
		}
}

static void loop_once(struct parent *p)
{
	struct pollfd fds[CHILDREN + 1 + CONTROL_FDS];
	size_t n = 0;

	fds[n++] = (struct pollfd){ .fd = p->signals, .events = POLLIN };
	for (size_t i = 0; i < CHILDREN; i++) {
		struct channel *c = p->family.members[children[i]].channel;
		fds[n++] = (struct pollfd){ .fd = c ? channel_fd(c) : -1,
			.events = (short)(POLLIN | (c && channel_wants_write(c) ? POLLOUT : 0)) };
	}
	n += control_poll(p->control, fds + n);
	if (poll(fds, (nfds_t)n, TICK_MS) < 0 && errno != EINTR)
		p->stopping = true;
	take_signals(p);
	for (size_t i = 0; i < CHILDREN; i++)
		serve_child(p, &p->family.members[children[i]]);
	reap(p);
	control_serve(p->control);
}

static void check_start(struct parent *p)
{
	if (p->announced || p->stopping || clock_monotonic_ms() < p->start_by_ms)
		return;
	(void)snprintf(p->cause, sizeof p->cause, "not every process became ready within %d s", START_MS / 1000);
	p->failed = p->stopping = true;
}

static enum err_code prepare(struct parent *p, struct err *e)
{
	/* Started by an ordinary user, the children have our user: they must not be able to trace us. */
	if (!SANITIZED_ADDRESS)
		(void)prctl(PR_SET_DUMPABLE, 0);
	p->lines = (struct event_lines){ .fd = STDERR_FILENO, .process = process_name(PROCESS_PARENT) };
	event_set_sink(event_lines_sink, &p->lines, EVENT_INFO);
	TRY(read_config(p, e));
	p->lines.json = bytes_eq_str(p->settings.log_format, "json");
	TRY(family_prepare(&p->family, &p->settings, e));
	TRY(open_signals(p, e));
	TRY(control_new(&p->settings, &p->family, &p->control, e));
	return family_operators(&p->family, e);
}

enum err_code serve(const char *config_path, struct err *e)
{
	static struct parent p;

	p.config_path = config_path;
	enum err_code rc = prepare(&p, e);
	p.start_by_ms = clock_monotonic_ms() + START_MS;
	while (rc == ERR_OK && !(p.stopping && all_in(&p, MEMBER_DOWN))) {
		start_due(&p);
		if (p.stopping)
			stop_in_order(&p);
		loop_once(&p);
		check_start(&p);
	}
	control_free(p.control);
	family_free(&p.family);
	if (p.arena)
		arena_free(p.arena);
	if (rc != ERR_OK || !p.failed)
		return rc;
	fprintf(stderr, "chancery-ca: %s\n", p.cause); /* whole: an err's detail may be shorter */
	FAIL(e, CONFIG, "the start failed");
}
