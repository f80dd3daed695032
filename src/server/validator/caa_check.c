#include "server/validator/caa_check.h"

#include "dns/excerpt.h"
#include "dns/packet.h"
#include "server/validator/lookup.h"
#include "server/validator/rrset.h"

#include <errno.h>
#include <stdlib.h>

#define NAME_SHOWN 100

_Static_assert(CAA_RECORDS_MAX <= RRSET_RECORDS_MAX, "what caa_permits() lets pass has a digest");

struct caa_check {
	struct policy *policy;
	struct caa_request request;
	struct bytes at; /* the name being asked */
	struct resolver_query *query;
	struct caa_result result;
	caa_done *done;
	void *ctx;
};

void caa_check_cancel(struct caa_check *c)
{
	if (!c)
		return;
	resolver_cancel(c->query);
	free(c);
}
DEFINE_CLEANUP(struct caa_check *, caa_check_cancel);

static void on_answer(void *ctx, const struct resolver_answer *answer);

static enum err_code ask(struct caa_check *c, struct err *e)
{
	return resolver_ask(c->policy->resolver, c->at, DNS_TYPE_CAA, on_answer, c, &c->query, e);
}

/* OK with a question under way: go on. */
static enum err_code take_answer(struct caa_check *c, const struct resolver_answer *a)
{
	struct caa_result *r = &c->result;

	errno = 0;
	if (a->code != ERR_OK)
		return err_set(&r->why, a->code, __FILE__, __LINE__, "CAA: %s; without an answer this CA may not issue", a->detail);
	r->dnssec = dnssec_weaker(r->dnssec, dnssec_of(a->security));
	if (a->n_records > 0) {
		TRY(caa_permits(c->at, a->records, a->n_records, &c->request, &r->why));
		r->node = c->at;
		r->ttl_s = a->ttl_s;
		r->outcome = CAA_PERMITTED;
		rrset_digest(a->records, a->n_records, r->rrset);
		return ERR_OK;
	}
	struct bytes parent = caa_parent(c->at);
	if (parent.ptr) {
		c->at = parent;
		return ask(c, &r->why);
	}
	r->outcome = CAA_NO_RECORDS;
	return ERR_OK;
}

static void on_answer(void *ctx, const struct resolver_answer *answer)
{
	struct caa_check *c = ctx;

	c->query = NULL;
	if (take_answer(c, answer) == ERR_OK && c->query)
		return;
	c->done(c->ctx, &c->result);
	caa_check_cancel(c);
}

void caa_check_late(const struct caa_check *c, struct err *e)
{
	char name[EXCERPT_SIZE(NAME_SHOWN)];

	errno = 0;
	err_set(e, ERR_DNS, __FILE__, __LINE__, "CAA: the DNS question for CAA of %s takes too long", excerpt(c->at, name, NAME_SHOWN));
}

enum err_code caa_check_start(
    struct policy *p, struct bytes name, const struct caa_request *r, caa_done *done, void *ctx, struct caa_check **ret, struct err *e)
{
	CLEANUP(caa_check_cancel_p) struct caa_check *c = calloc(1, sizeof *c);

	errno = 0;
	if (!c)
		FAIL(e, NOMEM, "no memory for a CAA check");
	*c = (struct caa_check){ .policy = p,
		.request = *r,
		.at = name,
		.done = done,
		.ctx = ctx,
		.result = { .node = BYTES_LIT(""), .dnssec = DNSSEC_SECURE } };
	TRY(ask(c, e));
	*ret = TAKE(c);
	return ERR_OK;
}
