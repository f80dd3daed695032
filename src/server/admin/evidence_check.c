/* Looks at what the log has of one certificate: each signature again, by keys that the log itself names. */
#include "server/admin/evidence_inside.h"

#include "base/codec.h"
#include "base/json.h"
#include "pki/csr.h"
#include "server/admin/logged.h"
#include "server/admin/place.h"
#include "server/identity.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct checking {
	const struct gathering *g;
	const struct settings *s;
	struct evidence *v;
	struct arena *a;
	struct key *account; /* the one that has signed the finalize request */
	struct bytes issuer; /* the issuer's certificate, DER; ptr NULL: not known */
	struct csr csr;      /* names sorted; info NULL: it cannot be read */
	struct san *names;   /* the certificate's, sorted */
	size_t n_names;
};

static void PRINTF(4, 5) conclude(struct checking *k, enum evidence_rule rule, enum evidence_outcome outcome, const char *fmt, ...)
{
	struct evidence_check *c = &k->v->checks[rule];
	va_list args;

	c->outcome = outcome;
	va_start(args, fmt);
	(void)vsnprintf(c->detail, sizeof c->detail, fmt, args);
	va_end(args);
}

static void holds_if(struct checking *k, enum evidence_rule rule, bool good, const char *detail)
{
	conclude(k, rule, good ? EVIDENCE_HOLDS : EVIDENCE_FAILS, "%s", good ? "" : detail);
}

/* --- issuer --- */

static bool is_signed_by(struct checking *k, struct bytes der, bool *ret_same_key)
{
	CLEANUP(key_free_p) struct key *key = NULL;
	struct cert c;

	*ret_same_key = false;
	if (cert_parse(k->a, der, &c, NULL) != ERR_OK || !bytes_eq(c.subject_key_id, k->v->cert.authority_key_id))
		return false;
	*ret_same_key = true;
	return key_from_spki(c.spki, &key, NULL) == ERR_OK &&
	       key_verify_x509(key, k->v->cert.alg, k->v->cert.tbs, k->v->cert.signature, NULL) == ERR_OK;
}

static void check_issuer(struct checking *k)
{
	bool same_key = false;

	for (size_t i = 0; i < k->g->n_issuers; i++) {
		struct bytes pem = k->g->issuers[i].pem, der;
		if (pem_next(k->a, &pem, "CERTIFICATE", &der, NULL) != ERR_OK)
			continue;
		bool good = is_signed_by(k, der, &same_key);
		if (!same_key)
			continue;
		(void)snprintf(k->v->issuer, sizeof k->v->issuer, "%.*s", BYTES_FMT(k->g->issuers[i].name));
		k->issuer = der;
		holds_if(k, EVIDENCE_ISSUER, good, "its key has not signed this certificate");
		return;
	}
	conclude(k, EVIDENCE_ISSUER, EVIDENCE_FAILS, "no issuer that the log names has the key that the certificate is by");
}

/* --- the client's requests --- */

/* An account's URL ends with its id. */
static bool is_of_account(const struct checking *k, struct bytes url)
{
	char id[BASE64URL_LEN(THUMBPRINT_SIZE) + 1];
	size_t n = BASE64URL_LEN(THUMBPRINT_SIZE);

	base64url_encode(BYTES_ARRAY(k->v->intent.thumbprint), id);
	return url.len > n && bytes_eq_str(bytes_slice(url, url.len - n, url.len), id) && url.ptr[url.len - n - 1] == '/';
}

static void check_finalize(struct checking *k)
{
	const struct jws *j = &k->v->finalize;

	if (!j->url.ptr || jwk_parse(k->a, k->v->issue.account_jwk, &k->account, NULL) != ERR_OK) {
		conclude(k, EVIDENCE_FINALIZE, EVIDENCE_FAILS, "the request or the account's key cannot be read");
		return;
	}
	if (!j->kid.ptr || !is_of_account(k, j->kid))
		conclude(k, EVIDENCE_FINALIZE, EVIDENCE_FAILS, "it is by another account");
	else
		holds_if(k, EVIDENCE_FINALIZE, jws_verify(j, k->account, NULL) == ERR_OK, "the account's key has not signed it");
}

