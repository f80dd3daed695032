#include "server/validator/http01.h"

#include "base/clock.h"
#include "crypto/digest.h"
#include "dns/excerpt.h"
#include "server/validator/lookup.h"
#include "server/validator/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MOST_MS  10000
#define CONNECT_LEAST_MS 100
#define BODY_SHOWN       100 /* no more of what an internal host might answer (standards.md §5, SSRF) */
#define REASON_SHOWN     40
#define WHY_SHOWN        100
#define PLACE_MAX        260

struct http01 {
	struct http01_request r;
	struct target target;
	struct lookup *lookup;
	struct fetch *fetch;
	struct lookup_address now, next;                 /* connected to; and what is left to try when that fails */
	char before[WHY_SHOWN + ADDRESS_TEXT_SIZE + 16]; /* why the first address failed */
	struct http01_result result;
	http01_done *done;
	void *ctx;
};

void http01_cancel(struct http01 *h)
{
	if (!h)
		return;
	lookup_cancel(h->lookup);
	fetch_cancel(h->fetch);
	free(h);
}
DEFINE_CLEANUP(struct http01 *, http01_cancel);

static void end(struct http01 *h)
{
	h->done(h->ctx, &h->result);
	http01_cancel(h);
}

/* "http-01 at URL (192.0.2.1 port 80)" */
static const char *place(const struct http01 *h, char out[PLACE_MAX])
{
	char address[ADDRESS_TEXT_SIZE];

	if (h->now.found)
		(void)snprintf(out, PLACE_MAX, "http-01 at %.*s (%s port %u)", BYTES_FMT(h->target.shown),
		    address_text(&h->now.address, address), h->target.port);
	else
		(void)snprintf(out, PLACE_MAX, "http-01 at %.*s", BYTES_FMT(h->target.shown));
	return out;
}

