/* One deployment: what is done in which order, and the way back. */
#include "agent/deploy_target.h"

#include <errno.h>
#include <string.h>

#define BACK_S 5 /* for so long it is looked for the previous certificate */

struct deployment {
	struct deploy_job *job;
	struct deploy_run runs[DEPLOY_TARGETS_MAX];
	struct deploy_places places;
	bool touched; /* something has been tried that a way back must undo */
};

static enum err_code fail_as(struct err *e, enum err_code rc, const char *of, const char *what, const struct err *why)
{
	errno = 0;
	(void)err_set(e, rc, __FILE__, __LINE__, "%.60s: %s: %.220s", of, what, why->detail);
	return rc;
}

/* --- the steps --- */

static enum err_code test(struct deploy_run *r, struct err *e)
{
	if (r->wish->test)
		return deploy_run_words(r->job, r->wish->test, e);
	return r->wish->target->test ? r->wish->target->test(r, e) : ERR_OK;
}

static enum err_code reload(struct deploy_run *r, struct err *e)
{
	r->reloaded = true;
	return r->wish->reload ? deploy_run_words(r->job, r->wish->reload, e) : r->wish->target->reload(r, e);
}

/* Who does not use the certificate has nothing to reload: told with the lines that are missing. */
static enum err_code find(struct deploy_run *r, struct err *e)
{
	const struct deploy_target *t = r->wish->target;
	enum deploy_use use = t->uses ? t->uses(r) : DEPLOY_USES;
	CLEANUP(buf_free_p) struct buf text = buf_new(8192);

	if (use == DEPLOY_USES)
		return ERR_OK;
	/* Who says where to look knows better than what is read here. */
	if (use == DEPLOY_UNKNOWN || r->job->wish->n_endpoints > 0) {
		deploy_note(r->job, DEPLOY_FIND, t->name, true,
		    "whether its configuration uses the certificate cannot be told: the look from outside decides");
		return ERR_OK;
	}
	buf_add_str(&text, "its configuration does not use the certificate; it needs these lines, then run chancery deploy:\n");
	(void)deploy_lines(t->name, r->folder, &text);
	buf_add_u8(&text, 0);
	deploy_note(
	    r->job, DEPLOY_FIND, t->name, false, buf_ok(&text) ? (const char *)text.ptr : "its configuration does not use the certificate");
	FAIL(e, CONFIG,
	    "%s: its configuration does not use the certificate, so nothing was reloaded; chancery deploy tells which lines it needs",
	    t->name);
}

static enum err_code step(
    struct deploy_run *r, enum deploy_kind kind, enum err_code (*fn)(struct deploy_run *r, struct err *e), struct err *e)
{
	struct err why = { 0 };
	const char *name = r->wish->target->name;

	enum err_code rc = fn(r, &why);
	deploy_note(r->job, kind, name, rc == ERR_OK, why.detail);
	return rc == ERR_OK ? ERR_OK
			    : fail_as(e, rc, name, kind == DEPLOY_TEST ? "its configuration's test fails" : "it cannot be reloaded", &why);
}

/* What the user names, else what the configurations say. An address is asked for a name of the certificate. */
static void find_places(const struct deployment *d, struct deploy_places *ret)
{
	const struct deploy_wish *w = d->job->wish;

	*ret = d->places;
	if (w->n_endpoints > 0) {
		ret->n = w->n_endpoints;
		memcpy(ret->v, w->endpoints, sizeof ret->v);
	}
	if (w->unseen)
		ret->n = 0;
	for (size_t i = 0; i < ret->n; i++)
		ret->v[i].name = ret->v[i].name ? ret->v[i].name : deploy_first_name(d->job);
}

static enum err_code look(struct deployment *d, struct err *e)
{
	const struct deploy_wish *w = d->job->wish;
	struct deploy_places at;

	find_places(d, &at);
	if (at.n == 0 && w->n_targets > 0 && !w->unseen)
		deploy_note(d->job, DEPLOY_LOOK, "", true, "not looked at from outside: where it is served is not known (deploy-endpoint)");
	return deploy_look_all(d->job, DEPLOY_LOOK, &at, w->wait_s, e);
}