/* A key that the account had before. */
static bool former_key_signed(struct checking *k, const struct record *r)
{
	CLEANUP(key_free_p) struct key *key = NULL;
	struct account_evidence given;
	struct account_event v;

	return account_event_read(r, &v, NULL) == ERR_OK && memcmp(v.account, k->v->intent.thumbprint, sizeof v.account) == 0 &&
	       account_evidence_read(v.evidence, &given, NULL) == ERR_OK && jwk_parse(k->a, given.jwk, &key, NULL) == ERR_OK &&
	       jws_verify(&k->v->new_order, key, NULL) == ERR_OK;
}

static void check_new_order(struct checking *k)
{
	const struct jws *j = &k->v->new_order;
	bool good = j->url.ptr && k->account && jws_verify(j, k->account, NULL) == ERR_OK;

	holds_if(k, EVIDENCE_ORDER, order_id_names(k->v->intent.order, k->v->issue.new_order), "it was made from another request");
	for (size_t i = 0; !good && j->url.ptr && i < k->g->n_rollovers; i++)
		good = former_key_signed(k, &k->g->rollovers[i]);
	if (j->url.ptr && !is_of_account(k, j->kid))
		conclude(k, EVIDENCE_NEW_ORDER, EVIDENCE_FAILS, "it is by another account");
	else
		holds_if(k, EVIDENCE_NEW_ORDER, good, "no key that the account had until then has signed it");
}

struct finalize_payload {
	struct bytes csr;
};
static const struct json_field finalize_fields[] = {
	JSON_FIELD(struct finalize_payload, csr, "csr", JSON_STRING, true, BASE64URL_LEN(CSR_SIZE_MAX)),
};

static bool find_csr(struct checking *k, struct bytes *ret)
{
	struct finalize_payload p = { BYTES_NONE };

	*ret = k->v->intent.evidence;
	if (k->v->intent.tls)
		return true;
	return k->v->finalize.url.ptr &&
	       json_read(k->a, k->v->finalize.payload, "the finalize payload", finalize_fields, 1, &p, NULL) == ERR_OK &&
	       base64url_decode(k->a, p.csr, ret, NULL) == ERR_OK;
}

static void check_csr(struct checking *k)
{
	CLEANUP(key_free_p) struct key *key = NULL;
	uint8_t digest[SHA256_SIZE];
	struct bytes der;

	if (!find_csr(k, &der) || csr_parse(k->a, der, &k->csr, NULL) != ERR_OK) {
		k->csr = (struct csr){ .info = BYTES_NONE };
		conclude(k, EVIDENCE_CSR, EVIDENCE_FAILS, "there is none that can be read");
		return;
	}
	sha256_one(der, digest);
	if (memcmp(digest, k->v->intent.csr_digest, sizeof digest) != 0)
		conclude(k, EVIDENCE_CSR, EVIDENCE_FAILS, "the intent names another one");
	else if (csr_verify(&k->csr, &key, NULL) != ERR_OK)
		conclude(k, EVIDENCE_CSR, EVIDENCE_FAILS, "its own key has not signed it");
	else
		holds_if(k, EVIDENCE_CSR, bytes_eq(k->csr.spki, k->v->cert.spki), "the certificate has another key");
}

/* --- names and receipts --- */

static bool same_names(const struct san *x, size_t n, const struct san *y, size_t m)
{
	bool same = n == m;

	for (size_t i = 0; same && i < n; i++)
		same = san_cmp(&x[i], &y[i]) == 0;
	return same;
}

