#include "server/front/notices.h"

#include "base/event.h"
#include "server/front/charges.h"

#include <stdlib.h>

/* --- revocations --- */

struct revoked_job {
	struct front *f;
	size_t n;
	struct revoked_new v[];
};

static enum err_code store_one(struct front *f, struct arena *a, const struct revoked_new *v, struct err *e)
{
	struct store_certificate c;

	arena_reset(a);
	enum err_code rc = store_get_certificate(f->store, a, v->serial, &c, e);
	if (rc == ERR_NOT_FOUND || (rc == ERR_OK && c.revoked_s && c.reason == v->reason)) /* the CA's own; or it knows already */
		return ERR_OK;
	TRY(rc);
	return store_revoke_certificate(f->store, v->serial, v->time_s, v->reason, e);
}

static void store_revoked(void *ctx)
{
	CLEANUP(arena_free_p) struct arena *a = arena_new(32768, 1u << 20);
	struct revoked_job *job = ctx;
	struct err e = { 0 };

	for (size_t i = 0; a && i < job->n; i++)
		if (store_one(job->f, a, &job->v[i], &e) != ERR_OK)
			event_error(EVENT_WARNING, "revocation.not_stored", &e); /* reconcile finds it */
	free(job);
}

static enum err_code take_revoked(struct front *f, struct bytes body, struct err *e)
{
	struct revoked_job *job = malloc(sizeof *job + REVOKED_NEW_MAX * sizeof job->v[0]);

	if (!job)
		FAIL(e, NOMEM, "no memory for revocations");
	job->f = f;
	enum err_code rc = revoked_new_read(body, job->v, &job->n, e);
	if (rc == ERR_OK && job->n > 0)
		rc = http_server_run(f->http, store_revoked, job, e);
	if (rc != ERR_OK || job->n == 0)
		free(job);
	return rc;
}

/* --- limits --- */

static enum err_code take_reset(struct front *f, struct bytes body, struct err *e)
{
	struct limits_reset v;
	bool counted = false;

	TRY(limits_reset_read(body, &v, e));
	TRY(charges_forget(f, bytes_str(v.limit), bytes_str(v.key), &counted, e));
	event(EVENT_NOTICE, "limits.reset", EVENT_STR("limit", v.limit), EVENT_STR("key", v.key),
	    EVENT_STR("counted", counted ? "yes" : "no"));
	return ERR_OK;
}

bool notice_take(struct front *f, const struct message *m)
{
	enum err_code rc = ERR_OK;
	struct err e = { 0 };

	if (m->type == MESSAGE_BLOCKS)
		rc = blocks_read(f->blocks, m->body, &e);
	else if (m->type == MESSAGE_REVOKED_NEW)
		rc = take_revoked(f, m->body, &e);
	else if (m->type == MESSAGE_LIMITS_RESET)
		rc = take_reset(f, m->body, &e);
	else
		return false;
	if (rc != ERR_OK)
		event_error(EVENT_ERROR, "signer.notice", &e);
	return true;
}
