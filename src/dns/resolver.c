#include "dns/resolver.h"

#include "dns/context.h"
#include "dns/excerpt.h"
#include "dns/packet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <unbound-event.h>

#define QUERY_ARENA     8192
#define QUERY_ARENA_MAX (512u << 10)
#define CLASS_IN        1
#define REASON_MAX      140

struct resolver {
	struct event_base *base;
	struct contexts *contexts;
	struct resolver_query *first;
};

/* Libunbound answers from its cache before ub_resolve_event() returns, or from the middle of its own work; the asker is told
 * by an event of the loop, so that it may ask and cancel as it likes. */
struct resolver_query {
	struct resolver *resolver;
	struct resolver_query *next, *previous;
	struct context *context;
	bool again; /* it was asked a second time */
	int id;     /* libunbound's, while `asked` */
	bool asked;
	struct event *deliver;
	struct arena *arena;
	struct bytes name;
	unsigned type;
	struct resolver_answer answer;
	resolver_done *done;
	void *ctx;
};

enum err_code resolver_new(struct event_base *base, const struct resolver_config *c, struct resolver **ret, struct err *e)
{
	CLEANUP(resolver_free_p) struct resolver *r = calloc(1, sizeof *r);

	if (!r)
		FAIL(e, NOMEM, "no memory for the resolver");
	r->base = base;
	TRY(contexts_new(base, c, &r->contexts, e));
	*ret = TAKE(r);
	return ERR_OK;
}

static void query_free(struct resolver_query *q)
{
	if (q->previous)
		q->previous->next = q->next;
	else if (q->resolver->first == q)
		q->resolver->first = q->next;
	if (q->next)
		q->next->previous = q->previous;
	if (q->context)
		context_release(q->context, false);
	if (q->deliver)
		event_free(q->deliver);
	if (q->arena)
		arena_free(q->arena);
	free(q);
}
DEFINE_CLEANUP(struct resolver_query *, query_free);

void resolver_cancel(struct resolver_query *q)
{
	if (!q)
		return;
	if (q->asked)
		(void)ub_cancel(context_of(q->context), q->id); /* it calls back no more, whether it knew the number or not */
	query_free(q);
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	while (r->first)
		resolver_cancel(r->first);
	contexts_free(r->contexts);
	free(r);
}

static const char *type_name(unsigned type, char other[16])
{
	switch (type) {
	case DNS_TYPE_A:
		return "A";
	case DNS_TYPE_AAAA:
		return "AAAA";
	case DNS_TYPE_TXT:
		return "TXT";
	case DNS_TYPE_CAA:
		return "CAA";
	default:
		(void)snprintf(other, 16, "TYPE%u", type);
		return other;
	}
}

static const char *rcode_name(unsigned rcode)
{
	static const char *const names[] = { "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED" };

	return rcode < sizeof names / sizeof *names ? names[rcode] : "an error";
}

static void set_failure(struct resolver_query *q, const char *what, const char *why, const char *why_text)
{
	char other[16];
	struct bytes detail = arena_fmt(
	    q->arena, "%s for %s of %.*s%s%s%s", what, type_name(q->type, other), BYTES_FMT(q->name), *why ? " (" : "", why, why_text);

	if (*why && detail.ptr)
		detail = arena_fmt(q->arena, "%.*s)", BYTES_FMT(detail));
	q->answer = (struct resolver_answer){
		.code = ERR_DNS, .security = q->answer.security, .detail = detail.ptr ? (const char *)detail.ptr : "no usable DNS answer"
	};
}

/* Libunbound: `validation failure <example.org. A IN>: signature expired from 192.0.2.1 for key ...`: what stands before the
 * colon, the reason already says. */
static void set_bogus(struct resolver_query *q, const char *why)
{
	char reason[EXCERPT_SIZE(REASON_MAX)];
	const char *text = why ? strstr(why, ">: ") : NULL;

	q->answer.security = RESOLVER_BOGUS;
	set_failure(q, "SERVFAIL", "DNSSEC bogus: ",
	    excerpt(bytes_str(text  ? text + 3
			      : why ? why
				    : "no reason given"),
		reason, REASON_MAX));
}

static enum resolver_security security_of(const struct resolver *r, int sec)
{
	if (!contexts_validate(r->contexts))
		return RESOLVER_OFF;
	return sec == 2 ? RESOLVER_SECURE : RESOLVER_INSECURE;
}

