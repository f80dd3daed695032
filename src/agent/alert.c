#include "agent/alert.h"

#include "agent/flow.h"
#include "agent/runner.h"
#include "agent/words.h"
#include "base/clock.h"
#include "base/codec.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define DAY_S      86400
#define PROGRAM_S  60
#define WEBHOOK_MS 20000
#define TEXT_MAX   8192
#define SENDMAIL   "/usr/sbin/sendmail"
#define NEVER      "-" /* in the place of a generation, where there is none */

/* Whether its owner knows already, of this generation or of none: thresholds are passed downwards where they count to the end, else upwards. */
static bool is_told(const struct standing *s, int threshold)
{
	bool same = strcmp(s->state.alerted, s->never ? NEVER : s->generation) == 0;
	uint64_t now = (uint64_t)threshold;

	return same && (s->never ? s->state.alerted_days >= now : s->state.alerted_days <= now);
}

static int64_t days_failing(const struct standing *s, int64_t now_s)
{
	int64_t since_s = s->state.failing_since_s;

	return now_s > since_s ? (now_s - since_s) / DAY_S : 0; /* the clock may have gone back */
}

static int due_never(const struct config_alert *w, const struct standing *s, int64_t now_s)
{
	int found = 0;

	for (size_t i = 0; i < w->n_days; i++)
		if (days_failing(s, now_s) >= (int64_t)w->days[i] && (int)w->days[i] > found)
			found = (int)w->days[i];
	return is_told(s, found) ? -1 : found;
}

int alert_due(const struct config_alert *w, const struct standing *s, int64_t now_s)
{
	if (s->never)
		return due_never(w, s, now_s);
	int64_t left_s = s->not_after_s - now_s;
	int found = left_s < 0 ? 0 : -1;
	bool calm = s->kind == STANDING_GOOD || (s->kind == STANDING_DUE && now_s < s->due.at_s + DAY_S);

	if (!s->not_after_s || calm)
		return -1;
	for (size_t i = 0; i < w->n_days && left_s >= 0; i++)
		if (left_s <= (int64_t)w->days[i] * DAY_S && (found < 0 || (int)w->days[i] < found))
			found = (int)w->days[i];
	return found >= 0 && is_told(s, found) ? -1 : found;
}

/* --- what is said --- */

struct alert_text {
	struct arena *a;
	const struct standing *s;
	const char *subject, *text, *names, *days, *not_after;
};

static const char *names_of(struct arena *a, const struct standing *s)
{
	CLEANUP(buf_free_p) struct buf out = buf_new(32768);

	for (size_t i = 0; i < s->n_names; i++)
		buf_add_fmt(&out, "%s%s", i ? " " : "", s->names[i]);
	return buf_ok(&out) ? arena_str(a, buf_bytes(&out)) : NULL;
}

static const char *subject_of(struct arena *a, const struct standing *s, long long days, int64_t now_s)
{
	const char *name = s->item->name, *plural = days == 1 ? "" : "s";

	if (s->never && days == 0)
		return (const char *)arena_fmt(a, "The certificate %s is wanted and cannot be got", name).ptr;
	if (s->never)
		return (const char *)arena_fmt(a, "The certificate %s is wanted and was not got for %lld day%s", name, days, plural).ptr;
	if (s->not_after_s < now_s)
		return (const char *)arena_fmt(a, "The certificate %s has expired", name).ptr;
	return (const char *)arena_fmt(a, "The certificate %s expires in %lld day%s", name, days, plural).ptr;
}

static enum err_code compose(struct alert_text *m, int64_t now_s, struct err *e)
{
	const struct standing *s = m->s;
	long long days = s->never ? (long long)days_failing(s, now_s) : (long long)((s->not_after_s - now_s) / DAY_S);

