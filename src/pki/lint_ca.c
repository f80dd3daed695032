/* The last look before a root signs itself or an intermediate. As lint.c, it shares nothing with the writer but the DER reader. */
#include "pki/cert.h"

#include "pki/der.h"
#include "pki/lint_url.h"

#include <string.h>

#define BROKEN(e, ...) FAIL(e, BUG, "lint: " __VA_ARGS__)

struct lint_ca {
	const struct ca_request *r;
	bool root;
};

static enum err_code check_head(struct der *tbs, const struct lint_ca *l, struct err *e)
{
	const struct ca_request *r = l->r;
	struct der version = der_enter(tbs, DER_CONTEXT_CONSTRUCTED(0));
	struct bytes number = der_get_unsigned(&version), serial = der_get(tbs, DER_INTEGER);

	if (version.failed || der_more(&version) || number.len != 1 || number.ptr[0] != 2)
		BROKEN(e, "version: it is not v3");
	if (serial.len != SERIAL_SIZE || serial.ptr[0] == 0 || serial.ptr[0] > 0x7f || memcmp(serial.ptr, r->serial, SERIAL_SIZE) != 0)
		BROKEN(e, "serial: it is not the request's %d bytes, or not positive", SERIAL_SIZE);
	if (!bytes_eq(der_get_element(tbs), sig_alg_der(r->alg)))
		BROKEN(e, "algorithm: it is not the signer's");
	if (!bytes_eq(der_get_element(tbs), r->issuer_name) || r->issuer_name.len <= 2)
		BROKEN(e, "issuer: it is not the signer's name, or empty");
	struct der v = der_enter(tbs, DER_SEQUENCE);
	int64_t from = der_get_time(&v), to = der_get_time(&v);
	if (v.failed || der_more(&v) || from != r->not_before_s || to != r->not_after_s || to <= from)
		BROKEN(e, "validity: it is not the request's, or ends before it begins");
	if (!bytes_eq(der_get_element(tbs), r->subject) || r->subject.len <= 2)
		BROKEN(e, "subject: it is not the request's, or empty");
	if (l->root != bytes_eq(r->subject, r->issuer_name))
		BROKEN(e, "subject: a root, and nobody else, is its own issuer");
	if (!bytes_eq(der_get_element(tbs), r->spki))
		BROKEN(e, "public key: it is not the request's");
	return ERR_OK;
}

static enum err_code check_constraints(struct bytes value, const struct lint_ca *l, struct err *e)
{
	struct der d = der_of(value), s = der_enter(&d, DER_SEQUENCE);
	bool ca = der_get_bool(&s), has_length = der_more(&s);
	struct bytes length = has_length ? der_get_unsigned(&s) : BYTES_NONE;

	if (s.failed || der_more(&s) || der_more(&d) || !ca)
		BROKEN(e, "basicConstraints: it is not a CA's");
	if (has_length != (l->r->path_len >= 0) || (has_length && (length.len != 1 || length.ptr[0] != l->r->path_len)))
		BROKEN(e, "basicConstraints: its path length is not the request's");
	return ERR_OK;
}

static enum err_code check_usage(struct bytes value, const struct lint_ca *l, struct err *e)
{
	(void)l;
	if (!bytes_eq(value, BYTES_LIT("\x03\x02\x01\x06")))
		BROKEN(e, "keyUsage: it is not keyCertSign and cRLSign alone");
	return ERR_OK;
}

static enum err_code check_key_id(struct bytes value, const struct lint_ca *l, struct err *e)
{
	uint8_t id[20];

	cert_key_id(l->r->spki, id);
	if (value.len != 22 || value.ptr[0] != DER_OCTET_STRING || value.ptr[1] != 20 || memcmp(value.ptr + 2, id, 20) != 0)
		BROKEN(e, "subjectKeyIdentifier: it is not that of the key (RFC 7093 section 2, method 1)");
	return ERR_OK;
}

static enum err_code check_authority(struct bytes value, const struct lint_ca *l, struct err *e)
{
	struct der d = der_of(value), s = der_enter(&d, DER_SEQUENCE);
	struct bytes id = der_get(&s, DER_CONTEXT(0));

	if (s.failed || der_more(&s) || der_more(&d) || !bytes_eq(id, l->r->authority_key_id))
		BROKEN(e, "authorityKeyIdentifier: it is not the signer's key alone");
	return ERR_OK;
}

