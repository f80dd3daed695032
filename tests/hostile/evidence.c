/* Evidence that lacks something, is somebody else's, or was changed: each case is refused for its own reason, and nothing is signed. */
#include "attack.h"

#include "base/clock.h"
#include "jose/jwk.h"
#include "pki/csr.h"

#include <inttypes.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)

/* Changes the recipe before it is built, or what was built. */
typedef void change(struct attacker *w, struct recipe *r);

static void only(struct recipe *r, struct bytes receipt)
{
	r->receipts[0] = receipt;
	r->n_receipts = 1;
}
static void no_receipt(struct attacker *w, struct recipe *r)
{
	(void)w, r->n_receipts = 0;
}
static void only_control(struct attacker *w, struct recipe *r)
{
	only(r, w->proofs[PROOF_A].control);
}
static void only_caa(struct attacker *w, struct recipe *r)
{
	only(r, w->proofs[PROOF_A].caa);
}
static void control_twice(struct attacker *w, struct recipe *r)
{
	r->receipts[1] = w->proofs[PROOF_A].control;
}
static void caa_twice(struct attacker *w, struct recipe *r)
{
	r->receipts[0] = w->proofs[PROOF_A].caa;
}
static void of_another_account(struct attacker *w, struct recipe *r)
{
	r->names[0] = r->csr_names[0] = w->proofs[PROOF_B].name;
	r->receipts[0] = w->proofs[PROOF_B].control;
	r->receipts[1] = w->proofs[PROOF_B].caa;
}
static void of_another_name(struct attacker *w, struct recipe *r)
{
	r->names[0] = r->csr_names[0] = w->proofs[PROOF_C].name;
}
static void of_the_parent(struct attacker *w, struct recipe *r)
{
	(void)w, r->names[0] = r->csr_names[0] = "www.a.test";
}
static void exact_for_wildcard(struct attacker *w, struct recipe *r)
{
	(void)w, r->names[0] = r->csr_names[0] = "*.a.test";
}
static void caa_of_another_name(struct attacker *w, struct recipe *r)
{
	r->receipts[1] = w->proofs[PROOF_C].caa;
}
static void crossed_for_a(struct attacker *w, struct recipe *r)
{
	r->receipts[0] = w->crossed_control;
	r->receipts[1] = w->crossed_caa;
}
static void crossed_for_b(struct attacker *w, struct recipe *r)
{
	crossed_for_a(w, r);
	r->account = r->jwk_of = ACCOUNT_B;
	r->signer = w->account[ACCOUNT_B];
}

/* --- receipts with another MAC: by a key of the attacker's own, or with a field changed and the MAC left --- */
static void seal_own(struct attacker *w, struct recipe *r)
{
	uint8_t own[RECEIPT_KEY_SIZE] = { 7 };

	for (size_t i = 0; i < r->n_receipts; i++) {
		struct receipt v = receipt_of(w, r->receipts[i]);
		r->receipts[i] = receipt_seal(w, &v, own);
	}
}
static void replace_text(struct attacker *w, struct bytes *receipt, const char *from, const char *to)
{
	uint8_t *copy = (uint8_t *)(uintptr_t)copy_of(w->a, *receipt).ptr;
	uint8_t *at = memmem(copy, receipt->len, from, strlen(from));

	need(w, at ? ERR_OK : ERR_BUG, "a receipt without the text that is to be changed", NULL);
	memcpy(at, to, strlen(to));
	receipt->ptr = copy;
}
static void name_edited(struct attacker *w, struct recipe *r)
{
	r->names[0] = r->csr_names[0] = "z.test";
	for (size_t i = 0; i < r->n_receipts; i++)
		replace_text(w, &r->receipts[i], "a.test", "z.test");
}
static void method_edited(struct attacker *w, struct recipe *r)
{
	for (size_t i = 0; i < r->n_receipts; i++)
		replace_text(w, &r->receipts[i], "http-01", "smtp-01");
}
static void no_mac(struct attacker *w, struct recipe *r)
{
	(void)w, r->receipts[0].len -= 32;
}
static void empty_receipt(struct attacker *w, struct recipe *r)
{
	(void)w, r->receipts[0] = BYTES_LIT("");
}
static void one_byte(struct attacker *w, struct recipe *r)
{
	(void)w, r->receipts[0] = BYTES_LIT("0");
}