	m->names = names_of(m->a, s);
	m->days = (const char *)arena_fmt(m->a, "%lld", days).ptr;
	m->not_after = s->never ? "" : s->not_after;
	m->subject = subject_of(m->a, s, days, now_s);
	m->text = (const char *)arena_fmt(m->a, "%s.\n\nNames:   %s\nExpires: %s\nState:   %s\n%s%s%s%s%s%s", m->subject ? m->subject : "",
	    m->names ? m->names : "", s->never ? "there is none" : m->not_after, standing_name(s->kind),
	    *s->state.message ? "Failed:  " : "", s->state.message, *s->state.message ? "\n" : "", *s->state.hint ? "To do:   " : "",
	    s->state.hint, *s->state.hint ? "\n" : "")
		      .ptr;
	errno = 0;
	if (!m->names || !m->days || !m->subject || !m->text)
		FAIL(e, NOMEM, "no memory for an alert");
	return ERR_OK;
}

/* --- how it is said --- */

static enum err_code run(struct crew *crew, const char *const *argv, const char *const *env, struct bytes input, struct err *e)
{
	CLEANUP(run_result_free) struct run_result result = { .code = -1 };
	const struct run_request r = { .argv = argv, .env = env, .input = input, .timeout_s = PROGRAM_S };
	struct peer *runner;

	TRY(crew_runner(crew, &runner, e));
	TRY(runner_run(runner, &r, &result, e));
	errno = 0;
	if (result.code != 0)
		FAIL(e, IO, "%.200s ended with exit code %d", argv[0], result.code);
	return ERR_OK;
}

/* An address goes into a header: it has none of what could end one (RFC 5322). */
static bool is_address(const char *text)
{
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr(",;:<>()\"\\", *p))
			return false;
	return strchr(text, '@') != NULL && strlen(text) < 255 && *text != '-';
}

static enum err_code send_mail(const struct config_alert *w, struct crew *crew, const struct alert_text *m, struct err *e)
{
	CLEANUP(buf_free_p) struct buf mail = buf_new(65536);
	const char *argv[] = { w->sendmail ? w->sendmail : SENDMAIL, "-t", "-i", NULL };

	errno = 0;
	if (!is_address(w->mail))
		FAIL(e, CONFIG, "alert.mail \"%.100s\" is no address", w->mail);
	/* Names come from ourselves and are ASCII; a CA's words are UTF-8. */
	buf_add_fmt(&mail,
	    "To: %s\nSubject: %s\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
	    "Content-Transfer-Encoding: 8bit\n\n%s",
	    w->mail, m->subject, m->text);
	if (!buf_ok(&mail))
		FAIL(e, NOMEM, "no memory for a mail");
	return run(crew, argv, NULL, buf_bytes(&mail), e);
}

static enum err_code run_command(const struct config_alert *w, struct crew *crew, const struct alert_text *m, struct err *e)
{
	const struct standing *s = m->s;
	const struct {
		const char *name, *value;
	} said[] = { { "NAME", s->item->name }, { "NAMES", m->names }, { "DAYS", m->days }, { "NOT_AFTER", m->not_after },
		{ "STATE", standing_name(s->kind) }, { "SUBJECT", m->subject }, { "ERROR", s->state.message }, { "HINT", s->state.hint } };
	const char *env[sizeof said / sizeof *said + 1] = { NULL }, **argv;

	TRY(words_split(m->a, w->command, &argv, e));
	for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
		env[i] = (const char *)arena_fmt(m->a, "CHANCERY_%s=%s", said[i].name, said[i].value).ptr;
		errno = 0;
		if (!env[i])
			FAIL(e, NOMEM, "no memory for an alert");
	}
	return run(crew, argv, env, bytes_str(m->text), e);
}

static enum err_code put_ca_file(const struct config_alert *w, struct json_out *j, struct err *e)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(65536);

	if (!w->webhook_ca_file)
		return ERR_OK;
	TRY(file_read(AT_FDCWD, w->webhook_ca_file, pem.max, &pem, e));
	json_put_member(j, "ca_pem", buf_bytes(&pem));
	return ERR_OK;
}

