#include "agent/flow_impl.h"

#include "agent/account.h"
#include "agent/fallback.h"
#include "agent/key_file.h"
#include "agent/memory.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void drop_draft(struct flow *f)
{
	if (f->storage && *f->draft && !f->keeps_draft)
		storage_drop_draft(f->storage, f->draft);
	*f->draft = 0;
	f->resume = NULL;
	f->keeps_draft = false;
}

static void flow_close(struct flow *f)
{
	drop_draft(f);
	storage_free(f->storage);
}

/* A line for the user. */
static void PRINTF(3, 4) tell(const struct flow *f, enum chancery_step step, const char *fmt, ...)
{
	char text[640];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	(void)f->watch->progress(f->watch->context, step, text);
}

/* --- at one CA --- */

static enum err_code open_account(struct flow *f, struct err *e)
{
	const struct keys_wish key = {
		.slot = "account", .use = KEYS_ACCOUNT, .names = f->wish->names, .n_names = f->wish->n_names, .type = KEY_EC_P256
	};

	TRY(ca_wish_make_account_folder(&f->ca, f->wish->folder, f->wish->arena, e));
	TRY(account_settle(f->crew, f->wish->arena, &f->ca, NULL, &f->report->outcome, e));
	if (f->report->outcome.result != CHANCERY_OK)
		return ERR_OK;
	return key_file_need(f->crew, f->wish->arena, f->ca.account_key, &key, &f->ca.account, e);
}

/* What the network process gives is held against what was asked for, here too. */
static enum err_code check(struct flow *f, struct flow_cert *c, struct err *e)
{
	const struct wish *w = f->wish;
	struct issued *i = &f->report->issued;
	struct chain chain;

	TRY(chain_check(w->arena, i->fullchain, c->spki, w->sans, w->n_names, clock_wall_ms() / 1000, &chain, e));
	c->fullchain = chain.fullchain;
	c->leaf_len = chain.leaf_len;
	i->not_before_s = f->report->not_before_s = chain.not_before_s;
	i->not_after_s = f->report->not_after_s = chain.not_after_s;
	return ERR_OK;
}

/* What it takes the place of; nothing where there is none, or another CA's. */
static struct bytes replaces(const struct flow *f, const struct wish_key *key)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(STORAGE_FILE_MAX);
	char file[FLOW_FILE_MAX];

	flow_file(STORAGE_CERT, key->suffix, file);
	if (strcmp(f->present.server, f->ca.directory) != 0 || storage_read(f->storage, file, &pem, NULL) != ERR_OK)
		return BYTES_NONE;
	return arena_copy(f->wish->arena, buf_bytes(&pem));
}

static int progress(void *context, enum chancery_step step, const char *text)
{
	const struct flow *f = context;

	return f->watch->progress(f->watch->context, step, text);
}

/* What may still become a certificate when the same is tried again: the order is made, and nobody has said no. One that is there may not have been stored. */
static bool may_go_on(const struct outcome *out)
{
	return out->result == CHANCERY_OK || out->result == CHANCERY_NETWORK || out->result == CHANCERY_TIMEOUT ||
	       out->result == CHANCERY_CALLBACK || out->result == CHANCERY_SYSTEM;
}

static enum err_code issue_one(struct flow *f, size_t i, struct err *e)
{
	struct flow_cert *c = &f->certs[i];
	struct issue_call call = { .crew = f->crew,
		.wish = f->wish,
		.ca = &f->ca,
		.replaces = replaces(f, c->key),
		.resume = f->resume,
		.order_made = f->how->rehearsal ? NULL : flow_keep_order,
		.progress = progress,
		.context = f };

	TRY(flow_key(f, i, e));
	call.key = c->spki;
	f->keeps_draft = true; /* whatever stops it here, the order may be gone on with */
	TRY(issue_call(&call, f->wish->arena, &f->report->issued, &f->report->outcome, e));
	f->keeps_draft = may_go_on(&f->report->outcome);
	if (f->report->outcome.result != CHANCERY_OK)
		return ERR_OK;
	TRY(check(f, c, e));
	return flow_put(f, i, e);
}