static enum err_code forward(struct deployment *d, struct err *e)
{
	size_t n = d->job->wish->n_targets;

	d->touched = true;
	TRY(deploy_copies_write(d->job, e));
	d->touched = d->job->wish->n_copies > 0;
	for (size_t i = 0; i < n; i++)
		TRY(find(&d->runs[i], e));
	d->touched = true;
	for (size_t i = 0; i < n; i++)
		if (d->runs[i].wish->test || d->runs[i].wish->target->test)
			TRY(step(&d->runs[i], DEPLOY_TEST, test, e));
	for (size_t i = 0; i < n; i++)
		TRY(step(&d->runs[i], DEPLOY_RELOAD, reload, e));
	return look(d, e);
}

/* --- the way back --- */

/* One that was told to read the new certificate is told to read the previous one, unless its configuration is broken by itself: then it goes on with what
 * it has. Whether it was told. */
static bool back_one(struct deploy_run *r)
{
	const char *name = r->wish->target->name, *text;
	struct err why = { 0 };

	enum err_code rc = test(r, &why);
	if (rc != ERR_OK)
		text = (const char *)arena_fmt(r->arena,
		    "its configuration's test fails with the previous certificate too, so the certificate is not why: %s", why.detail)
			   .ptr;
	else
		text = (rc = r->reloaded ? reload(r, &why) : ERR_OK) == ERR_OK ? "" : why.detail;
	deploy_note(
	    r->job, DEPLOY_ROLL_BACK, name, rc == ERR_OK, text ? text : "its configuration's test fails with the previous certificate too");
	return rc == ERR_OK && r->reloaded;
}

/* What was reloaded shows the previous one again, or it is told that it does not. */
static void look_back(struct deployment *d)
{
	uint32_t wait_s = d->job->wish->wait_s < BACK_S ? d->job->wish->wait_s : BACK_S;
	struct deploy_places at;

	find_places(d, &at);
	MAY_FAIL(deploy_look_all(d->job, DEPLOY_ROLL_BACK, &at, wait_s, NULL)); /* the steps say it */
}

static void back(struct deployment *d)
{
	struct deploy_job *j = d->job;
	struct err e = { 0 };
	bool told = false;

	enum err_code rc = j->previous ? storage_switch(j->storage, j->previous, &e) : ERR_OK;
	j->rolled_back = j->previous && rc == ERR_OK;
	/* The copies may have had something before us in any case. */
	if (rc == ERR_OK)
		rc = deploy_copies_undo(j, &e);
	deploy_note(j, DEPLOY_ROLL_BACK, j->name, rc == ERR_OK && j->previous,
	    rc != ERR_OK  ? e.detail
	    : j->previous ? "the previous certificate is live again"
			  : "there is no previous certificate to go back to");
	for (size_t i = 0; i < j->wish->n_targets && (j->previous || j->wish->n_copies > 0); i++)
		told = back_one(&d->runs[i]) || told;
	if (j->rolled_back && told)
		look_back(d);
}

enum err_code deploy_certificate(struct deploy_job *j, struct err *e)
{
	struct deployment d = { .job = j };

	for (size_t i = 0; i < j->wish->n_targets; i++)
		d.runs[i] = (struct deploy_run){
			.job = j, .wish = &j->wish->targets[i], .arena = j->arena, .folder = storage_path(j->storage), .places = &d.places
		};
	enum err_code rc = forward(&d, e);
	if (rc != ERR_OK) {
		if (d.touched)
			back(&d);
		else
			deploy_copies_keep(j); /* bundles that nobody reads yet */
		return rc;
	}
	deploy_copies_keep(j);
	/* A hook that fails is told, and undoes nothing: the certificate is served, and what the hook did of its own is not known here. */
	TRY(deploy_run_hooks(j, DEPLOY_DEPLOY_HOOK, &j->wish->deploy, e));
	j->deployed = true;
	deploy_pending_done(j);
	return ERR_OK;
}