/* --- receipts that the validator could make at another time, or another validator: sealed with the real key --- */
static void reseal(struct attacker *w, struct recipe *r, size_t i, const struct receipt *v)
{
	r->receipts[i] = receipt_seal(w, v, w->identity.receipt_key);
}
static void aged(struct attacker *w, struct recipe *r, size_t i, int64_t age_ms)
{
	struct receipt v = receipt_of(w, r->receipts[i]);

	v.time_ms = clock_wall_ms() - age_ms;
	reseal(w, r, i, &v);
}
static void control_expired(struct attacker *w, struct recipe *r)
{
	aged(w, r, 0, (int64_t)w->child.settings.profiles[0].authz_lifetime_s * 1000 + 1000);
}
static void caa_expired(struct attacker *w, struct recipe *r)
{
	aged(w, r, 1, 8 * HOUR_MS + 1000);
}
static void control_future(struct attacker *w, struct recipe *r)
{
	aged(w, r, 0, -60000);
}
static void caa_future(struct attacker *w, struct recipe *r)
{
	aged(w, r, 1, -60000);
}
static void other_instance(struct attacker *w, struct recipe *r)
{
	for (size_t i = 0; i < r->n_receipts; i++) {
		struct receipt v = receipt_of(w, r->receipts[i]);
		v.instance[0] ^= 1;
		reseal(w, r, i, &v);
	}
}
static void other_key_id(struct attacker *w, struct recipe *r)
{
	struct receipt v = receipt_of(w, r->receipts[0]);

	v.key_id++;
	reseal(w, r, 0, &v);
}
static void other_ca(struct attacker *w, struct recipe *r)
{
	struct identity theirs;

	identity_make(&theirs);
	for (size_t i = 0; i < r->n_receipts; i++) {
		struct receipt v = receipt_of(w, r->receipts[i]);
		memcpy(v.instance, theirs.instance, sizeof v.instance);
		r->receipts[i] = receipt_seal(w, &v, theirs.receipt_key);
	}
}
static void wildcard_scope(struct attacker *w, struct recipe *r)
{
	struct receipt v = receipt_of(w, r->receipts[0]);

	r->names[0] = r->csr_names[0] = "*.a.test";
	v.scope = SCOPE_WILDCARD;
	reseal(w, r, 0, &v);
	v = receipt_of(w, r->receipts[1]);
	v.scope = SCOPE_WILDCARD;
	reseal(w, r, 1, &v);
}
static void other_issuer_domain(struct attacker *w, struct recipe *r)
{
	struct receipt v = receipt_of(w, r->receipts[1]);

	v.issuer_domain = BYTES_LIT("ca.other.test");
	reseal(w, r, 1, &v);
}
static void other_domain(struct attacker *w, struct recipe *r)
{
	struct receipt v = receipt_of(w, r->receipts[0]);

	v.domain = BYTES_LIT("test");
	reseal(w, r, 0, &v);
}