static enum err_code call_webhook(const struct config_alert *w, struct crew *crew, const struct alert_text *m, struct err *e)
{
	CLEANUP(buf_free_p) struct buf json = buf_new(CHANNEL_BODY_MAX);
	struct json_out j = json_out_to(&json);
	const struct standing *s = m->s;
	struct bytes answer;

	json_put_object(&j);
	json_put_member_str(&j, "url", w->webhook);
	json_put_member_uint(&j, "timeout_ms", WEBHOOK_MS);
	TRY(put_ca_file(w, &j, e));
	json_put_key(&j, "body");
	json_put_object(&j);
	json_put_member_str(&j, "name", s->item->name);
	json_put_member_strs(&j, "names", s->names, s->n_names);
	json_put_member_str(&j, "not_after", m->not_after);
	json_put_member_str(&j, "state", standing_name(s->kind));
	json_put_member_str(&j, "subject", m->subject);
	json_put_member_str(&j, "error", s->state.message);
	json_put_member_str(&j, "hint", s->state.hint);
	json_end_object(&j);
	json_end_object(&j);
	errno = 0;
	if (!buf_ok(&json))
		FAIL(e, TOO_LARGE, "an alert that is too large");
	return crew_net_call(crew, m->a,
	    &(struct peer_call){ .name = "webhook", .json = buf_bytes(&json), .fd = -1, .timeout_ms = WEBHOOK_MS + 5000 }, &answer, e);
}

/* --- all of them --- */

struct telling {
	const struct config *config;
	struct crew *crew;
	int64_t now_s;
	void (*tell)(void *context, bool good, const char *text);
	void *context;
};

static bool said(const struct telling *t, const struct standing *s, const char *how, enum err_code rc, const struct err *e)
{
	char text[700];

	(void)snprintf(
	    text, sizeof text, "%s: alert by %s%s%s", s->item->name, how, rc == ERR_OK ? "" : ": ", rc == ERR_OK ? "" : e->detail);
	t->tell(t->context, rc == ERR_OK, text);
	return rc == ERR_OK;
}

static bool alert_one(const struct telling *t, const struct standing *s, int days)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(16384, 4u << 20);
	const struct config_alert *w = &t->config->alert;
	struct alert_text m = { .a = a, .s = s };
	struct state kept = s->state;
	struct err e = { 0 };
	bool good = true;

	if (!a || compose(&m, t->now_s, &e) != ERR_OK)
		return false;
	if (w->mail)
		good = said(t, s, "mail", send_mail(w, t->crew, &m, &e), &e) && good;
	if (w->webhook)
		good = said(t, s, "webhook", call_webhook(w, t->crew, &m, &e), &e) && good;
	if (w->command)
		good = said(t, s, "command", run_command(w, t->crew, &m, &e), &e) && good;
	if (!good)
		return false; /* once more at the next run */
	const char *path = (const char *)arena_fmt(a, "%s/%s/" FLOW_STATE_FILE, t->config->folder, s->item->name).ptr;
	(void)snprintf(kept.alerted, sizeof kept.alerted, "%s", s->never ? NEVER : s->generation);
	kept.alerted_days = (uint64_t)days;
	return path && state_write(path, &kept, NULL) == ERR_OK;
}

bool alert_all(const struct config *c, struct crew *crew, const struct standing *v, size_t n, int64_t now_s,
    void (*tell)(void *context, bool good, const char *text), void *context)
{
	const struct telling t = { c, crew, now_s, tell, context };
	bool good = true;

	if (!c->alert.mail && !c->alert.webhook && !c->alert.command)
		return true;
	for (size_t i = 0; i < n; i++) {
		int days = alert_due(&c->alert, &v[i], now_s);
		if (days >= 0)
			good = alert_one(&t, &v[i], days) && good;
	}
	return good;
}