static void set_answer(struct resolver_query *q, struct bytes packet, int sec)
{
	struct packet_answer p;
	struct err e = { 0 };

	if (packet_read(q->arena, packet, q->name, q->type, &p, &e) != ERR_OK) {
		set_failure(q, "a bad answer", e.detail, "");
		return;
	}
	if (p.rcode != DNS_RCODE_NOERROR && p.rcode != DNS_RCODE_NXDOMAIN) {
		set_failure(q, rcode_name(p.rcode), "", "");
		return;
	}
	q->answer = (struct resolver_answer){ .code = ERR_OK,
		.nxdomain = p.rcode == DNS_RCODE_NXDOMAIN,
		.security = security_of(q->resolver, sec),
		.records = p.records,
		.n_records = p.n_records,
		.ttl_s = p.ttl_s,
		.canonical = p.canonical };
}

static void on_answer(void *ctx, int rcode, void *packet, int len, int sec, char *why_bogus, int was_ratelimited)
{
	struct resolver_query *q = ctx;

	q->asked = false;
	if (sec == 1)
		set_bogus(q, why_bogus);
	else if (rcode != DNS_RCODE_NOERROR || !packet || len <= 0)
		set_failure(q, rcode_name((unsigned)rcode), was_ratelimited ? "asked too often" : "", "");
	else
		set_answer(q, (struct bytes){ packet, (size_t)len }, sec);
	event_active(q->deliver, EV_TIMEOUT, 0);
}

static enum err_code ask(struct resolver_query *q, struct err *e)
{
	TRY(contexts_take(q->resolver->contexts, q->name, q->type == DNS_TYPE_TXT, &q->context, e));
	q->asked = true;
	int rc = ub_resolve_event(context_of(q->context), (const char *)q->name.ptr, (int)q->type, CLASS_IN, q, on_answer, &q->id);
	if (rc != 0) {
		q->asked = false;
		FAIL(e, SERVER_INTERNAL, "libunbound does not take a question for %.*s: %s", BYTES_FMT(q->name), ub_strerror(rc));
	}
	return ERR_OK;
}

/* Gives the context back. What found nothing, or led elsewhere, has left more in its cache than the answer to this one name; and
 * what led elsewhere may have come from there: it is asked once more, where nothing was asked before. True when it is. */
static bool settle_context(struct resolver_query *q)
{
	bool alias = q->answer.code == ERR_OK && q->answer.canonical.len > 0, plain = q->answer.code == ERR_OK && q->answer.n_records > 0;
	bool again = alias && !q->again && context_is_shared(q->context);
	struct context *x = q->context;
	struct err e = { 0 };

	q->context = NULL;
	context_release(x, alias || !plain);
	if (!again)
		return false;
	q->again = true;
	if (ask(q, &e) == ERR_OK)
		return true;
	if (q->context)
		context_release(q->context, true);
	q->context = NULL;
	q->answer = (struct resolver_answer){ .code = e.code, .detail = "the resolver has no memory" };
	return false;
}

static void on_deliver(evutil_socket_t fd, short what, void *ctx)
{
	struct resolver_query *q = ctx;
	resolver_done *done = q->done;

	(void)fd;
	(void)what;
	if (settle_context(q))
		return;
	/* Out of the list first: the asker may free the resolver, which must not free the answer that is being read. */
	if (q->previous)
		q->previous->next = q->next;
	else
		q->resolver->first = q->next;
	if (q->next)
		q->next->previous = q->previous;
	q->next = q->previous = NULL;
	done(q->ctx, &q->answer);
	event_free(q->deliver);
	arena_free(q->arena);
	free(q);
}

enum err_code resolver_ask(
    struct resolver *r, struct bytes name, int type, resolver_done *done, void *ctx, struct resolver_query **ret, struct err *e)
{
	CLEANUP(query_free_p) struct resolver_query *q = calloc(1, sizeof *q);

	if (!q)
		FAIL(e, NOMEM, "no memory for a DNS question");
	q->resolver = r;
	q->next = r->first;
	if (r->first)
		r->first->previous = q;
	r->first = q;
	q->done = done;
	q->ctx = ctx;
	q->type = (unsigned)type;
	q->arena = arena_new(QUERY_ARENA, QUERY_ARENA_MAX);
	q->deliver = event_new(r->base, -1, 0, on_deliver, q);
	char *text = q->arena ? arena_str(q->arena, name) : NULL;
	if (!text || !q->deliver)
		FAIL(e, NOMEM, "no memory for a DNS question");
	q->name = bytes_str(text);
	TRY(ask(q, e));
	*ret = TAKE(q);
	return ERR_OK;
}
