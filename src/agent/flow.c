#include "agent/flow_impl.h"

#include "agent/key_file.h"
#include "base/clock.h"
#include "base/json.h"
#include "crypto/digest.h"

#include <errno.h>
#include <string.h>

static void flow_close(struct flow *f)
{
	if (f->storage && *f->draft)
		storage_drop_draft(f->storage, f->draft);
	storage_free(f->storage);
}

/* --- what is there --- */

struct meta {
	struct json_strings names;
};
static const struct json_field meta_fields[] = { JSON_FIELD(struct meta, names, "names", JSON_STRINGS, true, WISH_NAMES_MAX) };

static bool same_names(const struct wish *w, const struct json_strings *names)
{
	size_t found = 0;

	for (size_t i = 0; i < names->n; i++)
		for (size_t k = 0; k < w->n_names; k++)
			found += bytes_eq_str(names->v[i], w->names[k]);
	return names->n == w->n_names && found == w->n_names;
}

/* The public half of a live key. */
static enum err_code live_spki(struct flow *f, const char *file, struct bytes *ret, struct err *e)
{
	const struct keys_wish key = { .slot = "live", .use = KEYS_CERTIFICATE };
	const char *path = (const char *)arena_fmt(f->wish->arena, "%s/%s", f->report->live, file).ptr;

	errno = 0;
	if (!path)
		FAIL(e, NOMEM, "no memory");
	return key_file_open(f->crew, f->wish->arena, path, &key, ret, e);
}

/* Whether key and chain of this kind belong together, are for these names, and not yet in the last third of their life. */
static bool is_good_of(struct flow *f, const struct wish_key *kind, struct chain *ret)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(STORAGE_FILE_MAX);
	char privkey[FLOW_FILE_MAX], fullchain[FLOW_FILE_MAX];
	CLEANUP(key_free_p) struct key *key = NULL;
	const struct wish *w = f->wish;
	int64_t now_s = clock_wall_ms() / 1000;
	struct bytes spki;

	flow_file(STORAGE_PRIVKEY, kind->suffix, privkey);
	flow_file(STORAGE_FULLCHAIN, kind->suffix, fullchain);
	if (storage_read(f->storage, fullchain, &pem, NULL) != ERR_OK || live_spki(f, privkey, &spki, NULL) != ERR_OK ||
	    chain_check(w->arena, buf_bytes(&pem), spki, w->sans, w->n_names, now_s, ret, NULL) != ERR_OK)
		return false;
	/* Another type of key is another certificate. */
	return key_from_spki(spki, &key, NULL) == ERR_OK && key_type(key) == kind->type &&
	       (kind->bits == 0 || key_bits(key) == kind->bits) && ret->not_after_s - now_s > (ret->not_after_s - ret->not_before_s) / 3;
}

/* Whether the live generation is whole and what is wanted. */
static bool is_good(struct flow *f, struct chain *ret)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(STORAGE_FILE_MAX);
	struct meta m = { .names = { false, NULL, 0 } };

	if (storage_read(f->storage, STORAGE_META, &text, NULL) != ERR_OK ||
	    json_read(f->wish->arena, buf_bytes(&text), "meta.json", meta_fields, 1, &m, NULL) != ERR_OK || !same_names(f->wish, &m.names))
		return false;
	for (size_t i = f->wish->n_keys; i-- > 0;) /* the first last, whose chain is told */
		if (!is_good_of(f, &f->wish->keys[i], ret))
			return false;
	return true;
}

/* A point in the window that is this certificate's own, so that not all come at once: by its bytes, the same at each run. */
static int64_t point_in(const struct chancery_renewal *r, const struct chain *present)
{
	uint8_t digest[SHA256_SIZE];

	sha256_one(present->fullchain, digest);
	uint64_t n = (uint64_t)digest[0] << 24 | (uint64_t)digest[1] << 16 | (uint64_t)digest[2] << 8 | digest[3];
	return r->start + (int64_t)(n * (uint64_t)(r->end - r->start) >> 32);
}

/* RFC 9773; a CA that says nothing, or cannot be asked, wants nothing. */
static bool ca_wants_it(struct flow *f, const struct chain *present)
{
	struct chancery_renewal renewal;
	struct outcome out;

	if (ca_renewal(f->crew, f->wish->arena, &f->ca, present->fullchain, &renewal, &out, NULL) != ERR_OK || out.result != CHANCERY_OK ||
	    point_in(&renewal, present) > clock_wall_ms() / 1000)
		return false;
	const char *text = (const char *)arena_fmt(
	    f->wish->arena, "The CA asks for a renewal now%s%s", *renewal.explanation ? ": " : "", renewal.explanation)
			       .ptr;
	return f->watch->progress(f->watch->context, CHANCERY_STEP_DIRECTORY, text ? text : "") == 0;
}

