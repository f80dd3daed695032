/* http-01 (RFC 8555 §8.3, RFC 8738 §4): fetches the challenge's resource from the web server of the name, or at the address, following
 * redirects within bounds. */
#include "server/validator/http01.h"

#include "crypto/digest.h"
#include "dns/excerpt.h"
#include "server/validator/reach.h"
#include "server/validator/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_SHOWN   100 /* no more of what an internal host might answer (standards.md §5, SSRF) */
#define REASON_SHOWN 40
#define WHY_SHOWN    100
#define PLACE_MAX    260

struct http01 {
	struct control c; /* first */
	struct target target;
	struct lookup *lookup;
	struct fetch *fetch;
	struct reach reach;
};

static void http01_free(struct http01 *h)
{
	lookup_cancel(h->lookup);
	fetch_cancel(h->fetch);
	free(h);
}
DEFINE_CLEANUP(struct http01 *, http01_free);

static void http01_cancel(struct control *c)
{
	if (c)
		http01_free((struct http01 *)c);
}

static void end(struct http01 *h)
{
	h->c.done(h->c.ctx, &h->c.result);
	http01_free(h);
}

/* "http-01 at URL (192.0.2.1 port 80)" */
static const char *place(const struct http01 *h, char out[PLACE_MAX])
{
	char address[IP_ADDRESS_TEXT_SIZE];

	if (h->reach.now.found)
		(void)snprintf(out, PLACE_MAX, "http-01 at %.*s (%s port %u)", BYTES_FMT(h->target.shown),
		    ip_address_text(&h->reach.now.address, address), h->target.port);
	else
		(void)snprintf(out, PLACE_MAX, "http-01 at %.*s", BYTES_FMT(h->target.shown));
	return out;
}

