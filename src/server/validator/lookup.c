#include "server/validator/lookup.h"

#include "dns/excerpt.h"
#include "dns/packet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define HOST_SHOWN 100
#define WHY_MAX    192

/* One family's question. */
struct side {
	struct lookup *lookup;
	struct resolver_query *query;
	int type;
	enum err_code code;
	char why[WHY_MAX];
	bool nxdomain;
	struct lookup_address chosen;
	bool refused;
	char refused_why[WHY_MAX];
};

struct lookup {
	struct policy *policy;
	struct bytes host;
	struct side v6, v4;
	lookup_done *done;
	void *ctx;
};

enum dnssec_status dnssec_of(enum resolver_security s)
{
	switch (s) {
	case RESOLVER_SECURE:
		return DNSSEC_SECURE;
	case RESOLVER_OFF:
		return DNSSEC_OFF;
	case RESOLVER_INSECURE:
	case RESOLVER_BOGUS:
		break;
	}
	return DNSSEC_INSECURE;
}

enum dnssec_status dnssec_weaker(enum dnssec_status a, enum dnssec_status b)
{
	return a < b ? a : b;
}

static void lookup_free(struct lookup *l)
{
	resolver_cancel(l->v6.query);
	resolver_cancel(l->v4.query);
	free(l);
}
DEFINE_CLEANUP(struct lookup *, lookup_free);

void lookup_cancel(struct lookup *l)
{
	if (l)
		lookup_free(l);
}

/* The first record that the policy lets pass; of those that it does not, the first is the reason. */
static void choose(struct side *s, const struct resolver_answer *answer)
{
	struct ip_address a;
	const char *range = "";
	char text[IP_ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < answer->n_records && !s->chosen.found; i++) {
		if (!ip_address_from_rdata(answer->records[i], &a) || a.v6 != (s->type == DNS_TYPE_AAAA))
			continue;
		enum address_verdict verdict = address_judge(&s->lookup->policy->addresses, &a, &range);
		if (verdict != ADDRESS_REFUSED)
			s->chosen = (struct lookup_address){ true, verdict == ADDRESS_RELAXED, dnssec_of(answer->security), a };
		else if (!s->refused)
			(void)snprintf(s->refused_why, sizeof s->refused_why, "%s is in %s", ip_address_text(&a, text), range);
		s->refused = s->refused || verdict == ADDRESS_REFUSED;
	}
}

static enum err_code judge(const struct lookup *l, struct err *e)
{
	const struct side *refused = l->v4.refused ? &l->v4 : &l->v6, *failed = l->v4.code != ERR_OK ? &l->v4 : &l->v6;
	char host[EXCERPT_SIZE(HOST_SHOWN)];

	errno = 0;
	(void)excerpt(l->host, host, HOST_SHOWN);
	if (l->v6.chosen.found || l->v4.chosen.found)
		return ERR_OK;
	if (refused->refused)
		FAIL(e, REJECTED_IDENTIFIER, "%s has no address that this CA connects to: %s", host, refused->refused_why);
	if (failed->code != ERR_OK)
		return err_set(e, failed->code, __FILE__, __LINE__, "DNS: %s", failed->why);
	if (l->v4.nxdomain && l->v6.nxdomain)
		FAIL(e, DNS, "DNS: NXDOMAIN for A and AAAA of %s: there is no such name", host);
	FAIL(e, DNS, "DNS: %s has no A and no AAAA record", host);
}

static void on_answer(void *ctx, const struct resolver_answer *answer)
{
	struct side *s = ctx;
	struct lookup *l = s->lookup;
	struct lookup_answer a = { .why = { 0 } };

	s->query = NULL;
	s->code = answer->code;
	s->nxdomain = answer->nxdomain;
	if (answer->code != ERR_OK)
		(void)excerpt(bytes_str(answer->detail), s->why, WHY_MAX - 4);
	else
		choose(s, answer);
	if (l->v6.query || l->v4.query)
		return;
	MAY_FAIL(judge(l, &a.why)); /* the answer carries it */
	a.v6 = l->v6.chosen;
	a.v4 = l->v4.chosen;
	l->done(l->ctx, &a);
	free(l);
}

static enum err_code ask(struct lookup *l, struct side *s, int type, struct err *e)
{
	s->lookup = l;
	s->type = type;
	return resolver_ask(l->policy->resolver, l->host, type, on_answer, s, &s->query, e);
}

enum err_code lookup_start(struct policy *p, struct bytes host, lookup_done *done, void *ctx, struct lookup **ret, struct err *e)
{
	CLEANUP(lookup_free_p) struct lookup *l = calloc(1, sizeof *l);

	errno = 0;
	if (!l)
		FAIL(e, NOMEM, "no memory for a lookup");
	*l = (struct lookup){ .policy = p, .host = host, .done = done, .ctx = ctx };
	TRY(ask(l, &l->v6, DNS_TYPE_AAAA, e));
	TRY(ask(l, &l->v4, DNS_TYPE_A, e));
	*ret = TAKE(l);
	return ERR_OK;
}

void lookup_literal(const struct policy *p, struct bytes host, struct lookup_answer *ret)
{
	struct lookup_address one = { .found = true, .dnssec = DNSSEC_OFF };
	const char *range = "";

	*ret = (struct lookup_answer){ .why = { 0 } };
	errno = 0;
	if (!ip_address_from_text(host, &one.address)) {
		err_set(&ret->why, ERR_MALFORMED, __FILE__, __LINE__, "not an address");
		return;
	}
	enum address_verdict verdict = address_judge(&p->addresses, &one.address, &range);
	one.relaxed = verdict == ADDRESS_RELAXED;
	if (verdict == ADDRESS_REFUSED)
		err_set(&ret->why, ERR_REJECTED_IDENTIFIER, __FILE__, __LINE__, "this CA does not connect to %.*s: it is in %s",
		    BYTES_FMT(host), range);
	else if (one.address.v6)
		ret->v6 = one;
	else
		ret->v4 = one;
}