/* Everything but the switch. */
static enum err_code issue_all(struct flow *f, struct err *e)
{
	TRY(open_account(f, e));
	if (f->report->outcome.result != CHANCERY_OK)
		return ERR_OK;
	if (!flow_resume(f))
		TRY(storage_draft(f->storage, f->draft, e));
	/* The first last, whose times are told. */
	for (size_t i = f->wish->n_keys; i-- > 0;) {
		f->certs[i].key = &f->wish->keys[i];
		TRY(issue_one(f, i, e));
		if (f->report->outcome.result != CHANCERY_OK)
			return ERR_OK;
	}
	return ERR_OK;
}

/* --- one CA after the other --- */

static struct fallback_wish needs_of(const struct flow *f, const struct ca_wish *ca, bool stand_by)
{
	struct fallback_wish n = { .has_eab = ca->eab_kid != NULL, .stand_by = stand_by };

	for (size_t i = 0; i < f->wish->n_names; i++) {
		n.wildcard = n.wildcard || strncmp(f->wish->names[i], "*.", 2) == 0;
		n.ip = n.ip || f->wish->sans[i].type == SAN_IP;
	}
	return n;
}

static void tell_forgotten(void *context, const char *text)
{
	tell(context, CHANCERY_STEP_WAIT, "%s", text);
}

/* A person who asks is not held up by our own back-off, only by what the CA has asked for. */
static const struct state *holds(const struct flow *f, const struct memory *m)
{
	return f->how->force ? NULL : memory_holds(m, f->how->again, clock_wall_ms() / 1000);
}

/* The CAs of a certificate, one after the other. */
struct line {
	struct buf skipped; /* who was not asked, and why */
	bool asked;         /* one was */
	int64_t until_s;    /* when the first of those may be asked that have to be left alone now; INT64_MAX: none has */
};

static bool may_ask(struct flow *f, struct line *l, struct memory *m)
{
	const struct fallback_wish needs = needs_of(f, &f->ca, l->asked);
	char why[FALLBACK_WORDS_MAX];

	memory_open(f->wish->folder, f->how->rehearsal ? NULL : f->wish->name, &f->ca, tell_forgotten, f, m);
	const struct state *held = holds(f, m);
	if (fallback_may_ask(f->ca.entry, &needs, held, why))
		return true;
	if (held && held->not_before_s < l->until_s)
		l->until_s = held->not_before_s;
	buf_add_fmt(&l->skipped, "%s%s: %s", l->skipped.len ? "; " : "", f->ca.name, why);
	if (f->wish->n_cas > 1)
		tell(f, CHANCERY_STEP_DIRECTORY, "%s is not asked: %s", f->ca.name, why);
	return false;
}

static enum err_code ask(struct flow *f, struct line *l, struct memory *m, struct err *e)
{
	if (l->asked)
		tell(f, CHANCERY_STEP_DIRECTORY, "the next CA in line: %s", f->ca.name);
	l->asked = true;
	f->report->ca = f->ca.name;
	f->report->server = f->deploy->server = f->ca.directory;
	TRY(issue_all(f, e));
	memory_note(m, &f->ca, &f->report->outcome, clock_wall_ms() / 1000);
	return ERR_OK;
}

/* BUSY: it is a matter of time, and the report says until when. CONFIG: none of them will ever give it. */
static enum err_code nobody(struct flow *f, const struct line *l, struct err *e)
{
	errno = 0;
	f->report->waits_until_s = l->until_s == INT64_MAX ? 0 : l->until_s;
	if (f->report->waits_until_s)
		FAIL(e, BUSY, "no CA can be asked now: %.*s (--force asks all the same)", BYTES_FMT(buf_bytes(&l->skipped)));
	FAIL(e, CONFIG, "no CA can be asked: %.*s", BYTES_FMT(buf_bytes(&l->skipped)));
}

