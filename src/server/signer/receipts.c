/* Receipts: the validator's word, and nobody else's, that the account controls each name and that CAA allows it. */
#include "server/signer/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(CHALLENGE_TYPE__MAX <= 32, "methods fit a word");

/* By which methods a name of the CSR has what it needs; bit: method. */
struct covered {
	uint32_t control, caa;
};

struct check {
	const struct signer *s;
	const struct evidence *v;
	const struct csr *csr;
	struct covered *covered; /* as many as names */
	int64_t now_ms;
};

/* The CSR's names are sorted. */
static size_t find_name(const struct csr *csr, const struct san *name)
{
	size_t from = 0, to = csr->n_names;

	while (from < to) {
		size_t i = from + (to - from) / 2;
		int c = san_cmp(&csr->names[i], name);
		if (c == 0)
			return i;
		if (c < 0)
			from = i + 1;
		else
			to = i;
	}
	return csr->n_names;
}

/* Ours, for this account, of now. */
static enum err_code check_common(const struct check *k, const struct receipt *r, struct err *e)
{
	int64_t age_ms = k->now_ms - r->time_ms;
	int64_t most_ms = r->kind == RECEIPT_CAA ? CAA_AGE_MAX_MS : (int64_t)k->v->profile->authz_lifetime_s * 1000;

	if (r->key_id != k->s->identity.key_id || memcmp(r->instance, k->s->identity.instance, INSTANCE_SIZE) != 0)
		FAIL(e, CONFIRM, "a receipt for another CA");
	/* it may have been made for a key that the account had then */
	if (!accounts_owns(k->s->accounts, k->v->account_id, r->thumbprint) || !bytes_eq(r->account_url, k->v->account_url))
		FAIL(e, CONFIRM, "a receipt for another account");
	if (age_ms < -RECEIPT_SKEW_MS)
		FAIL(e, CONFIRM, "a receipt from the future");
	if (age_ms > most_ms)
		FAIL(e, CONFIRM, "a %s receipt that is %" PRId64 " s old, at most %" PRId64 " s are allowed",
		    r->kind == RECEIPT_CAA ? "CAA" : "control", age_ms / 1000, most_ms / 1000);
	return ERR_OK;
}

static enum err_code check_kind(const struct check *k, const struct receipt *r, struct err *e)
{
	if (r->kind == RECEIPT_CAA) {
		if (!bytes_eq(r->issuer_domain, k->s->settings.caa_identity))
			FAIL(e, CONFIRM, "a CAA receipt for another issuer domain");
		return ERR_OK;
	}
	/* What a control receipt covers, identifier type x method x scope, is acme/challenge.def's to say (DESIGN §2). */
	if (!challenge_type_covers(r->method, r->identifier.type, r->scope == SCOPE_WILDCARD))
		FAIL(e, CONFIRM, "a control receipt of a scope that its method does not cover");
	if (blocks_methods(k->s->blocks) >> r->method & 1)
		FAIL(e, UNAUTHORIZED, "this CA's operator has switched %s off: show control of the names in another way",
		    challenge_type_name(r->method));
	if (!(k->v->profile->challenges >> r->method & 1))
		FAIL(e, CONFIRM, "a control receipt by %s, which the profile does not take", challenge_type_name(r->method));
	if (!bytes_eq(r->domain, r->identifier.value))
		FAIL(e, CONFIRM, "a control receipt whose authorization domain is not its name");
	return ERR_OK;
}

/* The name in the certificate that a receipt speaks for: the exact one, or the wildcard directly below it. */
static enum err_code receipt_name(struct arena *a, const struct receipt *r, struct san *ret, struct err *e)
{
	struct identifier id = r->identifier;

	id.wildcard = r->scope == SCOPE_WILDCARD;
	return identifier_san(a, &id, ret, e);
}

/* Every receipt given must hold and be of use: an honest front sends no other. */
static enum err_code take_receipt(struct check *k, struct arena *a, struct bytes in, struct err *e)
{
	struct bytes key = BYTES_ARRAY(k->s->identity.receipt_key);
	struct receipt r;
	struct san name;

	if (receipt_read(in, key, &r, NULL) != ERR_OK)
		FAIL(e, CONFIRM, "a receipt that the validator did not make");
	TRY(check_common(k, &r, e));
	TRY(check_kind(k, &r, e));
	TRY(receipt_name(a, &r, &name, e));
	size_t i = find_name(k->csr, &name);
	if (i == k->csr->n_names)
		FAIL(e, CONFIRM, "a receipt for a name that is not in the CSR");
	if (r.kind == RECEIPT_CAA)
		k->covered[i].caa |= UINT32_C(1) << r.method;
	else
		k->covered[i].control |= UINT32_C(1) << r.method;
	return ERR_OK;
}

/* For messages. */
static struct bytes name_text(const struct check *k, size_t i)
{
	return k->csr->names[i].type == SAN_DNS ? k->csr->names[i].value : BYTES_LIT("an IP address");
}

/* CAA was looked at for the very method that showed control (RFC 8657 §4). */
static enum err_code check_covered(const struct check *k, size_t i, struct err *e)
{
	if (k->covered[i].control == 0)
		FAIL(e, CONFIRM, "no control receipt for %.*s", BYTES_FMT(name_text(k, i)));
	if (k->csr->names[i].type == SAN_IP) /* CAA is a matter of names (RFC 8659 §3, RFC 8738 §8) */
		return ERR_OK;
	if ((k->covered[i].control & k->covered[i].caa) == 0)
		FAIL(e, CONFIRM, "no CAA receipt for %.*s by the method of its control receipt", BYTES_FMT(k->csr->names[i].value));
	return ERR_OK;
}

static enum err_code take_receipts(struct check *k, struct arena *a, const struct bytes *receipts, size_t n, struct err *e)
{
	errno = 0;
	k->covered = arena_array(a, k->csr->n_names, sizeof *k->covered);
	if (!k->covered)
		FAIL(e, NOMEM, "no memory for receipts");
	for (size_t i = 0; i < n; i++)
		TRY(take_receipt(k, a, receipts[i], e));
	return ERR_OK;
}

enum err_code receipts_check(const struct signer *s, struct arena *a, const struct issue *i, const struct evidence *v,
    const struct csr *csr, int64_t now_ms, struct err *e)
{
	struct check k = { .s = s, .v = v, .csr = csr, .now_ms = now_ms };

	TRY(take_receipts(&k, a, i->receipts, i->n_receipts, e));
	for (size_t n = 0; n < csr->n_names; n++)
		TRY(check_covered(&k, n, e));
	return ERR_OK;
}

enum err_code receipts_check_control(const struct signer *s, struct arena *a, const struct bytes *receipts, size_t n_receipts,
    const struct evidence *v, const struct csr *names, int64_t now_ms, struct err *e)
{
	struct check k = { .s = s, .v = v, .csr = names, .now_ms = now_ms };

	TRY(take_receipts(&k, a, receipts, n_receipts, e));
	for (size_t i = 0; i < names->n_names; i++)
		if (k.covered[i].control == 0)
			FAIL(e, UNAUTHORIZED,
			    "the certificate is not this account's, which holds no valid authorization for %.*s: its own key may revoke it, its "
			    "account, or one that has authorizations for all its names (RFC 8555 section 7.6)",
			    BYTES_FMT(name_text(&k, i)));
	return ERR_OK;
}