/* --- requests --- */
static void signed_by_stranger(struct attacker *w, struct recipe *r)
{
	r->signer = w->stranger;
}
static void kid_of_another(struct attacker *w, struct recipe *r)
{
	(void)w, r->account = ACCOUNT_B;
}
/* One of the two requests alone: the order is A's in every other way. */
static void kid_of_another_in_finalize(struct attacker *w, struct recipe *r)
{
	r->account = ACCOUNT_B;
	r->same_order = true;
	recipe_build(w, r);
}
static void kid_of_another_in_new_order(struct attacker *w, struct recipe *r)
{
	r->account = ACCOUNT_B;
	recipe_build(w, r);
	r->account = ACCOUNT_A;
	r->same_order = true;
	recipe_build(w, r);
}
static void jwk_of_another(struct attacker *w, struct recipe *r)
{
	(void)w, r->jwk_of = ACCOUNT_B;
}
static void kid_and_jwk_of_another(struct attacker *w, struct recipe *r)
{
	(void)w, r->account = r->jwk_of = ACCOUNT_B;
}
static void jwk_not_canonical(struct attacker *w, struct recipe *r)
{
	r->jwk = arena_fmt(w->a, " %.*s", BYTES_FMT(r->jwk));
}
static void jwk_junk(struct attacker *w, struct recipe *r)
{
	(void)w, r->jwk = BYTES_LIT("{}");
}
static void foreign_base(struct attacker *w, struct recipe *r)
{
	(void)w, r->base = "https://ca.other.test";
}

/* A second, wholly honest order of the same account. */
static struct recipe another(struct attacker *w, const struct key *csr_key)
{
	struct recipe o = recipe_of(w, PROOF_A);

	o.csr_key = csr_key;
	recipe_build(w, &o);
	return o;
}
static void payload_changed(struct attacker *w, struct recipe *r)
{
	r->finalize = jws_mix(w, r->finalize, another(w, w->leaf2).finalize, r->finalize);
}
static void signature_of_another(struct attacker *w, struct recipe *r)
{
	r->finalize = jws_mix(w, r->finalize, r->finalize, another(w, w->leaf).finalize);
}
/* The order's id in the header is another's: newOrder goes with it, so that only the signature tells. */
static void header_changed(struct attacker *w, struct recipe *r)
{
	struct recipe o = another(w, w->leaf);

	r->finalize = jws_mix(w, o.finalize, r->finalize, r->finalize);
	r->new_order = o.new_order;
}
static void new_order_as_finalize(struct attacker *w, struct recipe *r)
{
	(void)w, r->finalize = r->new_order;
}
static void new_order_swapped(struct attacker *w, struct recipe *r)
{
	r->new_order = another(w, w->leaf).new_order;
}
static void new_order_missing(struct attacker *w, struct recipe *r)
{
	(void)w, r->new_order = BYTES_LIT("");
}
static void finalize_as_new_order(struct attacker *w, struct recipe *r)
{
	(void)w, r->new_order = r->finalize;
}

/* --- order ids --- */
static void order_old(struct attacker *w, struct recipe *r)
{
	r->order_ms -= (int64_t)w->child.settings.order_lifetime * 1000 + 5 * 60000 + 1000;
}
static void order_ancient(struct attacker *w, struct recipe *r)
{
	(void)w, r->order_ms = 0;
}
static void order_future(struct attacker *w, struct recipe *r)
{
	(void)w, r->order_ms += 5 * 60000 + 60000;
}
/* The order was made long ago and its id now says something else; the client signed the old one. */
static void order_time_edited(struct attacker *w, struct recipe *r)
{
	struct recipe old = *r;

	order_ancient(w, &old);
	memset(old.order, 0, 6);
	old.same_order = true;
	recipe_build(w, &old);
	r->finalize = jws_mix(w, r->finalize, old.finalize, old.finalize);
}