/* ERR_OK: the report's outcome says how it ended at the last that was asked. */
static enum err_code ask_in_turn(struct flow *f, struct line *l, struct err *e)
{
	for (size_t i = 0; i < f->wish->n_cas; i++) {
		struct memory memory;
		f->ca = f->wish->cas[i];
		if ((f->how->ca && strcmp(f->how->ca, f->ca.name) != 0) || !may_ask(f, l, &memory))
			continue;
		TRY(ask(f, l, &memory, e));
		if (f->report->outcome.result == CHANCERY_OK || !f->report->outcome.blame.next)
			return ERR_OK;
		if (i + 1 < f->wish->n_cas) {
			drop_draft(f);
			tell(f, CHANCERY_STEP_WAIT, "%s: %s", f->ca.name, f->report->outcome.message);
		}
	}
	return l->asked ? ERR_OK : nobody(f, l, e);
}

static enum err_code issue_somewhere(struct flow *f, struct err *e)
{
	struct line l = { .skipped = buf_new(2048), .until_s = INT64_MAX };
	enum err_code rc = ask_in_turn(f, &l, e);

	buf_free(&l.skipped);
	return rc;
}

static enum err_code issue(struct flow *f, struct err *e)
{
	crew_hook_user(f->crew, given_value(f->wish->given, "hook-user", NULL));
	TRY(issue_somewhere(f, e));
	if (f->report->outcome.result != CHANCERY_OK)
		return ERR_OK;
	return f->how->rehearsal ? ERR_OK : flow_finish(f, e);
}

/* --- putting it to use --- */

static enum err_code begin_deployment(struct flow *f, struct err *e)
{
	f->deploy = arena_new_obj(f->wish->arena, struct deploy_job);
	errno = 0;
	if (!f->deploy)
		FAIL(e, NOMEM, "no memory");
	deploy_begin(f->deploy, f->wish, f->crew, f->storage);
	f->deploy->tell = f->watch->deployed;
	f->deploy->context = f->watch->context;
	f->report->deploy = f->deploy;
	return ERR_OK;
}

/* Issues it, unless it is there already, between the hooks, and puts it to use. */
static enum err_code issue_and_deploy(struct flow *f, bool there, struct err *e)
{
	struct err why = { 0 }, after = { 0 };

	enum err_code rc = deploy_before(f->deploy, e);
	if (rc == ERR_OK && !there)
		rc = issue(f, e);
	bool issued = rc == ERR_OK && f->report->outcome.result == CHANCERY_OK;
	enum err_code used = issued && deploy_is_wanted(&f->wish->deploy) ? deploy_certificate(f->deploy, &why) : ERR_OK;
	if (deploy_after(f->deploy, !issued || used != ERR_OK, &after) != ERR_OK && used == ERR_OK) {
		used = after.code;
		why = after;
	}
	f->report->end = !issued ? FLOW_FAILED : used != ERR_OK ? FLOW_UNDEPLOYED : there ? FLOW_DEPLOYED : FLOW_ISSUED;
	if (issued && used != ERR_OK)
		outcome_of_err(&why, f->wish->arena, &f->report->outcome);
	return rc;
}

/* What an earlier run has got and not put to use: then nothing is ordered. */
static bool take_pending(struct flow *f)
{
	struct due due;

	if (f->how->force || f->how->rehearsal || !deploy_is_wanted(&f->wish->deploy) || !deploy_pending_take(f->deploy))
		return false;
	flow_present(f, &f->present);
	flow_due(f, &f->present, &due);
	if (!due.now)
		return true;
	if (f->deploy->previous)
		MAY_FAIL(storage_switch(f->storage, f->deploy->previous, NULL)); /* a new one is ordered in any case */
	flow_present(f, &f->present);
	return false;
}

/* Gets one and throws it away: what would come is known, and nothing is changed. */
static enum err_code rehearse(struct flow *f, struct err *e)
{
	enum err_code rc = issue(f, e);
	f->keeps_draft = false;
	TRY(rc);
	f->report->end = f->report->outcome.result == CHANCERY_OK ? FLOW_REHEARSED : FLOW_FAILED;
	return ERR_OK;
}

/* --- what is remembered of the certificate --- */