static bool ordered_names(struct checking *k, struct san **ret, size_t *ret_n)
{
	struct logged l;

	if (logged_read(k->a, &k->v->intent, k->v->certificate, (int64_t)k->s->order_lifetime, &l, NULL) != ERR_OK)
		return false;
	struct san *v = arena_array(k->a, l.order.n_identifiers + 1, sizeof *v);
	for (size_t i = 0; v && i < l.order.n_identifiers; i++)
		if (identifier_san(k->a, &l.order.identifiers[i], &v[i], NULL) != ERR_OK)
			return false;
	*ret = v;
	*ret_n = v ? san_sort(v, l.order.n_identifiers) : 0;
	return v != NULL;
}

static void check_names(struct checking *k)
{
	struct san *ordered = NULL;
	size_t n = 0;

	if (!same_names(k->csr.names, k->csr.n_names, k->names, k->n_names))
		conclude(k, EVIDENCE_NAMES, EVIDENCE_FAILS, "the certificate has other names than the CSR");
	else if (k->v->intent.tls)
		holds_if(k, EVIDENCE_NAMES, true, "");
	else
		holds_if(k, EVIDENCE_NAMES, ordered_names(k, &ordered, &n) && same_names(ordered, n, k->names, k->n_names),
		    "the order has other names than the certificate");
}

/* What a receipt speaks for. */
static bool covers(struct checking *k, const struct receipt *r, enum receipt_kind kind, const struct san *name)
{
	struct identifier id = r->identifier;
	struct san san;

	id.wildcard = r->scope == SCOPE_WILDCARD;
	return r->kind == kind && k->v->finalize.kid.ptr && bytes_eq(r->account_url, k->v->finalize.kid) &&
	       r->time_ms <= k->v->intent_ms + RECEIPT_LATE_MS && identifier_san(k->a, &id, &san, NULL) == ERR_OK &&
	       san_cmp(&san, name) == 0;
}

static bool has_receipt(struct checking *k, enum receipt_kind kind, const struct san *name)
{
	for (size_t i = 0; i < k->v->n_receipts; i++)
		if (covers(k, &k->v->receipts[i], kind, name))
			return true;
	return false;
}

static void check_receipts(struct checking *k)
{
	conclude(k, EVIDENCE_RECEIPTS, EVIDENCE_HOLDS, "%s", "");
	for (size_t i = 0; i < k->n_names; i++) {
		const struct san *name = &k->names[i];
		bool control = has_receipt(k, RECEIPT_CONTROL, name), dns = name->type == SAN_DNS;
		if (control && (!dns || has_receipt(k, RECEIPT_CAA, name)))
			continue;
		conclude(k, EVIDENCE_RECEIPTS, EVIDENCE_FAILS, "%.*s has no receipt of %s",
		    BYTES_FMT(dns ? name->value : BYTES_LIT("an address")), control ? "CAA" : "control");
		return;
	}
}

/* The key lies with the signer, and is in no backup without keys. */
static void check_macs(struct checking *k)
{
	struct place signer = { .fd = -1 };
	struct identity id = { .key_id = 0 };
	struct receipt r;

	if (place_open(k->s, PROCESS_SIGNER, &signer, NULL) != ERR_OK || identity_read(signer.fd, &id, NULL) != ERR_OK) {
		conclude(k, EVIDENCE_MAC, EVIDENCE_UNKNOWN, "the key is in the signer's file \"identity\", which cannot be read here");
	} else {
		conclude(k, EVIDENCE_MAC, EVIDENCE_HOLDS, "%s", "");
		for (size_t i = 0; i < k->v->issue.n_receipts; i++)
			if (receipt_read(k->v->issue.receipts[i], BYTES_ARRAY(id.receipt_key), &r, NULL) != ERR_OK)
				conclude(k, EVIDENCE_MAC, EVIDENCE_FAILS,
				    "receipt %zu was not made by the validator, or by one with another key", i + 1);
	}
	crypto_wipe(&id, sizeof id);
	place_close(&signer);
}

/* --- lint --- */

static const struct profile *find_profile(const struct checking *k)
{
	for (size_t i = 0; i < k->s->n_profiles; i++)
		if (bytes_eq(k->s->profiles[i].name, k->v->intent.profile))
			return &k->s->profiles[i];
	return NULL;
}