/* --- the CSR --- */
static void more_names(struct attacker *w, struct recipe *r)
{
	r->csr_names[1] = w->proofs[PROOF_C].name;
	r->receipts[2] = w->proofs[PROOF_C].control;
	r->receipts[3] = w->proofs[PROOF_C].caa;
	r->n_receipts = 4;
}
static void fewer_names(struct attacker *w, struct recipe *r)
{
	r->names[1] = w->proofs[PROOF_C].name;
}
static void one_name_unproven(struct attacker *w, struct recipe *r)
{
	r->names[1] = r->csr_names[1] = w->proofs[PROOF_C].name;
}
static void more_receipts(struct attacker *w, struct recipe *r)
{
	more_names(w, r);
	r->csr_names[1] = NULL;
}
static void csr_broken(struct attacker *w, struct recipe *r)
{
	(void)w, r->spoil_csr = true;
}
static void csr_by_account(struct attacker *w, struct recipe *r)
{
	(void)w, r->csr_key = w->account[ACCOUNT_A];
}
static void csr_by_issuer(struct attacker *w, struct recipe *r)
{
	r->csr_key = w->issuer;
}

/* --- wishes --- */
static void profile_unknown(struct attacker *w, struct recipe *r)
{
	(void)w, r->profile = "nope";
}
static void profile_unsigned(struct attacker *w, struct recipe *r)
{
	r->profile =
	    (const char *)arena_str(w->a, w->child.settings.n_profiles ? w->child.settings.profiles[0].name : BYTES_LIT("tls-server"));
	r->spoil_new_order = true;
}
static const char *in_days(struct attacker *w, int days)
{
	char text[RFC3339_SIZE];

	rfc3339_format(clock_wall_ms() / 1000 + days * 86400, text);
	return arena_str(w->a, bytes_str(text));
}
static void too_long(struct attacker *w, struct recipe *r)
{
	r->not_after = in_days(w, 4000);
}
static void over_already(struct attacker *w, struct recipe *r)
{
	r->not_after = in_days(w, -1);
}
static void backdated(struct attacker *w, struct recipe *r)
{
	r->not_before = in_days(w, -30);
}
static void postdated(struct attacker *w, struct recipe *r)
{
	r->not_before = in_days(w, 30);
}
static void not_after_unsigned(struct attacker *w, struct recipe *r)
{
	r->not_after = in_days(w, 2);
	r->spoil_new_order = true;
}