static const char *state_path(const struct flow *f)
{
	return (const char *)arena_fmt(f->wish->arena, "%s/" FLOW_STATE_FILE, storage_path(f->storage)).ptr;
}

static void keep_state(struct flow *f)
{
	const struct flow_report *r = f->report;
	const char *path = state_path(f);
	int64_t now_s = clock_wall_ms() / 1000;

	switch (r->end) {
	case FLOW_ISSUED:
		f->state.window_start_s = f->state.window_end_s = f->state.ask_s = 0; /* of the one before */
		*f->state.explanation = 0;
		(void)snprintf(f->state.ca, sizeof f->state.ca, "%s", r->ca);
		state_succeeded(&f->state, now_s);
		break;
	case FLOW_DEPLOYED:
		state_succeeded(&f->state, now_s);
		break;
	case FLOW_FAILED:
	case FLOW_UNDEPLOYED:
		if (r->waits_until_s)
			break; /* nothing was tried */
		state_failed(&f->state, &r->outcome, now_s);
		break;
	case FLOW_WAITING:
		if (r->outcome.message && r->waits_until_s)
			state_wait(&f->state, r->waits_until_s, r->outcome.message, now_s);
		break;
	case FLOW_NOTHING:
	case FLOW_REHEARSED:
		break; /* but the window may be news */
	}
	if (path && !f->how->rehearsal)
		MAY_FAIL(state_write(path, &f->state, NULL)); /* what is not remembered is asked for once more */
}

static void open_state(struct flow *f)
{
	const char *path = state_path(f);
	char told[STATE_TEXT_MAX] = "";

	if (path)
		state_take(path, &f->state, told);
	if (*told)
		tell(f, CHANCERY_STEP_WAIT, "%s", told);
}

/* --- the run --- */

static enum err_code run(struct flow *f, struct err *e)
{
	struct flow_report *r = f->report;
	int64_t now_s = clock_wall_ms() / 1000;

	TRY(storage_open(f->wish->folder, f->wish->name, &f->storage, e));
	r->live = (const char *)arena_fmt(f->wish->arena, "%s/live", storage_path(f->storage)).ptr;
	errno = 0;
	if (!r->live)
		FAIL(e, NOMEM, "no memory");
	open_state(f);
	TRY(begin_deployment(f, e));
	if (f->how->rehearsal)
		return rehearse(f, e);
	bool pending = take_pending(f);
	if (!pending)
		flow_present(f, &f->present);
	r->not_before_s = f->present.not_before_s;
	r->not_after_s = f->present.not_after_s;
	flow_due(f, &f->present, &r->due);
	if (!pending && !f->how->force && !r->due.now) {
		r->end = FLOW_NOTHING;
		return ERR_OK;
	}
	if (f->how->again && !f->how->force && !pending && state_waits(&f->state, now_s)) {
		r->end = FLOW_WAITING;
		r->waits_until_s = f->state.not_before_s;
		return ERR_OK;
	}
	if (f->state.window_start_s && r->due.now && f->present.fits && f->how->again && !pending)
		tell(f, CHANCERY_STEP_DIRECTORY, "The CA asks for a renewal now%s%s", *f->state.explanation ? ": " : "",
		    f->state.explanation);
	return issue_and_deploy(f, pending, e);
}

void flow_run(struct crew *crew, const struct wish *w, const struct flow_wish *how, const struct flow_watch *watch, struct flow_report *ret)
{
	CLEANUP(flow_close)
	struct flow f = { .crew = crew, .wish = w, .how = how, .watch = watch, .report = ret, .present = { .server = "" } };
	struct err e = { 0 };

	*ret = (struct flow_report){ .end = FLOW_FAILED, .ca = w->cas[0].name, .server = w->cas[0].directory };
	enum err_code rc = run(&f, &e);
	if (rc != ERR_OK) {
		ret->end = rc == ERR_BUSY && how->again ? FLOW_WAITING : FLOW_FAILED;
		outcome_of_err(&e, w->arena, &ret->outcome);
	}
	if (f.storage)
		keep_state(&f);
}
