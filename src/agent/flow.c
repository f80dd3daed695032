#include "agent/flow.h"

#include "agent/key_file.h"
#include "agent/saved.h"
#include "base/clock.h"
#include "base/json.h"
#include "client/chain.h"
#include "client/storage.h"
#include "crypto/digest.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* What a run holds. */
struct flow {
	struct crew *crew;
	const struct wish *wish;
	const struct flow_watch *watch;
	struct storage *storage;
	struct ca_wish ca;
	struct flow_report *report;
	char draft[STORAGE_ID_SIZE]; /* "": none */
};

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

/* The public half of the live key. */
static enum err_code live_spki(struct flow *f, struct bytes *ret, struct err *e)
{
	const struct keys_wish key = { .slot = "live", .use = KEYS_CERTIFICATE };
	const char *path = (const char *)arena_fmt(f->wish->arena, "%s/" STORAGE_PRIVKEY, f->report->live).ptr;

	errno = 0;
	if (!path)
		FAIL(e, NOMEM, "no memory");
	return key_file_open(f->crew, f->wish->arena, path, &key, ret, e);
}

/* Whether the live generation is whole, for these names, and not yet in the last third of its life. */
static bool is_good(struct flow *f, struct chain *ret)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(STORAGE_FILE_MAX), pem = buf_new(STORAGE_FILE_MAX);
	const struct wish *w = f->wish;
	int64_t now_s = clock_wall_ms() / 1000;
	struct meta m = { .names = { false, NULL, 0 } };
	struct bytes spki;

	if (storage_read(f->storage, STORAGE_META, &text, NULL) != ERR_OK ||
	    storage_read(f->storage, STORAGE_FULLCHAIN, &pem, NULL) != ERR_OK)
		return false;
	if (json_read(w->arena, buf_bytes(&text), "meta.json", meta_fields, 1, &m, NULL) != ERR_OK || !same_names(w, &m.names))
		return false;
	if (live_spki(f, &spki, NULL) != ERR_OK ||
	    chain_check(w->arena, buf_bytes(&pem), spki, w->sans, w->n_names, now_s, ret, NULL) != ERR_OK)
		return false;
	return ret->not_after_s - now_s > (ret->not_after_s - ret->not_before_s) / 3;
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

/* --- keys --- */

static enum err_code open_account(struct flow *f, struct err *e)
{
	const struct keys_wish key = {
		.slot = "account", .use = KEYS_ACCOUNT, .names = f->wish->names, .n_names = f->wish->n_names, .type = KEY_EC_P256
	};

	frame_make_account_folder(&f->wish->frame);
	return key_file_need(f->crew, f->wish->arena, f->wish->frame.account_key, &key, &f->ca.account, e);
}

static enum err_code make_key(struct flow *f, struct bytes *ret_spki, struct err *e)
{
	static const struct {
		enum key_type type;
		unsigned bits;
	} kinds[] = {
		[CHANCERY_KEY_ECDSA_P256] = { KEY_EC_P256, 0 },
		[CHANCERY_KEY_ECDSA_P384] = { KEY_EC_P384, 0 },
		[CHANCERY_KEY_RSA_2048] = { KEY_RSA, 2048 },
		[CHANCERY_KEY_RSA_3072] = { KEY_RSA, 3072 },
		[CHANCERY_KEY_RSA_4096] = { KEY_RSA, 4096 },
	};
	const struct wish *w = f->wish;
	const struct keys_wish key = { .slot = "certificate",
		.use = KEYS_CERTIFICATE,
		.names = w->names,
		.n_names = w->n_names,
		.type = kinds[w->key_type].type,
		.bits = kinds[w->key_type].bits };
	CLEANUP(close_p) int fd = -1;
	struct peer *keys;

	TRY(crew_keys(f->crew, &keys, e));
	TRY(storage_draft(f->storage, f->draft, e));
	TRY(storage_open_file(f->storage, f->draft, STORAGE_PRIVKEY, true, &fd, e));
	return keys_make(keys, w->arena, &key, fd, ret_spki, e);
}

/* --- the files --- */

static void write_meta(const struct flow *f, struct buf *out)
{
	const struct issued *i = &f->report->issued;
	struct json_out j = json_out_to(out);
	char text[RFC3339_SIZE];

	json_put_object(&j);
	json_put_key(&j, "names");
	json_put_array(&j);
	for (size_t k = 0; k < f->wish->n_names; k++)
		json_put_string(&j, bytes_str(f->wish->names[k]));
	json_end_array(&j);
	json_put_member_str(&j, "server", f->wish->frame.server);
	json_put_member_str(&j, "account", i->account_url);
	json_put_member_str(&j, "order", i->order_url);
	json_put_member_str(&j, "certificate", i->certificate_url);
	rfc3339_format(i->not_before_s, text);
	json_put_member_str(&j, "not_before", text);
	rfc3339_format(i->not_after_s, text);
	json_put_member_str(&j, "not_after", text);
	json_put_member_str(&j, "by", "chancery " CHANCERY_VERSION);
	json_end_object(&j);
	buf_add_u8(out, '\n');
}