static const struct evidence_case {
	const char *name;
	change *before, *after;
	enum err_code code;
	const char *detail; /* a part of the refusal's text: refused for this reason and no other */
} cases[] = {
	{ "no receipt", no_receipt, NULL, ERR_CONFIRM, "no control receipt" },
	{ "only control", only_control, NULL, ERR_CONFIRM, "no CAA receipt" },
	{ "only CAA", only_caa, NULL, ERR_CONFIRM, "no control receipt" },
	{ "control twice", control_twice, NULL, ERR_CONFIRM, "no CAA receipt" },
	{ "CAA twice", caa_twice, NULL, ERR_CONFIRM, "no control receipt" },
	{ "receipts of another account", of_another_account, NULL, ERR_CONFIRM, "another account" },
	{ "receipts of another name", of_another_name, NULL, ERR_CONFIRM, "not in the CSR" },
	{ "receipts of the parent domain", of_the_parent, NULL, ERR_CONFIRM, "not in the CSR" },
	{ "exact receipts for a wildcard", exact_for_wildcard, NULL, ERR_CONFIRM, "not in the CSR" },
	{ "CAA of another name", caa_of_another_name, NULL, ERR_CONFIRM, "not in the CSR" },
	{ "receipts of A's key and B's URL, for A", crossed_for_a, NULL, ERR_CONFIRM, "another account" },
	{ "receipts of A's key and B's URL, for B", crossed_for_b, NULL, ERR_CONFIRM, "another account" },
	{ "receipts with a MAC of one's own", seal_own, NULL, ERR_CONFIRM, "did not make" },
	{ "a receipt's name edited", name_edited, NULL, ERR_CONFIRM, "did not make" },
	{ "a receipt's method edited", method_edited, NULL, ERR_CONFIRM, "did not make" },
	{ "a receipt without its MAC", no_mac, NULL, ERR_CONFIRM, "did not make" },
	{ "an empty receipt", empty_receipt, NULL, ERR_CONFIRM, "did not make" },
	{ "a receipt of one byte", one_byte, NULL, ERR_CONFIRM, "did not make" },
	{ "control expired", control_expired, NULL, ERR_CONFIRM, "control receipt that is" },
	{ "CAA older than 8 hours", caa_expired, NULL, ERR_CONFIRM, "CAA receipt that is" },
	{ "control from the future", control_future, NULL, ERR_CONFIRM, "from the future" },
	{ "CAA from the future", caa_future, NULL, ERR_CONFIRM, "from the future" },
	{ "receipts for another instance", other_instance, NULL, ERR_CONFIRM, "another CA" },
	{ "a receipt of another key id", other_key_id, NULL, ERR_CONFIRM, "another CA" },
	{ "receipts of another CA", other_ca, NULL, ERR_CONFIRM, "did not make" },
	{ "receipts of a wildcard scope", wildcard_scope, NULL, ERR_CONFIRM, "scope" },
	{ "CAA for another issuer domain", other_issuer_domain, NULL, ERR_CONFIRM, "another issuer domain" },
	{ "control of a parent domain", other_domain, NULL, ERR_CONFIRM, "authorization domain" },
	{ "signed by a stranger's key", signed_by_stranger, NULL, ERR_UNAUTHORIZED, "" },
	{ "another's account URL", kid_of_another, NULL, ERR_UNAUTHORIZED, "not by the account" },
	{ "another's account URL in finalize", NULL, kid_of_another_in_finalize, ERR_UNAUTHORIZED,
	    "finalize request is not by the account" },
	{ "another's account URL in newOrder", NULL, kid_of_another_in_new_order, ERR_UNAUTHORIZED,
	    "newOrder request is not by the account" },
	{ "another's JWK", jwk_of_another, NULL, ERR_UNAUTHORIZED, "not by the account" },
	{ "another's account URL and JWK", kid_and_jwk_of_another, NULL, ERR_UNAUTHORIZED, "" },
	{ "JWK not canonical", NULL, jwk_not_canonical, ERR_CONFIRM, "canonical" },
	{ "JWK that is none", NULL, jwk_junk, ERR_MALFORMED, "" },
	{ "another CA's URLs", foreign_base, NULL, ERR_UNAUTHORIZED, "finalize URL" },
	{ "payload changed", NULL, payload_changed, ERR_UNAUTHORIZED, "" },
	{ "signature of another request", NULL, signature_of_another, ERR_UNAUTHORIZED, "" },
	{ "header changed", NULL, header_changed, ERR_UNAUTHORIZED, "" },
	{ "newOrder as finalize", NULL, new_order_as_finalize, ERR_UNAUTHORIZED, "finalize URL" },
	{ "newOrder swapped", NULL, new_order_swapped, ERR_CONFIRM, "not made from this newOrder" },
	{ "newOrder missing", NULL, new_order_missing, ERR_CONFIRM, "not made from this newOrder" },
	{ "finalize as newOrder", NULL, finalize_as_new_order, ERR_CONFIRM, "not made from this newOrder" },
	{ "order too old", order_old, NULL, ERR_UNAUTHORIZED, "expired" },
	{ "order of 1970", order_ancient, NULL, ERR_UNAUTHORIZED, "expired" },
	{ "order from the future", order_future, NULL, ERR_UNAUTHORIZED, "future" },
	{ "order's time edited", NULL, order_time_edited, ERR_UNAUTHORIZED, "" },
	{ "CSR with a name more", more_names, NULL, ERR_BAD_CSR, "names" },
	{ "CSR with a name fewer", fewer_names, NULL, ERR_BAD_CSR, "names" },
	{ "a name without receipts", one_name_unproven, NULL, ERR_CONFIRM, "no control receipt" },
	{ "receipts beyond the CSR's names", more_receipts, NULL, ERR_CONFIRM, "not in the CSR" },
	{ "CSR with a broken signature", csr_broken, NULL, ERR_BAD_CSR, "" },
	{ "CSR of the account's key", csr_by_account, NULL, ERR_BAD_CSR, "account" },
	{ "CSR of the CA's key", csr_by_issuer, NULL, ERR_BAD_CSR, "CA's own" },
	{ "profile unknown", profile_unknown, NULL, ERR_INVALID_PROFILE, "profile" },
	{ "profile not signed for", profile_unsigned, NULL, ERR_UNAUTHORIZED, "" },
	{ "notAfter beyond the profile", too_long, NULL, ERR_MALFORMED, "notAfter" },
	{ "notAfter over", over_already, NULL, ERR_MALFORMED, "notAfter" },
	{ "notBefore long ago", backdated, NULL, ERR_MALFORMED, "notBefore" },
	{ "notBefore far ahead", postdated, NULL, ERR_MALFORMED, "notBefore" },
	{ "notAfter not signed for", not_after_unsigned, NULL, ERR_UNAUTHORIZED, "" },
};

