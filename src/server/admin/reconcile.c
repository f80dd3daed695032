#include "server/admin/reconcile.h"

#include "base/clock.h"
#include "base/codec.h"
#include "server/admin/ca_chains.h"
#include "server/admin/log_facts.h"
#include "server/admin/place.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What a running server has logged is in its database soon after, but not at once. */
#define SETTLE_MS 2000
/* A log that is being written can look torn in its middle, for the moment of one write. */
#define TRIES 3

static enum err_code note(void *ctx, enum difference d, struct bytes id, struct err *e)
{
	struct reconcile_report *r = ctx;

	(void)e;
	r->found[d]++;
	if (r->n_listed == RECONCILE_LISTED_MAX || id.len > sizeof r->listed[0].id)
		return ERR_OK;
	struct reconcile_difference *v = &r->listed[r->n_listed++];
	v->what = d;
	v->id_len = id.len;
	memcpy(v->id, id.ptr, id.len);
	if (id.len == STORE_SERIAL)
		hex_encode(id, v->text);
	else
		base64url_encode(id, v->text);
	return ERR_OK;
}

struct work {
	const struct settings *settings;
	struct place front, signer;
	struct mirror *mirror;
	struct ca_chains *chains;
	struct mirror_scope scope;
};

static enum err_code compare(struct work *w, struct reconcile_report *ret, struct err *e)
{
	struct log_facts f = { .mirror = w->mirror, .chains = w->chains, .order_lifetime_s = (int64_t)w->settings->order_lifetime };

	TRY(mirror_reset(w->mirror, e));
	TRY(log_facts_tell(w->signer.fd, &f, e));
	TRY(mirror_differences(w->mirror, &w->scope, note, ret, e));
	TRY(mirror_counts(w->mirror, &ret->counts, e));
	ret->records = f.records;
	return ERR_OK;
}

static enum err_code compare_beside(struct work *w, struct reconcile_report *ret, struct err *e)
{
	struct reconcile_report fresh = *ret;
	enum err_code rc = ERR_IO;

	w->scope.until_ms = clock_wall_ms();
	if (ret->running)
		(void)usleep(SETTLE_MS * 1000);
	TRY(mirror_open(w->front.path, MIRROR_COMPARE, &w->mirror, e));
	for (int i = 0; rc == ERR_IO && i < (ret->running ? TRIES : 1); i++) {
		*ret = fresh;
		rc = compare(w, ret, e);
	}
	TRY(rc);
	memcpy(ret->left, ret->found, sizeof ret->left);
	return ERR_OK;
}

static bool is_repairable(const struct reconcile_report *r)
{
	for (size_t i = 0; i < DIFFERENCE__MAX; i++)
		if (r->found[i] > 0 && !difference_rows[i].alarm)
			return true;
	return false;
}

static enum err_code repair(struct work *w, struct err *e)
{
	struct log_facts f = { .mirror = w->mirror,
		.chains = w->chains,
		.order_lifetime_s = (int64_t)w->settings->order_lifetime,
		.put = true,
		.kept_s = w->scope.kept_s };

	TRY(mirror_begin(w->mirror, e));
	TRY(log_facts_tell(w->signer.fd, &f, e));
	TRY(mirror_put_rest(w->mirror, e));
	return mirror_commit(w->mirror, e);
}

static enum err_code compare_and_repair(struct work *w, struct reconcile_report *ret, struct err *e)
{
	struct reconcile_report after;

	w->scope.until_ms = INT64_MAX; /* nothing is on its way */
	TRY(mirror_open(w->front.path, MIRROR_REPAIR, &w->mirror, e));
	TRY(compare(w, ret, e));
	memcpy(ret->left, ret->found, sizeof ret->left);
	if (!is_repairable(ret))
		return ERR_OK;
	TRY(repair(w, e));
	after = (struct reconcile_report){ .running = false };
	TRY(compare(w, &after, e));
	memcpy(ret->left, after.found, sizeof ret->left);
	ret->counts = after.counts;
	return ERR_OK;
}

static enum err_code run(struct work *w, bool with_repair, struct reconcile_report *ret, struct err *e)
{
	w->scope.kept_s = clock_wall_ms() / 1000 - (int64_t)w->settings->keep;
	TRY(place_open(w->settings, PROCESS_FRONT, &w->front, e));
	TRY(place_open(w->settings, PROCESS_SIGNER, &w->signer, e));
	TRY(place_busy(&w->signer, &ret->running, e));
	if (with_repair) {
		TRY(place_lock(&w->front, e));
		TRY(place_lock(&w->signer, e));
		ret->running = false;
	}
	ret->made = with_repair && faccessat(w->front.fd, "store.db", F_OK, AT_SYMLINK_NOFOLLOW) != 0;
	TRY(place_become(&w->front, e));
	TRY(ca_chains_read(w->signer.fd, &w->chains, e));
	return with_repair ? compare_and_repair(w, ret, e) : compare_beside(w, ret, e);
}

enum err_code reconcile(const struct settings *s, bool with_repair, struct reconcile_report *ret, struct err *e)
{
	struct work w = { .settings = s, .front = { .fd = -1 }, .signer = { .fd = -1 } };

	memset(ret, 0, sizeof *ret);
	enum err_code rc = run(&w, with_repair, ret, e);
	mirror_close(w.mirror);
	ca_chains_free(w.chains);
	place_close(&w.front);
	place_close(&w.signer);
	return rc;
}