/* Sets the problem: where, and what. */
#define PROBLEM(h, code, fmt, ...) \
	(errno = 0,                \
	    err_set(&(h)->c.result.why, ERR_##code, __FILE__, __LINE__, "%s: " fmt, place((h), (char[PLACE_MAX]){ 0 }), __VA_ARGS__))

static enum err_code fetch_now(struct http01 *h);

/* --- the answer --- */

/* RFC 8555 §8.3: white space behind the key authorization is ignored. */
static struct bytes trim_end(struct bytes v)
{
	while (v.len > 0 && strchr(" \t\r\n\v\f", v.ptr[v.len - 1]) && v.ptr[v.len - 1])
		v.len--;
	return v;
}

static enum err_code check_body(struct http01 *h, const struct fetch_answer *a)
{
	struct bytes body = trim_end(a->body), due = h->c.r.key_authorization;
	char begin[EXCERPT_SIZE(BODY_SHOWN)];

	if (a->more)
		return PROBLEM(
		    h, INCORRECT_RESPONSE, "the answer has more than %d bytes, the key authorization %zu", FETCH_BODY_MAX, due.len);
	if (bytes_eq(body, due)) {
		sha256_one(a->body, h->c.result.seen);
		return ERR_OK;
	}
	if (body.len == 0)
		return PROBLEM(h, INCORRECT_RESPONSE, "the answer is %s; the key authorization is due", "empty");
	(void)excerpt(body, begin, BODY_SHOWN);
	if (body.len == due.len && bytes_starts_with(body, bytes_slice(due, 0, h->c.r.token.len + 1)))
		return PROBLEM(h, INCORRECT_RESPONSE, "the answer is for another account's key: \"%s\", due is a thumbprint of \"%.*s\"",
		    begin, BYTES_FMT(bytes_slice(due, h->c.r.token.len + 1, due.len)));
	return PROBLEM(h, INCORRECT_RESPONSE, "the answer is not the key authorization, its beginning: \"%s\"", begin);
}

static enum err_code check_status(struct http01 *h, const struct fetch_answer *a)
{
	char begin[EXCERPT_SIZE(BODY_SHOWN)], reason[EXCERPT_SIZE(REASON_SHOWN)];

	if (a->status == 200)
		return check_body(h, a);
	(void)excerpt(a->body, begin, BODY_SHOWN);
	(void)excerpt(a->reason, reason, REASON_SHOWN);
	return PROBLEM(h, INCORRECT_RESPONSE, "the answer was %u%s%s%s%s%s", a->status, *reason ? " " : "", reason,
	    *begin ? ", its beginning: \"" : "", begin, *begin ? "\"" : "");
}

/* The only ones that may be followed (Baseline Requirements §3.2.2.4.19). */
static bool is_redirect(unsigned status)
{
	return status == 301 || status == 302 || status == 307 || status == 308;
}

static void on_lookup(void *ctx, const struct lookup_answer *answer);

static enum err_code take_lookup(struct http01 *h, const struct lookup_answer *a);

/* OK with a lookup, or a fetch, under way. */
static enum err_code look(struct http01 *h)
{
	struct lookup_answer answer = { .why = { 0 } };

	h->reach.now = (struct lookup_address){ .found = false };
	if (!h->target.is_address)
		return lookup_start(h->c.r.policy, h->target.host, on_lookup, h, &h->lookup, &h->c.result.why);
	lookup_literal(h->c.r.policy, h->target.host, &answer);
	return take_lookup(h, &answer);
}

static enum err_code follow(struct http01 *h, const struct fetch_answer *a)
{
	struct err why = { 0 };

	if (h->c.result.redirects == HTTP01_REDIRECTS_MAX)
		return PROBLEM(h, CONNECTION, "the answer is one more redirect after %d", HTTP01_REDIRECTS_MAX);
	if (!a->location.ptr || a->location.len == 0)
		return PROBLEM(h, CONNECTION, "the answer is a redirect (%u) without a Location", a->status);
	if (a->locations_differ)
		return PROBLEM(h, CONNECTION, "the answer is a redirect (%u) with several Locations", a->status);
	if (target_follow(h->c.r.arena, h->c.r.policy, &h->c.r.identifier, &h->target, a->location, &h->target, &why) != ERR_OK) {
		err_set(&h->c.result.why, why.code, why.file, why.line, "%s: %s", place(h, (char[PLACE_MAX]){ 0 }), why.detail);
		return why.code;
	}
	h->c.result.redirects++;
	return look(h);
}

static enum err_code not_connected(struct http01 *h, const struct fetch_answer *a)
{
	char why[EXCERPT_SIZE(WHY_SHOWN)];

	if (reach_next(&h->reach, a->why))
		return fetch_now(h);
	return PROBLEM(h, CONNECTION, "cannot connect: %s%s", excerpt(bytes_str(a->why), why, WHY_SHOWN), h->reach.before);
}

/* OK with a fetch or lookup under way: go on. */
static enum err_code take_answer(struct http01 *h, const struct fetch_answer *a)
{
	char why[EXCERPT_SIZE(WHY_SHOWN)];

	switch (a->end) {
	case FETCH_ANSWERED:
		return is_redirect(a->status) ? follow(h, a) : check_status(h, a);
	case FETCH_NOT_CONNECTED:
		return not_connected(h, a);
	case FETCH_TLS:
		return PROBLEM(h, TLS, "the TLS handshake failed: %s", excerpt(bytes_str(a->why), why, WHY_SHOWN));
	case FETCH_BROKEN:
		return PROBLEM(h, CONNECTION, "no usable answer: %s", excerpt(bytes_str(a->why), why, WHY_SHOWN));
	case FETCH_OURS:
		break;
	}
	return PROBLEM(h, SERVER_INTERNAL, "%s", excerpt(bytes_str(a->why), why, WHY_SHOWN));
}

static void on_fetched(void *ctx, const struct fetch_answer *answer)
{
	struct http01 *h = ctx;

	h->fetch = NULL;
	h->c.result.relaxed_address = h->c.result.relaxed_address || h->reach.now.relaxed;
	h->c.result.dnssec = dnssec_weaker(h->c.result.dnssec, h->reach.now.dnssec);
	if (take_answer(h, answer) != ERR_OK || (!h->fetch && !h->lookup))
		end(h);
}

/* --- the way there --- */

static enum err_code fetch_now(struct http01 *h)
{
	struct fetch_request r = { .url = (const char *)h->target.url.ptr,
		.address = h->reach.now.address,
		.port = h->target.port,
		.connect_ms = reach_connect_ms(&h->reach, h->c.r.deadline_ms) };

	return fetch_start(h->c.r.fetcher, &r, on_fetched, h, &h->fetch, &h->c.result.why);
}

static enum err_code take_lookup(struct http01 *h, const struct lookup_answer *a)
{
	if (a->why.code == ERR_OK) {
		reach_begin(&h->reach, a);
		return fetch_now(h);
	}
	/* An identifier that is rejected is the applicant's own name; behind a redirect it is only a host not connected to. */
	enum err_code code = a->why.code == ERR_REJECTED_IDENTIFIER && h->c.result.redirects > 0 ? ERR_CONNECTION : a->why.code;
	return err_set(&h->c.result.why, code, a->why.file, a->why.line, "%s: %s", place(h, (char[PLACE_MAX]){ 0 }), a->why.detail);
}

static void on_lookup(void *ctx, const struct lookup_answer *answer)
{
	struct http01 *h = ctx;

	h->lookup = NULL;
	if (take_lookup(h, answer) != ERR_OK)
		end(h);
}

static void http01_late(const struct control *c, struct err *e)
{
	const struct http01 *h = (const struct http01 *)c;
	static const struct {
		enum err_code code;
		const char *name;
	} phases[] = {
		[FETCH_CONNECTING] = { ERR_CONNECTION, "connecting" },
		[FETCH_IN_HANDSHAKE] = { ERR_TLS, "the TLS handshake" },
		[FETCH_WAITING] = { ERR_CONNECTION, "the answer" },
		[FETCH_READING] = { ERR_CONNECTION, "the rest of the answer" },
	};
	enum fetch_phase at = h->fetch ? fetch_phase(h->fetch) : FETCH_CONNECTING;
	char where[PLACE_MAX];

	errno = 0;
	if (h->fetch)
		err_set(
		    e, phases[at].code, __FILE__, __LINE__, "%s: %s takes too long%s", place(h, where), phases[at].name, h->reach.before);
	else
		err_set(e, ERR_DNS, __FILE__, __LINE__, "%s: the DNS questions for A and AAAA of %.*s take too long", place(h, where),
		    BYTES_FMT(h->target.host));
}

static enum err_code http01_start(const struct control_request *r, control_done *done, void *ctx, struct control **ret, struct err *e)
{
	CLEANUP(http01_free_p) struct http01 *h = calloc(1, sizeof *h);

	errno = 0;
	if (!h)
		FAIL(e, NOMEM, "no memory for a validation");
	*h = (struct http01){ .c = { .r = *r, .done = done, .ctx = ctx, .result.dnssec = DNSSEC_SECURE } };
	TRY(target_first(r->arena, r->policy, &r->identifier, r->token, &h->target, e));
	enum err_code rc = look(h);
	if (rc != ERR_OK)
		return err_set(e, rc, h->c.result.why.file, h->c.result.why.line, "%s", h->c.result.why.detail);
	*ret = &TAKE(h)->c;
	return ERR_OK;
}

const struct method method_HTTP_01 = { http01_start, http01_cancel, http01_late };
