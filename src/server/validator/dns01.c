/* dns-01 (RFC 8555 §8.4): a TXT record of the name below the validated one, whose value is the digest of the key authorization.
 * CNAMEs are followed by the resolver, so that the record may lie in a zone of its own. */
#include "base/codec.h"
#include "crypto/digest.h"
#include "dns/excerpt.h"
#include "dns/packet.h"
#include "dns/txt.h"
#include "server/validator/lookup.h"
#include "server/validator/method.h"
#include "server/validator/rrset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LABEL     "_acme-challenge."
#define SHOWN     100 /* of a record: no more of what a stranger's zone holds */
#define PLACE_MAX 300
#define WHY_SHOWN 300

_Static_assert(RRSET_RECORDS_MAX <= PACKET_RECORDS_MAX, "more are read than are looked at");

struct dns01 {
	struct control c; /* first */
	struct bytes at;  /* the name that is asked */
	struct resolver_query *query;
	char due[BASE64URL_LEN(SHA256_SIZE) + 1];
};

static void dns01_free(struct dns01 *d)
{
	resolver_cancel(d->query);
	free(d);
}
DEFINE_CLEANUP(struct dns01 *, dns01_free);

static void dns01_cancel(struct control *c)
{
	if (c)
		dns01_free((struct dns01 *)c);
}

/* "dns-01 at _acme-challenge.example.org (an alias of x.example.net)" */
static const char *place(const struct dns01 *d, struct bytes canonical, char out[PLACE_MAX])
{
	char alias[EXCERPT_SIZE(SHOWN)];

	if (canonical.len > 0)
		(void)snprintf(out, PLACE_MAX, "dns-01 at %.*s (an alias of %s)", BYTES_FMT(d->at), excerpt(canonical, alias, SHOWN));
	else
		(void)snprintf(out, PLACE_MAX, "dns-01 at %.*s", BYTES_FMT(d->at));
	return out;
}

#define PROBLEM(d, canonical, code, fmt, ...)                                               \
	(errno = 0, err_set(&(d)->c.result.why, ERR_##code, __FILE__, __LINE__, "%s: " fmt, \
			place((d), (canonical), (char[PLACE_MAX]){ 0 }), __VA_ARGS__))

/* OK when one of the records is the due one; else the first of them, as text. */
static enum err_code find(const struct dns01 *d, const struct resolver_answer *a, struct bytes *ret_first, struct err *e)
{
	struct bytes text, first = BYTES_NONE;

	for (size_t i = 0; i < a->n_records; i++) {
		enum err_code rc = txt_read(d->c.r.arena, a->records[i], &text, e);
		if (rc == ERR_NOMEM)
			return rc;
		if (rc == ERR_OK && bytes_eq_str(text, d->due))
			return ERR_OK;
		if (rc == ERR_OK && !first.ptr)
			first = text;
	}
	*ret_first = first;
	return ERR_INCORRECT_RESPONSE;
}

static enum err_code none_is_due(struct dns01 *d, const struct resolver_answer *a, struct bytes first)
{
	char shown[EXCERPT_SIZE(SHOWN)];

	if (bytes_eq(first, d->c.r.key_authorization))
		return PROBLEM(d, a->canonical, INCORRECT_RESPONSE,
		    "the TXT record is the key authorization itself; due is its SHA-256 digest in base64url, \"%s\"", d->due);
	(void)excerpt(first, shown, SHOWN);
	if (a->n_records == 1)
		return PROBLEM(
		    d, a->canonical, INCORRECT_RESPONSE, "found 1 TXT record, which is not the expected \"%s\" but \"%s\"", d->due, shown);
	return PROBLEM(d, a->canonical, INCORRECT_RESPONSE, "found %zu TXT records, none is the expected \"%s\"; the first is \"%s\"",
	    a->n_records, d->due, shown);
}

static enum err_code take_answer(struct dns01 *d, const struct resolver_answer *a)
{
	struct control_result *r = &d->c.result;
	struct bytes first;
	char why[EXCERPT_SIZE(WHY_SHOWN)];

	if (a->code != ERR_OK)
		return PROBLEM(d, BYTES_NONE, DNS, "%s", excerpt(bytes_str(a->detail), why, WHY_SHOWN));
	if (a->nxdomain)
		return PROBLEM(d, a->canonical, DNS, "NXDOMAIN for TXT: there is no such name; due is a TXT record \"%s\"", d->due);
	if (a->n_records == 0)
		return PROBLEM(d, a->canonical, INCORRECT_RESPONSE, "there is no TXT record; due is \"%s\"", d->due);
	if (a->n_records > RRSET_RECORDS_MAX)
		return PROBLEM(d, a->canonical, INCORRECT_RESPONSE, "found %zu TXT records, at most %d are looked at", a->n_records,
		    RRSET_RECORDS_MAX);
	enum err_code rc = find(d, a, &first, &r->why);
	if (rc == ERR_INCORRECT_RESPONSE)
		return none_is_due(d, a, first);
	if (rc != ERR_OK)
		return rc;
	r->why = (struct err){ .code = ERR_OK };
	r->dnssec = dnssec_of(a->security);
	rrset_digest(a->records, a->n_records, r->seen);
	return ERR_OK;
}

static void on_answer(void *ctx, const struct resolver_answer *answer)
{
	struct dns01 *d = ctx;

	d->query = NULL;
	MAY_FAIL(take_answer(d, answer)); /* the result carries it */
	d->c.done(d->c.ctx, &d->c.result);
	dns01_free(d);
}

static void dns01_late(const struct control *c, struct err *e)
{
	const struct dns01 *d = (const struct dns01 *)c;
	char where[PLACE_MAX];

	errno = 0;
	err_set(e, ERR_DNS, __FILE__, __LINE__, "%s: the DNS question for TXT takes too long", place(d, BYTES_NONE, where));
}

static enum err_code dns01_start(const struct control_request *r, control_done *done, void *ctx, struct control **ret, struct err *e)
{
	CLEANUP(dns01_free_p) struct dns01 *d = calloc(1, sizeof *d);
	uint8_t digest[SHA256_SIZE];

	errno = 0;
	if (!d)
		FAIL(e, NOMEM, "no memory for a validation");
	*d = (struct dns01){ .c = { .r = *r, .done = done, .ctx = ctx } };
	d->at = arena_fmt(r->arena, LABEL "%.*s", BYTES_FMT(r->identifier.value));
	if (!d->at.ptr)
		FAIL(e, NOMEM, "no memory for a validation");
	if (d->at.len > DNS_NAME_MAX)
		FAIL(e, MALFORMED, "%.*s has more than %d characters, so no record can be put there", BYTES_FMT(d->at), DNS_NAME_MAX);
	sha256_one(r->key_authorization, digest);
	base64url_encode(BYTES_ARRAY(digest), d->due);
	TRY(resolver_ask(r->policy->resolver, d->at, DNS_TYPE_TXT, on_answer, d, &d->query, e));
	*ret = &TAKE(d)->c;
	return ERR_OK;
}

const struct method method_DNS_01 = { dns01_start, dns01_cancel, dns01_late };