/* Sets the problem: where, and what. */
#define PROBLEM(h, code, fmt, ...) \
	(errno = 0, err_set(&(h)->result.why, ERR_##code, __FILE__, __LINE__, "%s: " fmt, place((h), (char[PLACE_MAX]){ 0 }), __VA_ARGS__))

static enum err_code connect_to(struct http01 *h, struct lookup_address to, struct lookup_address next);

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
	struct bytes body = trim_end(a->body), due = h->r.key_authorization;
	char begin[EXCERPT_SIZE(BODY_SHOWN)];

	if (a->more)
		return PROBLEM(h, UNAUTHORIZED, "the answer has more than %d bytes, the key authorization %zu", FETCH_BODY_MAX, due.len);
	if (bytes_eq(body, due)) {
		sha256_one(a->body, h->result.seen);
		return ERR_OK;
	}
	if (body.len == 0)
		return PROBLEM(h, UNAUTHORIZED, "the answer is %s; the key authorization is due", "empty");
	(void)excerpt(body, begin, BODY_SHOWN);
	if (body.len == due.len && bytes_starts_with(body, bytes_slice(due, 0, h->r.token.len + 1)))
		return PROBLEM(h, UNAUTHORIZED, "the answer is for another account's key: \"%s\", due is a thumbprint of \"%.*s\"", begin,
		    BYTES_FMT(bytes_slice(due, h->r.token.len + 1, due.len)));
	return PROBLEM(h, UNAUTHORIZED, "the answer is not the key authorization, its beginning: \"%s\"", begin);
}

static enum err_code check_status(struct http01 *h, const struct fetch_answer *a)
{
	char begin[EXCERPT_SIZE(BODY_SHOWN)], reason[EXCERPT_SIZE(REASON_SHOWN)];

	if (a->status == 200)
		return check_body(h, a);
	(void)excerpt(a->body, begin, BODY_SHOWN);
	(void)excerpt(a->reason, reason, REASON_SHOWN);
	return PROBLEM(h, UNAUTHORIZED, "the answer was %u%s%s%s%s%s", a->status, *reason ? " " : "", reason,
	    *begin ? ", its beginning: \"" : "", begin, *begin ? "\"" : "");
}

/* The only ones that may be followed (Baseline Requirements §3.2.2.4.19). */
static bool is_redirect(unsigned status)
{
	return status == 301 || status == 302 || status == 307 || status == 308;
}

static void on_lookup(void *ctx, const struct lookup_answer *answer);

static enum err_code look(struct http01 *h)
{
	h->now = (struct lookup_address){ .found = false };
	return lookup_start(h->r.policy, h->target.host, on_lookup, h, &h->lookup, &h->result.why);
}

static enum err_code follow(struct http01 *h, const struct fetch_answer *a)
{
	struct err why = { 0 };

	if (h->result.redirects == HTTP01_REDIRECTS_MAX)
		return PROBLEM(h, CONNECTION, "the answer is one more redirect after %d", HTTP01_REDIRECTS_MAX);
	if (!a->location.ptr || a->location.len == 0)
		return PROBLEM(h, CONNECTION, "the answer is a redirect (%u) without a Location", a->status);
	if (a->locations_differ)
		return PROBLEM(h, CONNECTION, "the answer is a redirect (%u) with several Locations", a->status);
	if (target_follow(h->r.arena, h->r.policy, &h->target, a->location, &h->target, &why) != ERR_OK) {
		err_set(&h->result.why, why.code, why.file, why.line, "%s: %s", place(h, (char[PLACE_MAX]){ 0 }), why.detail);
		return why.code;
	}
	h->result.redirects++;
	return look(h);
}

/* An address of the other family is tried once, when the first cannot be connected to (RFC 8305's aim, with a bound). */
static enum err_code not_connected(struct http01 *h, const struct fetch_answer *a)
{
	char why[EXCERPT_SIZE(WHY_SHOWN)], address[ADDRESS_TEXT_SIZE];

	(void)excerpt(bytes_str(a->why), why, WHY_SHOWN);
	if (h->next.found) {
		(void)snprintf(h->before, sizeof h->before, " (and to %s: %s)", address_text(&h->now.address, address), why);
		return connect_to(h, h->next, (struct lookup_address){ .found = false });
	}
	return PROBLEM(h, CONNECTION, "cannot connect: %s%s", why, h->before);
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
	h->result.relaxed_address = h->result.relaxed_address || h->now.relaxed;
	h->result.dnssec = dnssec_weaker(h->result.dnssec, h->now.dnssec);
	if (take_answer(h, answer) != ERR_OK || (!h->fetch && !h->lookup))
		end(h);
}

/* --- the way there --- */

static enum err_code connect_to(struct http01 *h, struct lookup_address to, struct lookup_address next)
{
	int64_t left_ms = h->r.deadline_ms - clock_monotonic_ms();
	int64_t most_ms = next.found ? left_ms / 2 : left_ms;
	struct fetch_request r = { .url = (const char *)h->target.url.ptr, .address = to.address, .port = h->target.port };

	r.connect_ms = most_ms < CONNECT_LEAST_MS ? CONNECT_LEAST_MS : most_ms < CONNECT_MOST_MS ? most_ms : CONNECT_MOST_MS;
	h->now = to;
	h->next = next;
	return fetch_start(h->r.fetcher, &r, on_fetched, h, &h->fetch, &h->result.why);
}

static enum err_code take_lookup(struct http01 *h, const struct lookup_answer *a)
{
	h->before[0] = 0;
	if (a->why.code == ERR_OK)
		return a->v6.found ? connect_to(h, a->v6, a->v4) : connect_to(h, a->v4, (struct lookup_address){ .found = false });
	/* An identifier that is rejected is the applicant's own name; behind a redirect it is only a host not connected to. */
	enum err_code code = a->why.code == ERR_REJECTED_IDENTIFIER && h->result.redirects > 0 ? ERR_CONNECTION : a->why.code;
	return err_set(&h->result.why, code, a->why.file, a->why.line, "%s: %s", place(h, (char[PLACE_MAX]){ 0 }), a->why.detail);
}

static void on_lookup(void *ctx, const struct lookup_answer *answer)
{
	struct http01 *h = ctx;

	h->lookup = NULL;
	if (take_lookup(h, answer) != ERR_OK)
		end(h);
}

void http01_late(const struct http01 *h, struct err *e)
{
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
		err_set(e, phases[at].code, __FILE__, __LINE__, "%s: %s takes too long%s", place(h, where), phases[at].name, h->before);
	else
		err_set(e, ERR_DNS, __FILE__, __LINE__, "%s: the DNS questions for A and AAAA of %.*s take too long", place(h, where),
		    BYTES_FMT(h->target.host));
}

enum err_code http01_start(const struct http01_request *r, http01_done *done, void *ctx, struct http01 **ret, struct err *e)
{
	CLEANUP(http01_cancel_p) struct http01 *h = calloc(1, sizeof *h);

	errno = 0;
	if (!h)
		FAIL(e, NOMEM, "no memory for a validation");
	*h = (struct http01){ .r = *r, .done = done, .ctx = ctx, .result.dnssec = DNSSEC_SECURE };
	TRY(target_first(r->arena, r->policy, r->name, r->token, &h->target, e));
	TRY(lookup_start(r->policy, h->target.host, on_lookup, h, &h->lookup, e));
	*ret = TAKE(h);
	return ERR_OK;
}