static enum err_code check_purposes(struct bytes value, const struct lint_ca *l, struct err *e)
{
	bool server = bytes_eq(value, BYTES_LIT("\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"));
	bool client = bytes_eq(value, BYTES_LIT("\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"));

	/* One kind of applicant for one key (Baseline Requirements §7.1.2.10.6). */
	if (!(server && l->r->purposes == CERT_SERVER_AUTH) && !(client && l->r->purposes == CERT_CLIENT_AUTH))
		BROKEN(e, "extKeyUsage: it is not serverAuth or clientAuth alone, as the request has it");
	return ERR_OK;
}

static enum err_code check_policies(struct bytes value, const struct lint_ca *l, struct err *e)
{
	struct bytes due = l->r->purposes == CERT_SERVER_AUTH ? BYTES_LIT("\x30\x0a\x30\x08\x06\x06\x67\x81\x0c\x01\x02\x01")
							      : BYTES_LIT("\x30\x08\x30\x06\x06\x04\x55\x1d\x20\x00");

	if (!bytes_eq(value, due))
		BROKEN(e, "certificatePolicies: it is not domain-validated alone, nor anyPolicy for clients");
	return ERR_OK;
}

static enum err_code check_url(struct bytes url, struct bytes due, const char *what, struct err *e)
{
	if (!lint_crl_url(url) || !bytes_eq(url, due))
		BROKEN(e, "%s: its URI is none of http, or not the request's", what);
	return ERR_OK;
}

static enum err_code check_list(struct bytes value, const struct lint_ca *l, struct err *e)
{
	struct der d = der_of(value), list = der_enter(&d, DER_SEQUENCE), point = der_enter(&list, DER_SEQUENCE);
	struct der name = der_enter(&point, DER_CONTEXT_CONSTRUCTED(0)), full = der_enter(&name, DER_CONTEXT_CONSTRUCTED(0));
	struct bytes url = der_get(&full, DER_CONTEXT(6));

	if (full.failed || der_more(&full) || der_more(&name) || der_more(&point) || der_more(&list) || der_more(&d))
		BROKEN(e, "cRLDistributionPoints: it is not one point with one URI");
	return check_url(url, l->r->crl_url, "cRLDistributionPoints", e);
}

static enum err_code check_access(struct bytes value, const struct lint_ca *l, struct err *e)
{
	struct der d = der_of(value), list = der_enter(&d, DER_SEQUENCE), s = der_enter(&list, DER_SEQUENCE);
	struct bytes id = der_get(&s, DER_OID), url = der_get(&s, DER_CONTEXT(6));

	if (s.failed || der_more(&s) || der_more(&list) || der_more(&d) || !bytes_eq(id, BYTES_LIT("\x2b\x06\x01\x05\x05\x07\x30\x02")))
		BROKEN(e, "authorityInfoAccess: it is not one caIssuers URI");
	return check_url(url, l->r->ca_issuers_url, "authorityInfoAccess", e);
}

/* The next subtree: without minimum and maximum (RFC 5280 §4.2.1.10). */
static bool subtree_is(struct der *list, int tag, struct bytes value)
{
	struct der s = der_enter(list, DER_SEQUENCE);
	struct bytes got = der_get(&s, tag);

	return !s.failed && !der_more(&s) && bytes_eq(got, value);
}

static enum err_code check_names(struct bytes value, const struct lint_ca *l, struct err *e)
{
	struct der d = der_of(value), s = der_enter(&d, DER_SEQUENCE), permitted = der_enter(&s, DER_CONTEXT_CONSTRUCTED(0));
	static const uint8_t any[32];
	bool missing[3] = { true, true, true };

	for (size_t i = 0; i < l->r->n_permitted; i++) {
		const struct name_constraint *c = &l->r->permitted[i];
		if (!subtree_is(&permitted, c->type == SAN_DNS ? 0x82 : 0x87, c->value))
			BROKEN(e, "nameConstraints: what is permitted is not the request's");
		if (c->type == SAN_IP && c->value.len != 8 && c->value.len != 32)
			BROKEN(e, "nameConstraints: a range of addresses has not 8 or 32 bytes");
		missing[c->type == SAN_DNS ? 0 : c->value.len == 8 ? 1 : 2] = false;
	}
	if (permitted.failed || der_more(&permitted))
		BROKEN(e, "nameConstraints: what is permitted is not the request's");
	if (missing[0] || missing[1] || missing[2]) {
		struct der excluded = der_enter(&s, DER_CONTEXT_CONSTRUCTED(1));
		if ((missing[0] && !subtree_is(&excluded, 0x82, BYTES_LIT(""))) ||
		    (missing[1] && !subtree_is(&excluded, 0x87, (struct bytes){ any, 8 })) ||
		    (missing[2] && !subtree_is(&excluded, 0x87, (struct bytes){ any, 32 })) || excluded.failed || der_more(&excluded))
			BROKEN(e, "nameConstraints: what is not permitted is not excluded");
	}
	if (s.failed || der_more(&s) || der_more(&d))
		BROKEN(e, "nameConstraints: it has more than it should");
	return ERR_OK;
}