static bool leaf_of(struct checking *k, const struct profile *p, const struct issuer *i, enum key_type type, struct leaf_request *ret)
{
	struct bytes base = k->s->publish_url, none = BYTES_LIT("");
	uint8_t shard = serial_shard(k->v->serial);

	*ret = (struct leaf_request){ .serial = k->v->serial,
		.names = k->names,
		.n_names = k->n_names,
		.spki = k->v->cert.spki,
		.key_type = type,
		.not_before_s = k->v->cert.not_before_s,
		.not_after_s = k->v->cert.not_after_s,
		.crl_url = p->contents & PROFILE_CRL ? crl_url(k->a, base, i->key_id.ptr, shard) : none,
		.ocsp_url = p->contents & PROFILE_OCSP ? ocsp_url(k->a, base) : none,
		.ca_issuers_url = p->contents & PROFILE_CA_ISSUERS ? ca_issuers_url(k->a, base, i->key_id.ptr) : none };
	return ret->crl_url.ptr && ret->ocsp_url.ptr && ret->ca_issuers_url.ptr;
}

/* The signer has linted these very bytes by the profile as it was then. By today's configuration a certificate of before may not hold. */
static void check_lint(struct checking *k)
{
	CLEANUP(issuer_free_p) struct issuer *i = NULL;
	CLEANUP(key_free_p) struct key *key = NULL;
	const struct profile *p = find_profile(k);
	struct leaf_request r;
	struct err why = { 0 };

	if (!p || !k->issuer.ptr)
		conclude(
		    k, EVIDENCE_LINT, EVIDENCE_UNKNOWN, p ? "its issuer is not known" : "the configuration has no such profile any more");
	else if (issuer_new(k->issuer, NULL, &i, &why) != ERR_OK || key_from_spki(k->v->cert.spki, &key, &why) != ERR_OK)
		conclude(k, EVIDENCE_LINT, EVIDENCE_FAILS, "%s", why.detail);
	else if (!leaf_of(k, p, i, key_type(key), &r))
		conclude(k, EVIDENCE_LINT, EVIDENCE_UNKNOWN, "no memory");
	else if (lint_leaf_tbs(k->a, k->v->cert.tbs, i, p, &r, &why) != ERR_OK)
		conclude(
		    k, EVIDENCE_LINT, EVIDENCE_UNKNOWN, "as it is configured now, the profile would not have it so: %.150s", why.detail);
	else
		conclude(k, EVIDENCE_LINT, EVIDENCE_HOLDS, "%s", "");
}

enum err_code evidence_check(const struct gathering *g, const struct settings *s, struct evidence *v, struct err *e)
{
	struct checking k = { .g = g, .s = s, .v = v, .a = g->a, .issuer = BYTES_NONE };

	conclude(&k, EVIDENCE_LOG, EVIDENCE_HOLDS, "%s", ""); /* else we were not here */
	if (!v->certificate.len)
		return ERR_OK;
	conclude(&k, EVIDENCE_INTENT, EVIDENCE_HOLDS, "%s", ""); /* so too: signer_log_walk() */
	k.names = arena_array(k.a, v->cert.n_names + 1, sizeof *k.names);
	if (!k.names)
		FAIL(e, NOMEM, "no memory for names");
	if (v->cert.n_names > 0) /* a responder's certificate has none */
		memcpy(k.names, v->cert.names, v->cert.n_names * sizeof *k.names);
	k.n_names = san_sort(k.names, v->cert.n_names);
	check_issuer(&k);
	if (v->intent.ocsp) /* no CSR, no names, no profile: the signer's own template */
		return ERR_OK;
	check_csr(&k);
	check_names(&k);
	if (!v->intent.tls) {
		check_finalize(&k);
		check_new_order(&k);
		check_receipts(&k);
		check_macs(&k);
	}
	check_lint(&k);
	key_free(k.account);
	return ERR_OK;
}