static enum err_code open_account(struct flow *f, struct err *e)
{
	const struct keys_wish key = {
		.slot = "account", .use = KEYS_ACCOUNT, .names = f->wish->names, .n_names = f->wish->n_names, .type = KEY_EC_P256
	};

	frame_make_account_folder(&f->wish->frame);
	return key_file_need(f->crew, f->wish->arena, f->wish->frame.account_key, &key, &f->ca.account, e);
}

/* --- the run --- */

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

/* What it takes the place of; nothing where there is none. */
static struct bytes present(const struct flow *f, const struct wish_key *key)
{
	CLEANUP(buf_free_p) struct buf pem = buf_new(STORAGE_FILE_MAX);
	char file[FLOW_FILE_MAX];

	flow_file(STORAGE_CERT, key->suffix, file);
	if (storage_read(f->storage, file, &pem, NULL) != ERR_OK)
		return BYTES_NONE;
	return arena_copy(f->wish->arena, buf_bytes(&pem));
}

static enum err_code issue_one(struct flow *f, size_t i, struct err *e)
{
	struct flow_cert *c = &f->certs[i];
	struct issue_call call = { .crew = f->crew,
		.wish = f->wish,
		.ca = &f->ca,
		.replaces = present(f, c->key),
		.progress = f->watch->progress,
		.context = f->watch->context };

	TRY(flow_key(f, i, e));
	call.key = c->spki;
	TRY(issue_call(&call, f->wish->arena, &f->report->issued, &f->report->outcome, e));
	if (f->report->outcome.result != CHANCERY_OK)
		return ERR_OK;
	TRY(check(f, c, e));
	return flow_put(f, i, e);
}

static enum err_code issue(struct flow *f, struct err *e)
{
	crew_hook_user(f->crew, given_value(f->wish->given, "hook-user", NULL));
	TRY(open_account(f, e));
	TRY(storage_draft(f->storage, f->draft, e));
	/* The first last, whose times are told. */
	for (size_t i = f->wish->n_keys; i-- > 0;) {
		f->certs[i].key = &f->wish->keys[i];
		TRY(issue_one(f, i, e));
		if (f->report->outcome.result != CHANCERY_OK)
			return ERR_OK;
	}
	return flow_finish(f, e);
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
static bool take_pending(struct flow *f, struct chain *ret)
{
	if (f->how->force || !deploy_is_wanted(&f->wish->deploy) || !deploy_pending_take(f->deploy))
		return false;
	if (is_good(f, ret) && !(f->how->again && ca_wants_it(f, ret)))
		return true;
	if (f->deploy->previous)
		MAY_FAIL(storage_switch(f->storage, f->deploy->previous, NULL)); /* a new one is ordered in any case */
	return false;
}

static enum err_code run(struct flow *f, struct err *e)
{
	struct chain chain;

	TRY(ca_wish_read(f->wish->given, &f->wish->frame, &f->ca, e));
	TRY(storage_open(f->wish->frame.folder, f->wish->name, &f->storage, e));
	f->report->live = (const char *)arena_fmt(f->wish->arena, "%s/live", storage_path(f->storage)).ptr;
	errno = 0;
	if (!f->report->live)
		FAIL(e, NOMEM, "no memory");
	TRY(begin_deployment(f, e));
	bool pending = take_pending(f, &chain);
	if (!pending && !f->how->force && is_good(f, &chain) && !(f->how->again && ca_wants_it(f, &chain))) {
		f->report->not_before_s = chain.not_before_s;
		f->report->not_after_s = chain.not_after_s;
		f->report->end = FLOW_NOTHING;
		return ERR_OK;
	}
	if (pending) {
		f->report->not_before_s = chain.not_before_s;
		f->report->not_after_s = chain.not_after_s;
	}
	return issue_and_deploy(f, pending, e);
}

void flow_run(struct crew *crew, const struct wish *w, const struct flow_wish *how, const struct flow_watch *watch, struct flow_report *ret)
{
	CLEANUP(flow_close) struct flow f = { .crew = crew, .wish = w, .how = how, .watch = watch, .report = ret };
	struct err e = { 0 };

	*ret = (struct flow_report){ .end = FLOW_FAILED };
	if (run(&f, &e) == ERR_OK)
		return;
	ret->end = FLOW_FAILED;
	outcome_of_err(&e, w->arena, &ret->outcome);
}