static void run_case(struct attacker *w, const struct evidence_case *c)
{
	struct issued i = { 0 };
	struct err e = { 0 };

	arena_reset(w->a);
	struct recipe r = recipe_of(w, PROOF_A);
	if (c->before)
		c->before(w, &r);
	recipe_build(w, &r);
	if (c->after)
		c->after(w, &r);
	enum err_code rc = ask_issue(w, recipe_body(w, &r), &i, &e);
	report(w, c->name, rc == c->code && strstr(e.detail, c->detail), "%s: %s", rc == ERR_OK ? "ISSUED" : err_name(rc), e.detail);
}

/* One bit of each byte of both receipts. */
static void flip_receipts(struct attacker *w)
{
	struct proof *p = &w->proofs[PROOF_A];
	struct issued issued;
	size_t wrong = 0, n = 0;

	for (size_t which = 0; which < 2; which++)
		for (size_t at = 0; at < (which ? p->caa : p->control).len; at++, n++) {
			struct err e = { 0 };
			arena_reset(w->a);
			struct recipe r = recipe_of(w, PROOF_A);
			uint8_t *copy = (uint8_t *)(uintptr_t)copy_of(w->a, r.receipts[which]).ptr;
			copy[at] ^= (uint8_t)(1u << at % 8);
			r.receipts[which].ptr = copy;
			recipe_build(w, &r);
			wrong += ask_issue(w, recipe_body(w, &r), &issued, &e) != ERR_CONFIRM;
		}
	report(w, "a bit of each receipt's byte flipped", wrong == 0, "%zu of %zu were not refused as forged", wrong, n);
}

/* One bit of each byte of the signed requests' text: the same request again is the most that may come of it, and it never does
 * here, for there is no CAA receipt. */
static void flip_requests(struct attacker *w)
{
	struct issued issued;
	size_t wrong = 0, n = 0;

	for (size_t at = 0;; at++, n++) {
		struct err e = { 0 };
		arena_reset(w->a);
		struct recipe r = recipe_of(w, PROOF_A);
		only_control(w, &r);
		recipe_build(w, &r);
		uint8_t *copy = (uint8_t *)(uintptr_t)copy_of(w->a, recipe_body(w, &r)).ptr;
		if (at >= r.finalize.len + r.new_order.len + r.jwk.len + 12)
			break;
		copy[at] ^= (uint8_t)(1u << at % 8);
		wrong += ask_issue(w, (struct bytes){ copy, recipe_body(w, &r).len }, &issued, &e) == ERR_OK || e.code == ERR_TIMEOUT;
	}
	report(w, "a bit of each request's byte flipped", wrong == 0, "%zu of %zu were not refused", wrong, n);
}

void attack_evidence(struct attacker *w)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		run_case(w, &cases[i]);
	flip_receipts(w);
	flip_requests(w);
}