/* For its renewal. */
static enum err_code put_options(const struct flow *f, struct err *e)
{
	CLEANUP(buf_free_p) struct buf text = buf_new(SAVED_SIZE_MAX);
	char path[4096];

	saved_write(f->wish->given, f->wish->names, f->wish->n_names, &text);
	errno = 0;
	if (!buf_ok(&text) || snprintf(path, sizeof path, "%s/" SAVED_FILE, storage_path(f->storage)) >= (int)sizeof path)
		FAIL(e, NOMEM, "no room for the options");
	return file_write(AT_FDCWD, path, 0600, buf_bytes(&text), e);
}

static enum err_code put(struct flow *f, struct err *e)
{
	CLEANUP(buf_free_p) struct buf meta = buf_new(65536);
	struct bytes full = f->report->issued.fullchain;
	size_t leaf_len = f->report->issued.leaf_len;

	write_meta(f, &meta);
	errno = 0;
	if (!buf_ok(&meta))
		FAIL(e, NOMEM, "no memory to store the certificate");
	TRY(storage_put_file(f->storage, f->draft, STORAGE_CERT, 0644, bytes_slice(full, 0, leaf_len), e));
	TRY(storage_put_file(f->storage, f->draft, STORAGE_CHAIN, 0644, bytes_slice(full, leaf_len, full.len), e));
	TRY(storage_put_file(f->storage, f->draft, STORAGE_FULLCHAIN, 0644, full, e));
	TRY(storage_put_file(f->storage, f->draft, STORAGE_META, 0644, buf_bytes(&meta), e));
	TRY(storage_switch(f->storage, f->draft, e));
	*f->draft = 0; /* it is none any more */
	TRY(put_options(f, e));
	storage_prune(f->storage, NULL);
	return ERR_OK;
}

/* --- the run --- */

/* What the network process gives is held against what was asked for, here too. */
static enum err_code check(struct flow *f, struct bytes spki, struct err *e)
{
	const struct wish *w = f->wish;
	struct issued *i = &f->report->issued;
	struct chain chain;

	TRY(chain_check(w->arena, i->fullchain, spki, w->sans, w->n_names, clock_wall_ms() / 1000, &chain, e));
	i->fullchain = chain.fullchain;
	i->leaf_len = chain.leaf_len;
	i->not_before_s = f->report->not_before_s = chain.not_before_s;
	i->not_after_s = f->report->not_after_s = chain.not_after_s;
	return ERR_OK;
}

static enum err_code issue(struct flow *f, struct err *e)
{
	CLEANUP(buf_free_p) struct buf present = buf_new(STORAGE_FILE_MAX);
	struct issue_call call = {
		.crew = f->crew, .wish = f->wish, .ca = &f->ca, .progress = f->watch->progress, .context = f->watch->context
	};

	crew_hook_user(f->crew, given_value(f->wish->given, "hook-user", NULL));
	TRY(open_account(f, e));
	TRY(make_key(f, &call.key, e));
	if (storage_read(f->storage, STORAGE_CERT, &present, NULL) == ERR_OK)
		call.replaces = buf_bytes(&present); /* what it takes the place of */
	TRY(issue_call(&call, f->wish->arena, &f->report->issued, &f->report->outcome, e));
	if (f->report->outcome.result != CHANCERY_OK)
		return ERR_OK;
	TRY(check(f, call.key, e));
	return put(f, e);
}

static enum err_code run(struct flow *f, const struct flow_wish *how, struct err *e)
{
	struct chain present;

	TRY(ca_wish_read(f->wish->given, &f->wish->frame, &f->ca, e));
	TRY(storage_open(f->wish->frame.folder, f->wish->name, &f->storage, e));
	f->report->live = (const char *)arena_fmt(f->wish->arena, "%s/live", storage_path(f->storage)).ptr;
	errno = 0;
	if (!f->report->live)
		FAIL(e, NOMEM, "no memory");
	if (!how->force && is_good(f, &present) && !(how->again && ca_wants_it(f, &present))) {
		f->report->not_before_s = present.not_before_s;
		f->report->not_after_s = present.not_after_s;
		f->report->end = FLOW_NOTHING;
		return ERR_OK;
	}
	TRY(issue(f, e));
	f->report->end = f->report->outcome.result == CHANCERY_OK ? FLOW_ISSUED : FLOW_FAILED;
	return ERR_OK;
}

void flow_run(struct crew *crew, const struct wish *w, const struct flow_wish *how, const struct flow_watch *watch, struct flow_report *ret)
{
	CLEANUP(flow_close) struct flow f = { .crew = crew, .wish = w, .watch = watch, .report = ret };
	struct err e = { 0 };

	*ret = (struct flow_report){ .end = FLOW_FAILED };
	if (run(&f, how, &e) == ERR_OK)
		return;
	ret->end = FLOW_FAILED;
	outcome_of_err(&e, w->arena, &ret->outcome);
}