/* --- the set --- */

static bool always(const struct lint_ca *l)
{
	(void)l;
	return true;
}

static bool below(const struct lint_ca *l)
{
	return !l->root;
}

static bool has_list(const struct lint_ca *l)
{
	return !l->root && l->r->crl_url.len > 0;
}

static bool has_access(const struct lint_ca *l)
{
	return !l->root && l->r->ca_issuers_url.len > 0;
}

static bool has_names(const struct lint_ca *l)
{
	return !l->root && l->r->n_permitted > 0;
}

static const struct rule {
	const char *id; /* content octets, as many as `len` */
	size_t len;
	bool critical;
	const char *name;
	bool (*due)(const struct lint_ca *l);
	enum err_code (*check)(struct bytes value, const struct lint_ca *l, struct err *e);
} rules[] = {
	{ "\x55\x1d\x13", 3, true, "basicConstraints", always, check_constraints },
	{ "\x55\x1d\x0f", 3, true, "keyUsage", always, check_usage },
	{ "\x55\x1d\x0e", 3, false, "subjectKeyIdentifier", always, check_key_id },
	{ "\x55\x1d\x23", 3, false, "authorityKeyIdentifier", below, check_authority },
	{ "\x55\x1d\x25", 3, false, "extKeyUsage", below, check_purposes },
	{ "\x55\x1d\x20", 3, false, "certificatePolicies", below, check_policies },
	{ "\x55\x1d\x1e", 3, true, "nameConstraints", has_names, check_names },
	{ "\x2b\x06\x01\x05\x05\x07\x01\x01", 8, false, "authorityInfoAccess", has_access, check_access },
	{ "\x55\x1d\x1f", 3, false, "cRLDistributionPoints", has_list, check_list },
};
#define RULES_N (sizeof rules / sizeof *rules)

static enum err_code check_extension(struct der *list, const struct lint_ca *l, bool seen[RULES_N], struct err *e)
{
	struct der x = der_enter(list, DER_SEQUENCE);
	struct bytes id = der_get(&x, DER_OID);
	bool says_critical = der_peek(&x) == DER_BOOLEAN, critical = says_critical && der_get_bool(&x);
	struct bytes value = der_get(&x, DER_OCTET_STRING);
	size_t k = 0;

	if (x.failed || der_more(&x) || says_critical != critical)
		BROKEN(e, "extensions: one is not the DER of an Extension");
	while (k < RULES_N && !bytes_eq(id, (struct bytes){ (const uint8_t *)rules[k].id, rules[k].len }))
		k++;
	if (k == RULES_N || !rules[k].due(l) || seen[k])
		BROKEN(e, "extensions: one is not of the allowed set, or there twice");
	if (critical != rules[k].critical)
		BROKEN(e, "extensions: %s must %sbe critical", rules[k].name, critical ? "not " : "");
	seen[k] = true;
	return rules[k].check(value, l, e);
}

enum err_code lint_ca_tbs(struct bytes tbs, const struct ca_request *r, struct err *e)
{
	struct lint_ca l = { .r = r, .root = r->authority_key_id.len == 0 };
	struct der d = der_of(tbs), s = der_enter(&d, DER_SEQUENCE);
	bool seen[RULES_N] = { false };

	if (s.failed || der_more(&d))
		BROKEN(e, "structure: it is not the DER of one TBSCertificate");
	TRY(check_head(&s, &l, e));
	struct der outer = der_enter(&s, DER_CONTEXT_CONSTRUCTED(3)), list = der_enter(&outer, DER_SEQUENCE);
	while (der_more(&list))
		TRY(check_extension(&list, &l, seen, e));
	if (list.failed || der_more(&outer) || s.failed || der_more(&s))
		BROKEN(e, "structure: there is no list of extensions, or something behind it");
	for (size_t k = 0; k < RULES_N; k++)
		if (!seen[k] && rules[k].due(&l))
			BROKEN(e, "extensions: %s is missing", rules[k].name);
	return ERR_OK;
}
